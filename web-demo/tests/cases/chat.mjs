import { assert, until } from "./expect.mjs";

/** What is said comes back in order, by both subprotocols, and the call ends well when it is finished. */
export async function chat(page) {
  for (const protocol of ["frames", "json"]) {
    await page.getByTestId(`chat-protocol-${protocol}`).check({ force: true });
    await page.getByTestId("chat-text").fill(`first, by ${protocol}`);
    await page.getByTestId("chat-send").click();
    await until(`${protocol}: the first`, () => texts(page), (found) => found.length === 1);
    await page.getByTestId("chat-many").click();
    const found = await until(`${protocol}: all`, () => texts(page), (found) => found.length === 101);
    const expected = [`first, by ${protocol}`, ...Array.from({ length: 100 }, (_, index) => `message ${index + 1}`)];
    assert.deepEqual(found, expected, protocol);
    assert.match(await page.getByTestId("chat-state").textContent(), /101 sent, 101 back, in order/, protocol);
    await page.getByTestId("chat-finish").click();
    const end = page.getByTestId("chat-log").locator(".end");
    await until(`${protocol}: the end`, () => end.allTextContents(), (found) => found.includes("ended with OK"));
  }
}

/** A status comes through a WebSocket as well. */
export async function chatFails(page) {
  for (const protocol of ["frames", "json"]) {
    await page.getByTestId(`chat-protocol-${protocol}`).check({ force: true });
    await page.getByTestId("chat-fail").click();
    const end = page.getByTestId("chat-log").locator(".end");
    const wanted = "ended with ABORTED: as asked for";
    await until(`${protocol}: the end`, () => end.allTextContents(), (found) => found.at(-1) === wanted);
  }
}

function texts(page) {
  return page.getByTestId("chat-log").locator(".theirs span").allTextContents();
}
