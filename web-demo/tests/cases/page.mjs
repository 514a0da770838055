import { assert, until } from "./expect.mjs";

/** The panels can be reached and used by keyboard alone. */
export async function keyboard(page) {
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.keyboard.press("Enter");
  await page.getByTestId("echo-text").focus();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  const card = page.getByTestId("door-rest");
  await until("the calls", () => card.textContent(), (text) => text.includes("200 · "));
  await page.getByTestId("error-door-grpc-web").focus();
  await page.keyboard.press("ArrowRight");
  assert.ok(await page.getByTestId("error-door-grpc-web-text").isChecked());
}

/** Nothing sticks out of a narrow window, in the dark neither. */
export async function narrow(page) {
  await page.setViewportSize({ width: 360, height: 800 });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.getByTestId("call-all").click();
  await until("the calls", () => page.getByTestId("door-rest").textContent(), (text) => text.includes("200 · "));
  await page.getByTestId("fail-all").click();
  await until("the errors", () => page.locator(".errors tr[data-code]").count(), (count) => count === 16);
  const wide = await page.evaluate(() =>
    [...document.querySelectorAll("main *")]
      .filter((element) => element.getBoundingClientRect().right > innerWidth + 1 && !element.closest(".scroll, pre"))
      .map((element) => `${element.tagName}.${element.className}`),
  );
  assert.deepEqual(wide, []);
  const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(background, "rgb(20, 22, 26)");
}
