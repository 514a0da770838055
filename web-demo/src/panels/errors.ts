import { act, choice, fill, h, panel } from "../dom";
import type { Config } from "../config";
import { Code } from "../gen/google/rpc/code_pb";
import { detailNames, ERROR_DOORS, type Failure } from "../wire/failures";

/** All statuses that a call can fail with, with their details, by each protocol. */
export function errors(config: Config): HTMLElement {
  const rows = CODES.map((code) => ({ code, element: h("tbody", { "data-testid": `error-${Code[code]}` }) }));
  for (const { code, element } of rows) fill(element, blank(code));
  const door = choice(
    "error-door",
    "By",
    ERROR_DOORS.map(({ id, name }) => [id, name] as const),
  );
  const told = h("p", { class: "told", role: "alert" });
  const run = h("button", { type: "button", class: "primary", "data-testid": "fail-all" }, "Fail in all 16 ways");
  run.addEventListener("click", () =>
    act(run, told, async () => {
      const chosen = ERROR_DOORS.find(({ id }) => id === door.value());
      if (chosen === undefined) return;
      for (const { code, element } of rows) fill(element, blank(code));
      await Promise.all(
        rows.map(async ({ code, element }) => {
          const failure = await chosen.fail(config.api, code);
          fill(element, ...filled(code, failure));
        }),
      );
    }),
  );
  return panel(
    "errors",
    "Sixteen ways to fail",
    "Every status arrives whole by every protocol: code, message, custom trailers and typed details, with the HTTP status that the protocol has for it. Never a bare “Failed to fetch”.",
    h("div", { class: "bar" }, door.element, run),
    told,
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "Table of errors" },
      h(
        "table",
        { class: "errors" },
        h("thead", {}, h("tr", {}, ...["Code", "HTTP", "Message", "Trailers", "Details"].map((text) => h("th", { scope: "col" }, text)))),
        ...rows.map(({ element }) => element),
      ),
    ),
  );
}

function name(code: Code): HTMLElement {
  return h("th", { scope: "row" }, h("span", { class: "number" }, String(code)), ` ${Code[code] ?? ""}`);
}

function blank(code: Code): HTMLElement {
  return h("tr", {}, name(code), h("td", {}, "–"), h("td", {}), h("td", {}), h("td", { class: "dim" }, detailNames(code)));
}

function filled(code: Code, failure: Failure): HTMLElement[] {
  const right = failure.code === code;
  const trailers = failure.trailers.map(([key, value]) => `${key}: ${value}`).join("\n");
  const details = failure.details.map(({ type, json }) =>
    h("details", {}, h("summary", {}, type), h("pre", { tabindex: 0 }, JSON.stringify(json, null, 2))),
  );
  return [
    h(
      "tr",
      { "data-right": right, "data-code": failure.code, "data-details": failure.details.length },
      name(code),
      h("td", { class: "http" }, String(failure.http)),
      h("td", {}, right ? failure.message : `arrived as ${failure.code}: ${failure.message}`),
      h("td", { class: "mono" }, trailers),
      h("td", {}, ...details),
    ),
  ];
}

const CODES: readonly Code[] = Array.from({ length: 16 }, (_, index) => (index + 1) as Code);
