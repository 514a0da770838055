import { create, type Message } from "@bufbuild/protobuf";
import { act, h, milliseconds, panel } from "../dom";
import type { Config } from "../config";
import { ChatRequestSchema, DiagnosticsService, type ChatResponse } from "../gen/ecommerce/v1/diagnostics_pb";
import { Code } from "../gen/google/rpc/code_pb";
import type { Duplex, End } from "../wire/duplex";
import { subprotocol } from "./subprotocol";

/** A bidirectional stream over a WebSocket: what is said comes back at once, in order. */
export function chat(config: Config): HTMLElement {
  let call: Duplex | undefined;
  let sent: number[] = [];
  let order = "in order";
  const protocol = subprotocol("chat-protocol", () => call?.cancel());
  const log = h("ol", { class: "chat", "data-testid": "chat-log", "aria-live": "polite", tabindex: 0 });
  const state = h("output", { class: "counter", "data-testid": "chat-state" }, "no call yet");
  const text = h("input", { type: "text", value: "Is the kettle on?", maxlength: 500, "data-testid": "chat-text" });
  const told = h("p", { class: "told", role: "alert" });

  function opened(): Duplex {
    if (call !== undefined) return call;
    sent = [];
    order = "in order";
    log.replaceChildren();
    state.textContent = "connecting";
    call = protocol.open()(config.api, DiagnosticsService.method.chat, { "x-demo-tenant": "tea-house" }, {
      opened: () => void (state.textContent = "the call is open"),
      message: (message) => arrived(message as Message as ChatResponse),
      ended,
    });
    return call;
  }
  function say(words: string): void {
    const duplex = opened();
    sent.push(performance.now());
    line("mine", words);
    duplex.send(create(ChatRequestSchema, { text: words }));
  }
  let received = 0;
  function arrived(message: ChatResponse): void {
    if (message.index === 0) received = 0;
    if (message.index !== received) order = "out of order";
    received += 1;
    const time = performance.now() - (sent[message.index] ?? 0);
    line("theirs", `${message.text}`, `#${message.index} · ${milliseconds(time)}`);
    state.textContent = `${sent.length} sent, ${received} back, ${order}`;
  }
  function ended(end: End): void {
    call = undefined;
    const words = end.message === "" ? "" : `: ${end.message}`;
    line("end", `ended with ${Code[end.code] ?? end.code}${words}`);
    state.dataset["code"] = String(end.code);
  }
  function line(kind: string, words: string, aside = ""): void {
    log.append(h("li", { class: kind }, h("span", {}, words), aside !== "" && h("small", {}, aside)));
    while (log.children.length > MOST_LINES) log.firstElementChild?.remove();
    log.scrollTop = log.scrollHeight;
  }

  const form = h(
    "form",
    {
      class: "bar",
      onsubmit: (event: SubmitEvent) => {
        event.preventDefault();
        say(text.value);
        text.select();
      },
    },
    h("label", { class: "grow" }, h("span", {}, "Say"), text),
    h("button", { type: "submit", class: "primary", "data-testid": "chat-send" }, "Send"),
  );
  const many = h("button", { type: "button", "data-testid": "chat-many" }, "Send 100");
  many.addEventListener("click", () =>
    act(many, told, async () => {
      for (let index = 1; index <= 100; index += 1) say(`message ${index}`);
    }),
  );
  const finish = h("button", { type: "button", "data-testid": "chat-finish", onclick: () => call?.finish() }, "Finish");
  const fail = h("button", { type: "button", "data-testid": "chat-fail" }, "Let it fail");
  fail.addEventListener("click", () =>
    opened().send(create(ChatRequestSchema, { failure: { code: Code.ABORTED, message: "as asked for" } })),
  );
  return panel(
    "chat",
    "Both sides at once",
    "A bidirectional stream over one WebSocket: by the wire protocol of improbable’s grpc-web, or as plain JSON. The backend sends back what it hears.",
    h("div", { class: "bar" }, protocol.element, many, finish, fail, state),
    told,
    log,
    form,
  );
}

/** So that a page that is left open does not grow. */
const MOST_LINES = 400;
