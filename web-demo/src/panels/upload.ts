import { create, type Message } from "@bufbuild/protobuf";
import { act, h, panel } from "../dom";
import type { Config } from "../config";
import { DiagnosticsService, UploadRequestSchema, type UploadResponse } from "../gen/ecommerce/v1/diagnostics_pb";
import type { End } from "../wire/duplex";
import { subprotocol } from "./subprotocol";

/** A client stream: a file in pieces, no faster than the backend reads. */
export function upload(config: Config): HTMLElement {
  const protocol = subprotocol("upload-protocol");
  const file = h("input", { type: "file", "data-testid": "upload-file" });
  const progress = h("progress", { max: 1, value: 0, "aria-label": "sent" });
  const result = h("output", { class: "counter", "data-testid": "upload-result" }, "nothing sent yet");
  const told = h("p", { class: "told", role: "alert" });

  async function send(blob: Blob, name: string): Promise<void> {
    result.textContent = "sending";
    const began = performance.now();
    const response = await stream(config, protocol.open(), blob, name, (share) => (progress.value = share));
    const seconds = (performance.now() - began) / 1000;
    const rate = (blob.size / 1e6 / seconds).toFixed(1);
    result.textContent = `${response.name}: ${response.bytes} bytes in ${response.messages} messages arrived, ${rate} MB/s`;
    result.dataset["bytes"] = String(response.bytes);
  }
  const own = h("button", { type: "button", "data-testid": "upload-send" }, "Send the file");
  own.addEventListener("click", () =>
    act(own, told, async () => {
      const chosen = file.files?.[0];
      if (chosen === undefined) throw new Error("choose a file first");
      await send(chosen, chosen.name);
    }),
  );
  const made = h("button", { type: "button", class: "primary", "data-testid": "upload-made" }, "Send 8 MiB of noise");
  made.addEventListener("click", () => act(made, told, () => send(new Blob([noise(8 << 20)]), "noise.bin")));
  return panel(
    "upload",
    "A file, upwards",
    "A client stream over a WebSocket: the browser sends as fast as the backend reads, and keeps a megabyte in hand at most.",
    h("div", { class: "bar" }, protocol.element, made),
    h("div", { class: "bar" }, h("label", { class: "grow" }, h("span", {}, "Or a file of yours"), file), own),
    told,
    progress,
    result,
  );
}

type Open = ReturnType<ReturnType<typeof subprotocol>["open"]>;

function stream(config: Config, open: Open, blob: Blob, name: string, told: (share: number) => void): Promise<UploadResponse> {
  return new Promise((resolve, reject) => {
    let response: UploadResponse | undefined;
    const call = open(config.api, DiagnosticsService.method.upload, {}, {
      opened: () => void pour().catch(reject),
      message: (message: Message) => (response = message as UploadResponse),
      ended: (end: End) => {
        if (end.code === 0 && response !== undefined) resolve(response);
        else reject(new Error(`ended with status ${end.code}: ${end.message}`));
      },
    });
    async function pour(): Promise<void> {
      for (let at = 0; at < blob.size || at === 0; at += PIECE) {
        const data = new Uint8Array(await blob.slice(at, at + PIECE).arrayBuffer());
        const contentType = at === 0 ? blob.type || "application/octet-stream" : "";
        call.send(create(UploadRequestSchema, { name: at === 0 ? name : "", file: { contentType, data } }));
        while (call.waiting() > IN_HAND) await new Promise((resolve) => setTimeout(resolve, 5));
        told(Math.min(1, (at + PIECE) / Math.max(blob.size, 1)));
      }
      call.finish();
    }
  });
}

function noise(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  // As much as the browser gives at a time.
  for (let at = 0; at < length; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
  return bytes;
}

const PIECE = 64 << 10;
const IN_HAND = 1 << 20;
