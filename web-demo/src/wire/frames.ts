/** One frame of gRPC, gRPC-Web or Connect: a byte of flags, four of length, and that many of payload. */
export interface Frame {
  readonly flags: number;
  readonly payload: Uint8Array;
}

/** Takes bytes in pieces of any size and gives the frames that they complete. */
export class FrameReader {
  #rest: Uint8Array = new Uint8Array();

  push(bytes: Uint8Array): Frame[] {
    this.#rest = concat([this.#rest, bytes]);
    const frames: Frame[] = [];
    for (;;) {
      if (this.#rest.length < 5) return frames;
      const length = new DataView(this.#rest.buffer, this.#rest.byteOffset).getUint32(1);
      if (this.#rest.length < 5 + length) return frames;
      frames.push({ flags: this.#rest[0] ?? 0, payload: this.#rest.slice(5, 5 + length) });
      this.#rest = this.#rest.slice(5 + length);
    }
  }

  /** How many bytes wait for the rest of their frame. */
  get pending(): number {
    return this.#rest.length;
  }
}

export function frame(payload: Uint8Array, flags = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(5 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, flags);
  view.setUint32(1, payload.length);
  bytes.set(payload, 5);
  return bytes;
}

export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The lines of a trailer frame, or of the header block of a WebSocket. */
export function parseTrailers(payload: Uint8Array): [string, string][] {
  const lines = new TextDecoder().decode(payload).split("\r\n");
  return lines
    .filter((line) => line.includes(":"))
    .map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
    });
}

/** The flag of a frame that holds trailers. */
export const TRAILERS = 0x80;
