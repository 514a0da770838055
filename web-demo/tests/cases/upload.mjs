import { assert, until } from "./expect.mjs";

/** A file arrives whole, by both subprotocols. */
export async function upload(page) {
  const result = page.getByTestId("upload-result");
  for (const protocol of ["frames", "json"]) {
    await page.getByTestId(`upload-protocol-${protocol}`).check({ force: true });
    await page.getByTestId("upload-made").click();
    const noise = `noise.bin: ${8 << 20} bytes in 128 messages arrived`;
    await until(protocol, () => result.textContent(), (text) => text.startsWith(noise), 40_000);
  }
  await page.getByTestId("upload-file").setInputFiles({ name: "tea.txt", mimeType: "text/plain", buffer: Buffer.from("Assam\n") });
  await page.getByTestId("upload-send").click();
  await until("a file", () => result.textContent(), (text) => text.startsWith("tea.txt: 6 bytes in 1 messages"));
  assert.equal(await result.getAttribute("data-bytes"), "6");
}
