import { ScalarType, type DescEnum, type DescMessage, type JsonValue } from "@bufbuild/protobuf";
import { h } from "../dom";
import type { Part } from "./form";

/** An input for a scalar. Empty means not set; numbers go as text, which ProtoJSON takes, so that none is rounded. */
export function scalar(type: ScalarType, name: string): Part {
  if (type === ScalarType.BOOL) {
    const box = h("input", { type: "checkbox", "data-field": name });
    return { element: box, read: () => (box.checked ? true : undefined) };
  }
  const isText = type === ScalarType.STRING;
  const placeholder = type === ScalarType.BYTES ? "base64" : isText ? "" : "0";
  return text(placeholder, { "data-field": name, inputmode: isText || type === ScalarType.BYTES ? undefined : "decimal" });
}

export function enumeration(type: DescEnum): Part {
  const select = h(
    "select",
    {},
    h("option", { value: "" }, "not set"),
    ...type.values.map((value) => h("option", { value: value.name }, value.name)),
  );
  return { element: select, read: () => select.value || undefined };
}

/** The form of a well-known type, which has JSON of its own; nothing for other messages. */
export function wellKnown(message: DescMessage): Part | undefined {
  const name = message.typeName.startsWith("google.protobuf.") ? message.typeName.slice(16) : "";
  if (["Any", "Struct", "Value", "ListValue"].includes(name)) return freeJson();
  const example = EXAMPLES[name];
  if (example !== undefined) return text(example, {});
  if (name === "BoolValue") return scalar(ScalarType.BOOL, name);
  return name.endsWith("Value") ? text("", {}) : undefined;
}

export function freeJson(): Part {
  const area = h("textarea", { rows: 2, placeholder: "JSON", spellcheck: "false" });
  return {
    element: area,
    read: () => {
      if (area.value.trim() === "") return undefined;
      return JSON.parse(area.value) as JsonValue;
    },
  };
}

function text(placeholder: string, attributes: Record<string, string | undefined>): Part {
  const input = h("input", { type: "text", placeholder, spellcheck: "false", ...attributes });
  return { element: input, read: () => (input.value === "" ? undefined : input.value) };
}

const EXAMPLES: Record<string, string> = {
  Timestamp: "2026-01-31T12:00:00Z",
  Duration: "1.5s",
  FieldMask: "note,labels",
};
