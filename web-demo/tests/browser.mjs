// A real Chromium with a fresh profile, by playwright-core, which brings no browser of its own.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";

export async function launch() {
  if (!existsSync(EXECUTABLE)) {
    throw new Error(`${EXECUTABLE} is not there: on Debian apt-get install chromium, elsewhere set CHROMIUM`);
  }
  return chromium.launch({
    executablePath: EXECUTABLE,
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** A page of the demo; whatever goes wrong in it, a blocked request among that, is in `troubles`. */
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const troubles = [];
  page.on("pageerror", (error) => troubles.push(`${error}`));
  page.on("console", (message) => {
    // The browser itself notes each answer above 399; that a call fails is what some cases are about.
    if (message.type() === "error" && !message.text().includes("the server responded with a status of")) {
      troubles.push(message.text());
    }
  });
  await page.goto(url);
  await page.getByTestId("panel-explorer").waitFor();
  return { page, context, troubles };
}
