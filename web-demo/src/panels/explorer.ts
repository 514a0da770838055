import type { DescMethod, Registry, JsonValue } from "@bufbuild/protobuf";
import { act, choice, describe, fill, h, panel } from "../dom";
import type { Config } from "../config";
import { callOnce, needsSocket, openCall, type Watcher } from "../explorer/call";
import { messageForm } from "../explorer/form";
import { reflect } from "../explorer/reflection";
import { openFrames } from "../wire/frames_socket";
import { openJson } from "../wire/json_socket";

/** All methods of the gateway, and a form to call each with, made from what the gateway says of itself. */
export function explorer(config: Config): HTMLElement {
  const told = h("p", { class: "told", role: "alert" });
  const tree = h("nav", { class: "tree", "aria-label": "Methods", "data-testid": "methods" });
  const desk = h("div", { class: "desk" }, h("p", { class: "empty" }, "Choose a method."));
  const button = h("button", { type: "button", class: "primary", "data-testid": "reflect" }, "Ask the gateway");
  button.addEventListener("click", () =>
    act(button, told, async () => {
      const { registry, services } = await reflect(config.api);
      fill(tree, ...services.map((name) => service(registry, name, show)));
      button.textContent = "Ask again";
    }),
  );
  function show(registry: Registry, method: DescMethod): void {
    fill(desk, ...methodDesk(config, registry, method));
  }
  return panel(
    "explorer",
    "Any method, from a form",
    "The gateway answers server reflection for what it serves. The page has no code for these methods: forms are made from the descriptors, and calls from the forms. Streams of the client go by WebSocket.",
    h("div", { class: "bar" }, button),
    told,
    h("div", { class: "explorer" }, tree, desk),
  );
}

type Show = (registry: Registry, method: DescMethod) => void;

function service(registry: Registry, name: string, show: Show): HTMLElement {
  const found = registry.getService(name);
  const methods = found?.methods ?? [];
  return h(
    "details",
    { open: name.startsWith("ecommerce.") },
    h("summary", {}, name),
    ...methods.map((method) =>
      h(
        "button",
        { type: "button", "data-testid": `method-${name}/${method.name}`, onclick: () => show(registry, method) },
        method.name,
        method.methodKind !== "unary" && h("small", {}, KINDS[method.methodKind]),
      ),
    ),
  );
}

function methodDesk(config: Config, registry: Registry, method: DescMethod): HTMLElement[] {
  const form = messageForm(method.input);
  const preview = h("pre", { class: "text", tabindex: 0, "aria-label": "request as JSON", "data-testid": "request-json" });
  const answers = h("ol", { class: "answers", "data-testid": "answers", "aria-live": "polite" });
  const state = h("output", { class: "counter", "data-testid": "call-state" });
  const told = h("p", { class: "told", role: "alert" });
  const socket = needsSocket(method);
  const door = socket
    ? choice("explorer-socket", "By", [["frames", "grpc-websockets"], ["json", "edgeway.json.v1"]])
    : choice("explorer-door", "By", [["grpc-web", "gRPC-Web"], ["connect", "Connect"]]);
  let abort: AbortController | undefined;
  let open: ReturnType<typeof openCall> | undefined;

  const read = (): JsonValue => form.read() ?? {};
  function draw(): void {
    try {
      preview.textContent = JSON.stringify(read(), null, 2);
    } catch (error) {
      preview.textContent = describe(error);
    }
  }
  form.element.addEventListener("input", draw);
  form.element.addEventListener("change", draw);
  form.element.addEventListener("toggle", draw, true);
  draw();

  function watcher(): Watcher {
    answers.replaceChildren();
    state.textContent = "running";
    delete state.dataset["code"];
    return {
      message: (json) => {
        answers.append(h("li", {}, h("pre", { tabindex: 0 }, JSON.stringify(json, null, 2))));
        while (answers.children.length > MOST_ANSWERS) answers.firstElementChild?.remove();
      },
      ended: (words, code) => {
        state.textContent = words;
        state.dataset["code"] = String(code);
        open = undefined;
      },
    };
  }
  const call = h("button", { type: "submit", class: "primary", "data-testid": "call" }, socket ? "Send message" : "Call");
  const stop = h("button", { type: "button", "data-testid": "call-stop" }, socket ? "Finish" : "Cancel");
  stop.addEventListener("click", () => (socket ? open?.duplex.finish() : abort?.abort()));
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    void act(call, told, async () => {
      const request = read();
      if (socket) {
        open ??= openCall(config.api, door.value() === "json" ? openJson : openFrames, registry, method, watcher());
        open.send(request);
      } else {
        abort = new AbortController();
        await callOnce(config.api, door.value(), registry, method, request, abort.signal, watcher());
      }
    });
  };
  return [
    h("h3", {}, method.name, h("small", {}, ` ${KINDS[method.methodKind]} · ${method.input.name} → ${method.output.name}`)),
    h(
      "form",
      { onsubmit: submit },
      form.element,
      h("figure", { class: "piece" }, h("figcaption", {}, "request"), preview),
      h("div", { class: "bar" }, door.element, call, stop, state),
    ),
    told,
    answers,
  ];
}

const KINDS: Record<DescMethod["methodKind"], string> = {
  unary: "unary",
  server_streaming: "server stream",
  client_streaming: "client stream",
  bidi_streaming: "both stream",
};

const MOST_ANSWERS = 200;
