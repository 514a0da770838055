type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | number | boolean | ((event: never) => void) | undefined>;

/** An element with attributes, listeners (`onclick`) and children. Text is always text, never markup. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value as EventListener);
    else if (name === "value") (element as HTMLInputElement).value = String(value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  fill(element, ...children);
  return element;
}

/** Puts children in place of those that are there. */
export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren(...children.filter((child) => child !== null && child !== undefined && child !== false));
}

/** One button of several, chosen by pointer or arrow keys: radio buttons that look like a switch. */
export function choice(
  name: string,
  label: string,
  options: readonly (readonly [string, string])[],
  onchange: (value: string) => void = () => {},
): { element: HTMLElement; value: () => string } {
  let chosen = options[0]?.[0] ?? "";
  const buttons = options.map(([value, text]) =>
    h(
      "label",
      {},
      h("input", {
        type: "radio",
        name,
        value,
        checked: value === chosen,
        "data-testid": `${name}-${value}`,
        onchange: () => {
          chosen = value;
          onchange(value);
        },
      }),
      h("span", {}, text),
    ),
  );
  const element = h("fieldset", { class: "choice" }, h("legend", {}, label), ...buttons);
  return { element, value: () => chosen };
}

/** A panel of the page. */
export function panel(id: string, title: string, about: string, ...children: Child[]): HTMLElement {
  return h(
    "section",
    { id, class: "panel", "data-testid": `panel-${id}`, "aria-labelledby": `${id}-title` },
    h("header", {}, h("h2", { id: `${id}-title` }, title), h("p", {}, about)),
    ...children,
  );
}

/** Runs an act of a button: it is busy meanwhile, and a failure is told where the user looks. */
export async function act(button: HTMLButtonElement, told: HTMLElement, work: () => Promise<void>): Promise<void> {
  button.disabled = true;
  told.textContent = "";
  try {
    await work();
  } catch (error) {
    told.textContent = describe(error);
  } finally {
    button.disabled = false;
  }
}

export function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function milliseconds(time: number): string {
  return time < 10 ? `${time.toFixed(1)} ms` : `${Math.round(time)} ms`;
}
