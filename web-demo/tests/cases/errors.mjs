import { assert, until } from "./expect.mjs";

/** The HTTP status of each code, for the protocols that have one. */
const HTTP = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];

/** All codes with message, custom trailers and typed details, by each protocol. */
export async function errors(page) {
  for (const door of ["grpc-web", "grpc-web-text", "connect", "rest"]) {
    await page.getByTestId(`error-door-${door}`).check({ force: true });
    await page.getByTestId("fail-all").click();
    const found = page.locator(".errors tr[data-code]");
    await until(door, () => found.count(), (count) => count === 16);
    const rows = await found.evaluateAll((rows) =>
      rows.map((row) => ({
        code: Number(row.dataset.code),
        details: Number(row.dataset.details),
        cells: [...row.children].map((cell) => cell.textContent),
        json: [...row.querySelectorAll("pre")].map((pre) => pre.textContent),
      })),
    );
    for (const [index, { code, details, cells, json }] of rows.entries()) {
      const where = `${door}, code ${index + 1}: ${JSON.stringify(cells)}`;
      assert.equal(code, index + 1, where);
      assert.equal(cells[1], String(door.startsWith("grpc-web") ? 200 : HTTP[code]), where);
      assert.match(cells[2], /as asked for: 100 % “on purpose”$/, where);
      assert.ok(details >= 1, where);
      assert.ok(json.every((text) => Object.keys(JSON.parse(text)).length > 0), where);
      assert.equal(cells[3], `x-demo-trailer: code-${code}`, where);
    }
    assert.match(rows[2].json[0], /fieldViolations/, door);
    assert.match(rows[7].json[1], /retryDelay/, door);
  }
}
