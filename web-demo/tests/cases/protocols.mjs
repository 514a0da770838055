import { assert, rows, until } from "./expect.mjs";

/** Page and API are of different origins, and the browser asks before it calls. */
export async function origins(page, url) {
  const api = await page.getByTestId("api").textContent();
  assert.notEqual(new URL(api).origin, new URL(url).origin);
  const preflights = [];
  const network = await page.context().newCDPSession(page);
  network.on("Network.requestWillBeSent", ({ initiator, request }) => {
    if (initiator.type === "preflight") preflights.push(`${request.method} ${new URL(request.url).pathname}`);
  });
  await network.send("Network.enable");
  await callAll(page);
  for (const path of ["/ecommerce.v1.DiagnosticsService/Echo", "/v1/diagnostics/echo"]) {
    await until(`a preflight for ${path}`, () => preflights, (found) => found.includes(`OPTIONS ${path}`));
  }
}

/** Headers, frames and trailers can be read, whatever the protocol. */
export async function protocols(page) {
  const message = "tea & “scones” ☕";
  await page.getByTestId("echo-text").fill(message);
  await callAll(page);
  for (const door of ["grpc-web", "grpc-web-text", "connect", "connect-get", "rest"]) {
    await page.getByTestId(`door-${door}`).click();
    const answered = await rows(page, "response-headers");
    assert.equal(answered.get("x-demo-greeting"), "from the backend", door);
    assert.equal(answered.get("x-demo-bytes-bin"), "3q2+7w", door);
    assert.equal((await rows(page, "backend-metadata")).get("x-demo-tenant"), "tea-house", door);
    const shown = await page.getByTestId("exchange").textContent();
    if (door.startsWith("grpc-web")) {
      assert.equal((await rows(page, "trailers")).get("grpc-status"), "0", door);
      assert.match(shown, /message frame, flags 0x00/, door);
      assert.match(shown, /trailer frame, flags 0x80/, door);
    } else {
      assert.ok(shown.includes(message), `${door}: ${shown}`);
    }
    assert.match(shown, door === "connect-get" ? /GET http.*connect=v1/ : /POST http/, door);
  }
}

async function callAll(page) {
  await page.getByTestId("call-all").click();
  for (const door of ["grpc-web", "grpc-web-text", "connect", "connect-get", "rest"]) {
    const card = page.getByTestId(`door-${door}`);
    await until(door, () => card.textContent(), (text) => / · |failed/.test(text));
    assert.match(await card.textContent(), /200 · .* ms/, `${door}: ${await page.getByTestId("exchange").textContent()}`);
  }
}
