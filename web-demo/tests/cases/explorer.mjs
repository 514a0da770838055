import { assert, until } from "./expect.mjs";

/** Services come from the gateway, and a form calls a unary method with a nested message in it. */
export async function explorer(page) {
  await reflect(page);
  const methods = await page.getByTestId("methods").locator("button").allTextContents();
  assert.ok(methods.length >= 19, methods.join());
  for (const door of ["grpc-web", "connect"]) {
    await page.getByTestId("method-ecommerce.v1.OrderService/CreateOrder").click();
    await page.getByTestId(`explorer-door-${door}`).check({ force: true });
    await page.getByTestId("call").click();
    await until(door, () => state(page), ({ code }) => code === "3");
    assert.match((await state(page)).text, /^INVALID_ARGUMENT: /, door);
    await page.locator('[data-field="user_id"]').fill("alice");
    await page.getByRole("button", { name: "add to items" }).click();
    await page.locator('[data-field="product_id"]').fill("tea-green");
    await page.locator('[data-field="quantity"]').fill("3");
    await page.locator('[data-field="unit_price"]').fill("4.5");
    await page.getByRole("button", { name: "add to labels" }).click();
    await page.locator(".pair input").first().fill("gift");
    await page.locator(".pair input").last().fill("yes");
    const request = JSON.parse(await page.getByTestId("request-json").textContent());
    assert.deepEqual(request.labels, { gift: "yes" }, door);
    await page.getByTestId("call").click();
    await until(door, () => state(page), ({ code }) => code === "0");
    const [order] = await answers(page);
    assert.equal(order.total, 13.5, door);
    assert.deepEqual(order.labels, { gift: "yes" }, door);
    assert.equal(order.buyer.userId, "alice", door);
  }
}

/** Streams of the server by fetch, streams of the client by WebSocket. */
export async function explorerStreams(page) {
  await reflect(page);
  await page.getByTestId("method-ecommerce.v1.OrderService/WatchOrder").click();
  await page.locator('[data-field="order_id"]').fill("order-1");
  await page.getByTestId("call").click();
  await until("the watch ends", () => state(page), ({ code }) => code === "0");
  assert.ok((await answers(page)).length >= 2);
  for (const protocol of ["frames", "json"]) {
    await page.getByTestId("method-ecommerce.v1.OrderService/ProcessOrders").click();
    await page.getByTestId(`explorer-socket-${protocol}`).check({ force: true });
    for (const number of [1, 2]) {
      await page.locator('[data-field="order_id"]').fill(`no-order-${number}`);
      await page.locator(".oneof select").selectOption("cancel");
      await page.getByTestId("call").click();
      await until(`${protocol}: answer ${number}`, () => answers(page), (found) => found.length === number);
    }
    const found = await answers(page);
    assert.deepEqual(found.map((update) => [update.sequence, update.error.code]), [[1, 5], [2, 5]], protocol);
    await page.getByTestId("call-stop").click();
    await until(`${protocol}: the end`, () => state(page), ({ code }) => code === "0");
  }
}

async function reflect(page) {
  await page.getByTestId("reflect").click();
  await page.getByTestId("method-ecommerce.v1.OrderService/CreateOrder").waitFor();
}

function state(page) {
  return page.getByTestId("call-state").evaluate((element) => ({ code: element.dataset.code, text: element.textContent }));
}

async function answers(page) {
  const found = await page.getByTestId("answers").locator("pre").allTextContents();
  return found.map((text) => JSON.parse(text));
}
