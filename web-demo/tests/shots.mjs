// Takes pictures of a running demo: node web-demo/tests/shots.mjs http://127.0.0.1:8081 FOLDER
import { launch, open } from "./browser.mjs";

const [url, folder] = process.argv.slice(2);
const browser = await launch();
for (const [name, options] of [
  ["light", { colorScheme: "light" }],
  ["dark", { colorScheme: "dark" }],
  ["narrow", { colorScheme: "light", viewport: { width: 390, height: 844 } }],
]) {
  const { page, troubles } = await open(browser, url, options);
  await page.getByTestId("balance").click();
  await page.getByTestId("call-all").click();
  await page.getByTestId("door-grpc-web").click();
  await page.getByTestId("fail-all").click();
  await page.getByTestId("chat-send").click();
  await page.getByTestId("stream-all").click();
  await page.getByTestId("reflect").click();
  const method = page.getByTestId("method-ecommerce.v1.OrderService/CreateOrder");
  await method.click({ timeout: 5000 }).catch(() => {});
  await page.waitForTimeout(4500);
  await page.getByTestId("balance").click();
  await page.evaluate(() => scrollTo({ top: 0, behavior: "instant" }));
  await page.screenshot({ path: `${folder}/${name}-top.png` });
  await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
  if (troubles.length > 0) console.log(name, troubles);
}
// The one of the README: a cancelled stream, and a backend that was taken down.
const { page } = await open(browser, url, { colorScheme: "light", viewport: { width: 1180, height: 950 } });
await page.getByTestId("stream-all").click();
await page.waitForTimeout(1800);
await page.getByTestId("stream-ndjson").click();
await page.locator('[data-testid="stream-counter"][data-backends="3"][data-open="0"]').waitFor();
await page.getByTestId("balance").click();
await page.waitForTimeout(2000);
await page.getByTestId("turn-backend-2").click();
await page.waitForTimeout(3000);
await page.evaluate(() => document.querySelector("#streams").scrollIntoView({ behavior: "instant" }));
await page.evaluate(() => scrollBy({ top: 30, behavior: "instant" }));
await page.screenshot({ path: `${folder}/web-demo.png` });
await page.getByTestId("turn-backend-2").click();
await page.waitForTimeout(500);
await browser.close();
