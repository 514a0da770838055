import "./styles/page.css";
import "./styles/controls.css";
import "./styles/panels.css";
import { loadConfig, type Config } from "./config";
import { describe, fill, h } from "./dom";
import { balancing } from "./panels/balancing";
import { chat } from "./panels/chat";
import { errors } from "./panels/errors";
import { explorer } from "./panels/explorer";
import { protocols } from "./panels/protocols";
import { streams } from "./panels/streams";
import { upload } from "./panels/upload";

const PANELS: readonly (readonly [string, string, (config: Config) => HTMLElement])[] = [
  ["protocols", "Protocols", protocols],
  ["streams", "Streams", streams],
  ["balancing", "Balancing", balancing],
  ["errors", "Errors", errors],
  ["chat", "Chat", chat],
  ["upload", "Upload", upload],
  ["explorer", "Explorer", explorer],
];

async function main(app: Element): Promise<void> {
  try {
    const config = await loadConfig();
    fill(app, head(config), h("main", {}, ...PANELS.map(([, , make]) => make(config))), foot());
  } catch (error) {
    fill(app, h("p", { class: "told", role: "alert" }, describe(error)));
  }
}

function head(config: Config): HTMLElement {
  return h(
    "header",
    { class: "masthead" },
    h(
      "div",
      { class: "title" },
      h("h1", {}, "Edgeway"),
      h("p", {}, "Every door that a browser knocks at, before a plain gRPC backend."),
    ),
    h(
      "dl",
      { class: "origins" },
      h("div", {}, h("dt", {}, "this page"), h("dd", {}, location.origin)),
      h("div", {}, h("dt", {}, "the API"), h("dd", { "data-testid": "api" }, config.api)),
    ),
    h("nav", { "aria-label": "Panels" }, ...PANELS.map(([id, name]) => h("a", { href: `#${id}` }, name))),
  );
}

function foot(): HTMLElement {
  return h(
    "footer",
    {},
    "Page and API are two origins, so the browser asks by preflight before each new kind of call; its network panel shows them, and every byte is as the gateway sent it.",
  );
}

const app = document.querySelector("#app");
if (app !== null) void main(app);
