import { Base64Reader } from "./base64";
import type { Exchange } from "./exchange";
import { FrameReader, parseTrailers, TRAILERS } from "./frames";

/** A body taken apart: what its pieces are, their bytes, and what they say where that is text. */
export interface Piece {
  readonly label: string;
  readonly bytes: Uint8Array;
  readonly text?: string;
}

/** The pieces of a body of a content type: frames where the protocol has them, else one. */
export function pieces(contentType: string, body: Uint8Array): Piece[] {
  const text = () => new TextDecoder().decode(body);
  if (contentType.startsWith("application/grpc-web")) {
    const base64 = contentType.startsWith("application/grpc-web-text");
    const frames = new FrameReader().push(base64 ? new Base64Reader().push(text()) : body);
    const found = frames.map(({ flags, payload }): Piece => {
      const kind = flags === TRAILERS ? "trailer frame" : "message frame";
      const label = `${kind}, flags 0x${flags.toString(16).padStart(2, "0")}, ${payload.length} bytes`;
      return flags === TRAILERS
        ? { label, bytes: payload, text: new TextDecoder().decode(payload).trimEnd() }
        : { label, bytes: payload };
    });
    const wire: Piece = { label: `on the wire, ${body.length} bytes of base64`, bytes: body, text: text() };
    return base64 ? [wire, ...found] : found;
  }
  if (body.length === 0) return [];
  return [{ label: `body, ${body.length} bytes`, bytes: body, text: text() }];
}

/** Trailers wherever the protocol puts them: a frame, headers that begin with `trailer-`, or none. */
export function trailers(exchange: Exchange): [string, string][] {
  const type = header(exchange.responseHeaders, "content-type");
  if (type.startsWith("application/grpc-web")) {
    const text = type.startsWith("application/grpc-web-text");
    const body = exchange.responseBody;
    const bytes = text ? new Base64Reader().push(new TextDecoder().decode(body)) : body;
    const last = new FrameReader().push(bytes).find((frame) => frame.flags === TRAILERS);
    // Trailers-Only: the status stands among the headers.
    return last ? parseTrailers(last.payload) : pick(exchange, (name) => name.startsWith("grpc-"));
  }
  return pick(exchange, (name) => name.startsWith("trailer-")).map(([name, value]) => [name.slice(8), value]);
}

export function header(headers: readonly (readonly [string, string])[], name: string): string {
  return headers.find(([key]) => key === name)?.[1] ?? "";
}

function pick(exchange: Exchange, wanted: (name: string) => boolean): [string, string][] {
  return exchange.responseHeaders.filter(([name]) => wanted(name)).map(([name, value]) => [name, value]);
}
