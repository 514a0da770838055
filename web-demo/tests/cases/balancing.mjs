import { execFileSync } from "node:child_process";
import { assert, until } from "./expect.mjs";

/** Calls go to all backends; one that goes and comes back costs none. */
export async function balancing(page) {
  const { names, gone, stop, start } = process.env.STOP_BACKEND === undefined ? own(page) : elsewhere(page);
  await page.getByTestId("balance").click();
  const all = await until("all three answer", () => counts(page), (found) => atLeast(found, 3, 20));
  const [first] = names ?? [...all.keys()].filter((name) => name !== gone);
  await stop();
  const before = (await counts(page)).get(first);
  // Answers that were on their way when it went are counted by then.
  const settled = await until("the others go on", () => counts(page), (found) => found.get(first) > before + 10);
  const still = settled.get(gone);
  await until("the others go on further", () => counts(page), (found) => found.get(first) > before + 60);
  assert.equal((await counts(page)).get(gone), still, "a backend that is down answers nothing");
  await start();
  await until("it answers again", () => counts(page), (found) => found.get(gone) > still + 20);
  await page.getByTestId("balance").click();
  assert.match(await page.getByTestId("errors").textContent(), /^0 errors/);
}

/** Backends of the demo itself, which the page turns. */
function own(page) {
  const turn = async (on) => {
    await page.getByTestId("turn-backend-2").click();
    const serving = () => page.getByTestId("backend-backend-2").getAttribute("data-serving");
    await until(on ? "it is back" : "it is down", serving, (value) => value === String(on));
  };
  return { names: ["backend-1"], gone: "backend-2", stop: () => turn(false), start: () => turn(true) };
}

/** Backends that run elsewhere: `STOP_BACKEND` and `START_BACKEND` are commands that turn the one of the name `BACKEND`. */
function elsewhere() {
  const { BACKEND, STOP_BACKEND, START_BACKEND } = process.env;
  // Returns when the command has: until then the page goes on by itself.
  const run = async (command) => execFileSync("sh", ["-c", command], { stdio: "ignore" });
  return { gone: BACKEND, stop: () => run(STOP_BACKEND), start: () => run(START_BACKEND) };
}

function atLeast(found, backends, calls) {
  return found.size === backends && [...found.values()].every((count) => count > calls);
}

/** Calls by the name of the backend that answered them. */
async function counts(page) {
  const read = (rows) =>
    rows.map((row) => [row.dataset.testid.replace("backend-", ""), Number(row.querySelector("output").textContent)]);
  return new Map(await page.locator("li.bar-row").evaluateAll(read));
}
