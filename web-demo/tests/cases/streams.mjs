import { assert, until } from "./expect.mjs";

const FORMATS = ["grpc-web", "grpc-web-text", "connect", "sse", "ndjson"];
const COUNT = 16;

/** Messages arrive one by one in every format, not as a heap at the end. */
export async function streams(page) {
  await page.getByTestId("stream-all").click();
  for (const format of FORMATS) {
    const state = page.getByTestId(`state-${format}`);
    await until(format, () => state.textContent(), (text) => text.startsWith("ended well"), 30_000);
    const times = await arrivals(page, format);
    assert.equal(times.length, COUNT, format);
    // The last leaves the backend 3.75 s after the first, so that it arrives about then after it; on a loaded machine
    // two may come together, most do not.
    assert.ok(times.at(-1) - times[0] > 2500, `${format}: ${times}`);
    const gaps = times.slice(1).map((time, index) => time - times[index]);
    assert.ok(gaps.filter((gap) => gap > 60).length >= COUNT / 2, `${format}: ${times}`);
  }
}

/** A stream that is cancelled in the browser ends at its backend. */
export async function cancelled(page) {
  let before;
  for (const format of ["grpc-web", ...FORMATS]) {
    await page.getByTestId(`stream-${format}`).click();
    await until(`${format} starts`, () => arrivals(page, format), (times) => times.length >= 2);
    await page.getByTestId(`stream-${format}`).click();
    const state = page.getByTestId(`state-${format}`);
    await until(format, () => state.textContent(), (text) => text.startsWith("cancelled after"));
    // The first says how many other cases have cancelled.
    const ended = ({ backends, open, cancelled }) =>
      backends === 3 && open === 0 && (before === undefined ? cancelled >= 1 : cancelled === before + 1);
    before = (await until(`${format} at the backends`, () => counters(page), ended)).cancelled;
  }
}

async function counters(page) {
  const read = (element) => [element.dataset.backends, element.dataset.open, element.dataset.cancelled].map(Number);
  const [backends, open, cancelled] = await page.getByTestId("stream-counter").evaluate(read);
  return { backends, open, cancelled };
}

function arrivals(page, format) {
  return page.getByTestId(`track-${format}`).locator("i").evaluateAll((dots) => dots.map((dot) => Number(dot.dataset.time)));
}
