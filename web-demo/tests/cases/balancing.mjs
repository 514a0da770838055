import { assert, until } from "./expect.mjs";

const BACKENDS = ["backend-1", "backend-2", "backend-3"];

/** Calls go to all backends; one that goes and comes back costs none. */
export async function balancing(page) {
  await page.getByTestId("balance").click();
  await until("all three answer", () => counts(page), (found) => found.every((count) => count > 20));
  await page.getByTestId("turn-backend-2").click();
  await until("it is down", () => serving(page), (value) => value === "false");
  const [, still] = await counts(page);
  const [first] = await counts(page);
  await until("the others go on", () => counts(page), ([count]) => count > first + 50);
  assert.equal((await counts(page))[1], still, "a backend that is down answers nothing");
  await page.getByTestId("turn-backend-2").click();
  await until("it is back", () => serving(page), (value) => value === "true");
  await until("it answers again", () => counts(page), ([, count]) => count > still + 20);
  await page.getByTestId("balance").click();
  assert.match(await page.getByTestId("errors").textContent(), /^0 errors/);
}

function serving(page) {
  return page.getByTestId("backend-backend-2").getAttribute("data-serving");
}

function counts(page) {
  return Promise.all(
    BACKENDS.map(async (name) => Number(await page.getByTestId(`count-${name}`).textContent({ timeout: 5000 }))),
  );
}
