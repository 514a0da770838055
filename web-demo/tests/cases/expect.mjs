import { strict as assert } from "node:assert";

export { assert };

/** Reads until a condition holds, and says what was read last if it never does. */
export async function until(what, read, holds, patience = 20_000) {
  const end = Date.now() + patience;
  for (;;) {
    const value = await read();
    if (holds(value)) return value;
    if (Date.now() > end) throw new Error(`${what}: still ${JSON.stringify(value)} after ${patience} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The rows of a table of names and values. */
export async function rows(page, testid) {
  const cells = await page.getByTestId(testid).locator("tbody tr").evaluateAll((found) =>
    found.map((row) => [...row.children].map((cell) => cell.textContent)),
  );
  return new Map(cells);
}
