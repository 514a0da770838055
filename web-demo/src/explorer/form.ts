import type { DescField, DescMessage, JsonObject, JsonValue } from "@bufbuild/protobuf";
import { fill, h } from "../dom";
import { enumeration, freeJson, scalar, wellKnown } from "./inputs";

/** A part of a form, and what it holds: ProtoJSON, or nothing where nothing was entered. */
export interface Part {
  readonly element: HTMLElement;
  read(): JsonValue | undefined;
}

/** The form of a message: a part for each field, and one for each oneof. Nested messages are made when opened. */
export function messageForm(message: DescMessage): Part {
  const parts: { name: string; part: Part }[] = [];
  const rows: HTMLElement[] = [];
  for (const member of message.members) {
    if (member.kind === "oneof") {
      const { element, chosen } = oneof(member.name, member.fields);
      parts.push(...chosen);
      rows.push(element);
    } else {
      const part = fieldPart(member);
      parts.push({ name: member.jsonName, part });
      rows.push(row(member, part));
    }
  }
  if (rows.length === 0) rows.push(h("p", { class: "dim" }, "This message has no fields."));
  return {
    element: h("div", { class: "fields" }, ...rows),
    read: () => {
      const object: JsonObject = {};
      for (const { name, part } of parts) {
        const value = part.read();
        if (value !== undefined) object[name] = value;
      }
      return object;
    },
  };
}

function row(field: DescField, part: Part): HTMLElement {
  const type = h("small", {}, typeName(field));
  const simple = field.fieldKind === "scalar" || field.fieldKind === "enum";
  const label = simple ? h("label", {}, h("span", {}, field.name), type, part.element) : undefined;
  return label ?? h("div", { class: "field" }, h("span", {}, field.name), type, part.element);
}

function fieldPart(field: DescField): Part {
  switch (field.fieldKind) {
    case "scalar":
      return scalar(field.scalar, field.name);
    case "enum":
      return enumeration(field.enum);
    case "message":
      return messagePart(field.message);
    case "list":
      return list(field.name, () => single(field));
    case "map":
      return map(field);
  }
}

function single(field: DescField & { fieldKind: "list" } | (DescField & { fieldKind: "map" })): Part {
  if (field.message !== undefined) return wellKnown(field.message) ?? messageForm(field.message);
  if (field.enum !== undefined) return enumeration(field.enum);
  return field.scalar === undefined ? freeJson() : scalar(field.scalar, field.name);
}

/** A nested message is there when it is open, and only then is its form made: messages may contain themselves. */
function messagePart(message: DescMessage): Part {
  const known = wellKnown(message);
  if (known !== undefined) return known;
  let inner: Part | undefined;
  const element = h("details", { class: "nested" }, h("summary", {}, "set"));
  element.addEventListener("toggle", () => {
    if (!element.open || inner !== undefined) return;
    inner = messageForm(message);
    element.append(inner.element);
  });
  return { element, read: () => (element.open ? inner?.read() : undefined) };
}

function list(name: string, make: () => Part): Part {
  const items = new Map<HTMLElement, Part>();
  const body = h("div", { class: "items" });
  const add = (): void => {
    const part = make();
    const remove = h("button", { type: "button", class: "small", "aria-label": `remove from ${name}` }, "−");
    const item = h("div", { class: "item" }, part.element, remove);
    remove.addEventListener("click", () => {
      items.delete(item);
      item.remove();
      body.dispatchEvent(new Event("input", { bubbles: true }));
    });
    items.set(item, part);
    body.append(item);
    body.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const button = h("button", { type: "button", class: "small", onclick: add, "aria-label": `add to ${name}` }, "+ add");
  return {
    element: h("div", { class: "list" }, body, button),
    read: () => (items.size === 0 ? undefined : [...items.values()].map((part) => part.read() ?? "")),
  };
}

function map(field: DescField & { fieldKind: "map" }): Part {
  const pairs = list(field.name, () => {
    const key = scalar(field.mapKey, "key");
    const value = single(field);
    return {
      element: h("div", { class: "pair" }, key.element, value.element),
      read: () => [key.read() ?? "", value.read() ?? ""],
    };
  });
  return {
    element: pairs.element,
    read: () => {
      const entries = pairs.read() as [JsonValue, JsonValue][] | undefined;
      return entries && Object.fromEntries(entries.map(([key, value]) => [String(key), value]));
    },
  };
}

/** At most one of several fields, chosen by name. */
function oneof(name: string, fields: readonly DescField[]) {
  const select = h("select", {}, h("option", { value: "" }, "none"), ...fields.map((field) => h("option", { value: field.jsonName }, field.name)));
  const place = h("div", {});
  const parts = new Map(fields.map((field) => [field.jsonName, fieldPart(field)]));
  select.addEventListener("change", () => {
    const part = parts.get(select.value);
    fill(place, part?.element);
    if (part?.element instanceof HTMLDetailsElement) part.element.open = true;
  });
  const chosen = [...parts].map(([jsonName, part]) => ({
    name: jsonName,
    // A member that is chosen is sent though it be empty: which one it is, is what it says.
    part: { element: part.element, read: () => (select.value === jsonName ? (part.read() ?? "") : undefined) },
  }));
  const label = h("label", {}, h("span", {}, name), h("small", {}, "one of"), select);
  return { element: h("div", { class: "oneof" }, label, place), chosen };
}

function typeName(field: DescField): string {
  const of = field.message?.typeName ?? field.enum?.typeName ?? (field.scalar && SCALARS[field.scalar]) ?? "";
  const short = of.split(".").at(-1) ?? of;
  if (field.fieldKind === "list") return `list of ${short}`;
  return field.fieldKind === "map" ? `map to ${short}` : short;
}

/** Names by `ScalarType`. */
const SCALARS: readonly string[] = [
  "", "double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "", "", "bytes", "uint32",
  "", "sfixed32", "sfixed64", "sint32", "sint64",
];
