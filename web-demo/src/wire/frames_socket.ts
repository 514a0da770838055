import { fromBinary, toBinary, type Message } from "@bufbuild/protobuf";
import { StatusSchema } from "../gen/google/rpc/status_pb";
import { decodeBase64 } from "./base64";
import { broken, reading, socketUrl, type End, type OpenDuplex } from "./duplex";
import { concat, frame, FrameReader, parseTrailers, TRAILERS, type Frame } from "./frames";

/**
 * The WebSocket transport of improbable-eng/grpc-web, subprotocol `grpc-websockets`.
 *
 * Up: a block of headers; then 0x00 and frames; the byte 0x01 when there is nothing more. Down: frames, of which the
 * first with flag 0x80 has headers and the last trailers; a call that failed at once has its status in the first.
 */
export const openFrames: OpenDuplex = (api, method, metadata, listener) => {
  const socket = new WebSocket(socketUrl(api, method), "grpc-websockets");
  socket.binaryType = "arraybuffer";
  const early: Uint8Array<ArrayBuffer>[] = [];
  const reader = new FrameReader();
  let over = false;

  function put(bytes: Uint8Array<ArrayBuffer>): void {
    if (socket.readyState === WebSocket.CONNECTING) early.push(bytes);
    else if (socket.readyState === WebSocket.OPEN) socket.send(bytes);
  }
  function end(found: End): void {
    if (over) return;
    over = true;
    listener.ended(found);
  }
  function fail(found: End): void {
    end(found);
    socket.close();
  }
  function take({ flags, payload }: Frame): void {
    if (flags !== TRAILERS) return listener.message(fromBinary(method.output, payload) as Message);
    const lines = parseTrailers(payload);
    if (lines.some(([name]) => name === "grpc-status")) end(status(lines));
  }

  socket.onopen = () => {
    const lines = { "content-type": "application/grpc-web+proto", "x-grpc-web": "1", ...metadata };
    socket.send(Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`).reduce(joined, new Uint8Array()));
    early.splice(0).forEach((bytes) => socket.send(bytes));
    listener.opened();
  };
  socket.onmessage = (event: MessageEvent<ArrayBuffer>) => {
    reading(() => reader.push(new Uint8Array(event.data)).forEach(take), fail);
  };
  socket.onclose = (event) => end(broken(event));
  return {
    send: (message) => put(concat([new Uint8Array([0]), frame(toBinary(method.input, message))])),
    finish: () => put(new Uint8Array([1])),
    cancel: () => {
      end({ code: 1, message: "cancelled here", trailers: [], details: [] });
      socket.close();
    },
    waiting: () => socket.bufferedAmount,
  };
};

function joined(bytes: Uint8Array<ArrayBuffer>, line: string): Uint8Array<ArrayBuffer> {
  return concat([bytes, new TextEncoder().encode(line)]);
}

function status(lines: [string, string][]): End {
  const all = new Map(lines);
  const bytes = all.get("grpc-status-details-bin");
  return {
    code: Number(all.get("grpc-status")),
    message: decodeURIComponent(all.get("grpc-message") ?? ""),
    trailers: lines.filter(([name]) => !name.startsWith("grpc-")),
    details: bytes === undefined ? [] : fromBinary(StatusSchema, decodeBase64(bytes)).details,
  };
}
