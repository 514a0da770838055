/** Base64 with or without padding, as metadata and details have it. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text.replace(/=+$/, "")), (character) => character.charCodeAt(0));
}

export function encodeBase64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** Decodes base64 that comes in pieces and may be padded anywhere between its groups of four. */
export class Base64Reader {
  #rest = "";

  push(text: string): Uint8Array<ArrayBuffer> {
    const all = this.#rest + text.replace(/\s/g, "");
    const whole = all.length - (all.length % 4);
    this.#rest = all.slice(whole);
    const bytes: number[] = [];
    for (let at = 0; at < whole; at += 4) bytes.push(...decodeBase64(all.slice(at, at + 4)));
    return new Uint8Array(bytes);
  }
}
