import { describe, fill, h, milliseconds, panel } from "../dom";
import type { Config } from "../config";
import { tally } from "../wire/backends";
import { FORMATS, type StreamFormat } from "../wire/streams";

const PACE = { count: 16, interval: 250 };
const METHOD = "ecommerce.v1.DiagnosticsService/Stream";

/** One server stream per format on a line of time, and the backends' own word that a cancelled one has ended. */
export function streams(config: Config): HTMLElement {
  const counter = h("output", { class: "counter", "data-testid": "stream-counter" }, "not asked yet");
  let asking: Promise<void> | undefined;

  /** Asks until no stream is open, or for as long as one is expected to be. */
  async function ask(): Promise<void> {
    for (let round = 0; round < 40; round += 1) {
      const found = await tally(config.api, METHOD, config.backends);
      counter.dataset["backends"] = String(found.backends);
      counter.dataset["open"] = String(found.open);
      counter.dataset["cancelled"] = String(found.cancelled);
      fill(
        counter,
        h("strong", {}, String(found.open)),
        ` open at ${found.backends} backends that answered · ${found.started} started · ${found.finished} finished · ${found.cancelled} cancelled`,
      );
      const idle = lanes.every((lane) => !lane.running());
      if (idle && found.open === 0 && found.backends >= (config.backends ?? 1)) return;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
  function askSoon(): void {
    asking ??= ask()
      .catch((error: unknown) => void (counter.textContent = describe(error)))
      .finally(() => (asking = undefined));
  }

  const lanes = FORMATS.map((format) => lane(config, format, askSoon));
  const all = h("button", { type: "button", class: "primary", "data-testid": "stream-all" }, "Start all five");
  all.addEventListener("click", () => lanes.forEach((lane) => lane.start()));
  const none = h("button", { type: "button", "data-testid": "cancel-all" }, "Cancel all");
  none.addEventListener("click", () => lanes.forEach((lane) => lane.cancel()));
  return panel(
    "streams",
    "A stream, message by message",
    `${PACE.count} messages, one every ${PACE.interval} ms. Each mark is one that has arrived, so a proxy that buffers would show as a heap at the end. Cancel one, and the backends' own counters tell that they work for nobody.`,
    h("div", { class: "bar" }, all, none, counter),
    h("ol", { class: "lanes" }, ...lanes.map((lane) => lane.element)),
  );
}

function lane(config: Config, format: StreamFormat, changed: () => void) {
  const track = h("div", { class: "track", role: "img", "aria-label": "no message yet", "data-testid": `track-${format.id}` });
  const state = h("output", { class: "state", "data-testid": `state-${format.id}` }, "idle");
  const button = h("button", { type: "button", "data-testid": `stream-${format.id}` }, "Start");
  let abort: AbortController | undefined;

  async function run(): Promise<void> {
    const controller = new AbortController();
    abort = controller;
    button.textContent = "Cancel";
    track.replaceChildren();
    const began = performance.now();
    const times: number[] = [];
    state.textContent = "waiting for the first message";
    changed();
    try {
      for await (const index of format.open(config.api, PACE, controller.signal)) {
        const time = performance.now() - began;
        if (index !== times.length) throw new Error(`message ${index} came in place of ${times.length}`);
        times.push(time);
        mark(track, time);
        state.textContent = `${times.length} of ${PACE.count}`;
      }
      state.textContent = `ended well · first after ${milliseconds(times[0] ?? 0)}, then every ${milliseconds(gap(times))}`;
      state.dataset["end"] = "ok";
    } catch (error) {
      const cancelled = controller.signal.aborted;
      state.textContent = cancelled ? `cancelled after ${times.length} messages` : describe(error);
      state.dataset["end"] = cancelled ? "cancelled" : "failed";
    } finally {
      abort = undefined;
      button.textContent = "Start";
      track.setAttribute("aria-label", `${times.length} messages`);
      changed();
    }
  }

  const start = () => void (abort === undefined && run());
  button.addEventListener("click", () => (abort === undefined ? start() : abort.abort()));
  return {
    element: h("li", { class: "lane" }, h("h3", {}, format.name), button, track, state),
    running: () => abort !== undefined,
    start,
    cancel: () => abort?.abort(),
  };
}

/** The track is as long as the stream should take, and a little. */
function mark(track: HTMLElement, time: number): void {
  const share = Math.min(time / (PACE.count * PACE.interval), 1);
  const dot = h("i", { title: milliseconds(time) });
  dot.dataset["time"] = String(Math.round(time));
  dot.style.left = `${share * 100}%`;
  track.append(dot);
}

function gap(times: number[]): number {
  const [first, last] = [times[0] ?? 0, times.at(-1) ?? 0];
  return times.length > 1 ? (last - first) / (times.length - 1) : 0;
}
