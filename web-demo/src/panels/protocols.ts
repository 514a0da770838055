import { act, fill, h, milliseconds, panel } from "../dom";
import type { Config } from "../config";
import { header, pieces, trailers, type Piece } from "../wire/anatomy";
import { DOORS, type Called, type Door } from "../wire/doors";
import { hexDump } from "../wire/hex";

/** One call over five protocols, with what passed over the wire. */
export function protocols(config: Config): HTMLElement {
  const results = new Map<Door, Called | Error>();
  let shown: Door = DOORS[0] as Door;
  const detail = h("div", { class: "exchange", "data-testid": "exchange" });
  const told = h("p", { class: "told", role: "alert" });
  const text = h("input", { type: "text", value: "Tea for two ☕", maxlength: 200, "data-testid": "echo-text" });
  const cards = DOORS.map((door) => {
    const status = h("span", { class: "status" }, "not called yet");
    const button = h(
      "button",
      {
        type: "button",
        class: "card",
        "aria-pressed": door === shown,
        "data-testid": `door-${door.id}`,
        onclick: () => show(door),
      },
      h("strong", {}, door.name),
      h("small", {}, door.client),
      status,
    );
    return { door, button, status };
  });

  function show(door: Door): void {
    shown = door;
    for (const card of cards) card.button.setAttribute("aria-pressed", String(card.door === door));
    const result = results.get(door);
    if (result === undefined) fill(detail, h("p", { class: "empty" }, "Call, and see here what passes over the wire."));
    else if (result instanceof Error) fill(detail, h("p", { class: "told" }, `${door.name}: ${result.message}`));
    else fill(detail, ...dissect(result));
  }

  const run = h("button", { type: "button", class: "primary", "data-testid": "call-all" }, "Call all five");
  run.addEventListener("click", () =>
    act(run, told, async () => {
      for (const { door, status, button } of cards) {
        button.dataset["state"] = "running";
        const result = await door.call(config.api, request(text.value)).catch((error: unknown) => error as Error);
        results.set(door, result);
        const failed = result instanceof Error;
        button.dataset["state"] = failed ? "failed" : "done";
        status.textContent = failed ? "failed" : `${result.exchange.status} · ${milliseconds(result.exchange.time)}`;
        if (door === shown) show(door);
      }
    }),
  );
  show(shown);
  return panel(
    "protocols",
    "One call, five protocols",
    "The same Echo, once by each protocol that a browser can speak. The backend is a plain gRPC server and sees five times the same call.",
    h("div", { class: "bar" }, h("label", { class: "grow" }, h("span", {}, "Message"), text), run),
    told,
    h("div", { class: "cards" }, ...cards.map((card) => card.button)),
    detail,
  );
}

function request(message: string) {
  const responseHeaders = [
    { key: "x-demo-greeting", value: "from the backend" },
    { key: "x-demo-bytes-bin", binaryValue: new Uint8Array([0xde, 0xad, 0xbe, 0xef]) },
  ];
  return { message, responseHeaders };
}

function dissect({ exchange, response }: Called): HTMLElement[] {
  const { requestHeaders, responseHeaders } = exchange;
  const ends = trailers(exchange);
  const arrived = response.metadata.map((entry): [string, string] => [entry.key, entry.value]);
  return [
    h(
      "div",
      { class: "side" },
      h("h3", {}, "Request"),
      h("pre", { class: "line" }, `${exchange.method} ${exchange.url}`),
      headers("Headers that script has set", requestHeaders, "request-headers"),
      ...pieces(header(requestHeaders, "content-type"), exchange.requestBody).map(piece),
    ),
    h(
      "div",
      { class: "side" },
      h("h3", {}, "Response"),
      h("pre", { class: "line" }, `HTTP ${exchange.status} in ${milliseconds(exchange.time)}`),
      headers("Headers that script may read", responseHeaders, "response-headers"),
      ...pieces(header(responseHeaders, "content-type"), exchange.responseBody).map(piece),
      ends.length > 0 ? headers("Trailers", ends, "trailers") : h("p", { class: "note" }, "This protocol says its status by HTTP alone."),
    ),
    h(
      "div",
      { class: "side wide" },
      headers(`Metadata as ${response.backend || "the backend"} saw it`, arrived, "backend-metadata"),
    ),
  ];
}

/** A table of names and values. */
export function headers(title: string, rows: readonly (readonly [string, string])[], testid: string): HTMLElement {
  const lines = rows.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value)));
  return h("table", { class: "headers", "data-testid": testid }, h("caption", {}, title), h("tbody", {}, ...lines));
}

function piece({ label, bytes, text }: Piece): HTMLElement {
  return h(
    "figure",
    { class: "piece" },
    h("figcaption", {}, label),
    h("pre", { class: "hex", tabindex: 0, "aria-label": label }, hexDump(bytes)),
    text !== undefined && h("pre", { class: "text", tabindex: 0, "aria-label": "the same as text" }, text),
  );
}
