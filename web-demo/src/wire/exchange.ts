/** One HTTP exchange as script sees it. */
export interface Exchange {
  readonly method: string;
  readonly url: string;
  readonly requestHeaders: readonly (readonly [string, string])[];
  readonly requestBody: Uint8Array;
  readonly status: number;
  readonly responseHeaders: readonly (readonly [string, string])[];
  readonly responseBody: Uint8Array;
  /** From the call to the last byte, in milliseconds. */
  readonly time: number;
}

/** A `fetch` that hands what passed over the wire to `done` as well, whoever calls it. */
export function recording(done: (exchange: Exchange) => void): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    const requestBody = bytesOf(init?.body);
    const began = performance.now();
    const response = await fetch(input, init);
    const responseBody = new Uint8Array(await response.arrayBuffer());
    done({
      method: request.method,
      url: request.url,
      requestHeaders: [...request.headers],
      requestBody,
      status: response.status,
      responseHeaders: [...response.headers],
      responseBody,
      time: performance.now() - began,
    });
    return new Response(responseBody, response);
  };
}

function bytesOf(body: unknown): Uint8Array {
  if (body instanceof Uint8Array) return body;
  return typeof body === "string" ? new TextEncoder().encode(body) : new Uint8Array();
}
