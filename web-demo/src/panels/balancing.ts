import { createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { act, describe, fill, h, panel } from "../dom";
import type { Config } from "../config";
import { DiagnosticsService } from "../gen/ecommerce/v1/diagnostics_pb";

interface BackendState {
  readonly name: string;
  readonly serving: boolean;
}

/** Calls without end, counted by the backend that answered, while backends go and come. */
export function balancing(config: Config): HTMLElement {
  const client = createClient(DiagnosticsService, createGrpcWebTransport({ baseUrl: config.api }));
  const rows = new Map<string, ReturnType<typeof row>>();
  const counts = new Map<string, number>();
  let calls = 0;
  let errors = 0;
  let running = false;
  const bars = h("ol", { class: "bars", "aria-label": "calls by backend" });
  const total = h("output", { class: "counter", "data-testid": "calls" });
  const failed = h("output", { class: "counter", "data-testid": "errors" });
  const told = h("p", { class: "told", role: "alert" });
  const button = h("button", { type: "button", class: "primary", "data-testid": "balance" }, "Start calling");
  button.addEventListener("click", () => (running ? stop() : start()));

  function start(): void {
    running = true;
    button.textContent = "Stop calling";
    for (let index = 0; index < CALLERS; index += 1) void caller();
    requestAnimationFrame(draw);
  }
  function stop(): void {
    running = false;
    button.textContent = "Start calling";
  }

  async function caller(): Promise<void> {
    while (running) {
      try {
        const { name } = await client.whoAmI({}, { timeoutMs: 10000 });
        counts.set(name, (counts.get(name) ?? 0) + 1);
      } catch (error) {
        errors += 1;
        told.textContent = describe(error);
      }
      calls += 1;
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  }

  function draw(): void {
    for (const name of counts.keys()) rowOf(name);
    const most = Math.max(1, ...counts.values());
    for (const [name, { fillBar, count }] of rows) {
      const value = counts.get(name) ?? 0;
      fillBar.style.width = `${(value / most) * 100}%`;
      count.textContent = String(value);
    }
    fill(total, h("strong", {}, String(calls)), " calls");
    fill(failed, h("strong", {}, String(errors)), " errors");
    failed.dataset["bad"] = String(errors > 0);
    if (running) requestAnimationFrame(draw);
  }

  function rowOf(name: string): ReturnType<typeof row> {
    let found = rows.get(name);
    if (found === undefined) {
      found = row(name, config.backends !== null, (button, on) => act(button, told, () => turn(name, on)));
      rows.set(name, found);
      fill(bars, ...[...rows].sort(([a], [b]) => a.localeCompare(b)).map(([, row]) => row.element));
    }
    return found;
  }

  async function turn(name: string, on: boolean): Promise<void> {
    show(await states(`/control/backends/${name}/${on ? "start" : "stop"}`, "POST"));
  }
  function show(backends: BackendState[]): void {
    for (const { name, serving } of backends) rowOf(name).show(serving);
  }

  if (config.backends !== null) {
    states("/control/backends", "GET").then(show, (error: unknown) => (told.textContent = describe(error)));
  }
  draw();
  return panel(
    "balancing",
    "Each call finds its backend",
    "Every call is balanced on its own, whatever connection it came by. Take a backend down while calls run: it drains, the others take over, and no call fails.",
    h("div", { class: "bar" }, button, total, failed),
    config.backends === null &&
      h("p", { class: "note" }, "These backends run elsewhere: stop and start one there (docker stop), and watch."),
    told,
    bars,
  );
}

async function states(path: string, method: string): Promise<BackendState[]> {
  const answer = await fetch(path, { method });
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as BackendState[];
}

function row(name: string, mayTurn: boolean, turn: (button: HTMLButtonElement, on: boolean) => void) {
  let serving = true;
  const fillBar = h("i", {});
  const count = h("output", { "data-testid": `count-${name}` }, "0");
  const button = h("button", { type: "button", "data-testid": `turn-${name}`, onclick: () => turn(button, !serving) }, "Take down");
  const element = h(
    "li",
    { class: "bar-row", "data-testid": `backend-${name}`, "data-serving": "true" },
    h("span", { class: "name" }, name),
    h("span", { class: "gauge" }, fillBar),
    count,
    mayTurn && button,
  );
  function show(now: boolean): void {
    serving = now;
    element.dataset["serving"] = String(now);
    button.textContent = now ? "Take down" : "Bring back";
  }
  return { element, fillBar, count, show };
}

/** As many as a browser's connections to one host, less those that streams may hold. */
const CALLERS = 4;

/** So that the page stays quick on a small machine; some hundred calls a second are enough to see. */
const PAUSE = 8;
