// Every panel of the demo in a real Chromium: node web-demo/tests/run.mjs http://127.0.0.1:8081 [CASE…]
//
// Prints `ok CASE` or `FAIL CASE: why` for each, and fails if any did. Each case has a page of its own and 60 s.
import { launch, open } from "./browser.mjs";
import { balancing } from "./cases/balancing.mjs";
import { chat, chatFails } from "./cases/chat.mjs";
import { errors } from "./cases/errors.mjs";
import { explorer, explorerStreams } from "./cases/explorer.mjs";
import { keyboard, narrow } from "./cases/page.mjs";
import { origins, protocols } from "./cases/protocols.mjs";
import { cancelled, streams } from "./cases/streams.mjs";
import { upload } from "./cases/upload.mjs";

const CASES = {
  origins,
  protocols,
  streams,
  cancelled,
  balancing,
  errors,
  chat,
  chatFails,
  upload,
  explorer,
  explorerStreams,
  keyboard,
  narrow,
};

const [url, ...chosen] = process.argv.slice(2);
if (url === undefined) {
  console.error("usage: node web-demo/tests/run.mjs URL [CASE…]");
  process.exit(2);
}

const browser = await launch();
let failed = 0;
for (const [name, run] of Object.entries(CASES)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  const { page, context, troubles } = await open(browser, url);
  const began = performance.now();
  try {
    await Promise.race([run(page, url), tooLong()]);
    if (troubles.length > 0) throw new Error(`the page has troubles: ${troubles.join("; ")}`);
    console.log(`ok ${name} (${Math.round(performance.now() - began)} ms)`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}: ${String(error.message).replaceAll("\n", " ")}`);
  }
  await context.close();
}
await browser.close();
process.exit(failed === 0 ? 0 : 1);

function tooLong() {
  return new Promise((_, reject) => setTimeout(() => reject(new Error("no end within 60 s")), 60_000).unref());
}
