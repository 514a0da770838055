import { fromBinary, toBinary, create } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { DiagnosticsService, StreamMessageSchema, StreamRequestSchema } from "../gen/ecommerce/v1/diagnostics_pb";
import { Base64Reader, encodeBase64 } from "./base64";
import { frame, FrameReader, parseTrailers, TRAILERS } from "./frames";

/** A format that a server stream comes in: the indices of its messages, each as it arrives. */
export interface StreamFormat {
  readonly id: string;
  readonly name: string;
  open(api: string, pace: Pace, signal: AbortSignal): AsyncIterable<number>;
}

export interface Pace {
  readonly count: number;
  /** Milliseconds between messages. */
  readonly interval: number;
}

function request({ count, interval }: Pace) {
  return { count, interval: { seconds: BigInt(Math.floor(interval / 1000)), nanos: (interval % 1000) * 1e6 } };
}

function connectWeb(transport: (api: string) => Transport): StreamFormat["open"] {
  return async function* (api, pace, signal) {
    const client = createClient(DiagnosticsService, transport(api));
    for await (const message of client.stream(request(pace), { signal })) yield message.index;
  };
}

async function* grpcWebText(api: string, pace: Pace, signal: AbortSignal): AsyncIterable<number> {
  const message = create(StreamRequestSchema, request(pace));
  const answer = await fetch(`${api}/${DiagnosticsService.typeName}/Stream`, {
    method: "POST",
    headers: { "content-type": "application/grpc-web-text", accept: "application/grpc-web-text", "x-grpc-web": "1" },
    body: encodeBase64(frame(toBinary(StreamRequestSchema, message))),
    signal,
  });
  const base64 = new Base64Reader();
  const frames = new FrameReader();
  for await (const text of chunks(answer)) {
    for (const { flags, payload } of frames.push(base64.push(text))) {
      if (flags === TRAILERS) return ended(parseTrailers(payload));
      yield fromBinary(StreamMessageSchema, payload).index;
    }
  }
  ended([...answer.headers]);
}

function ended(trailers: [string, string][]): void {
  const status = new Map(trailers).get("grpc-status");
  if (status !== "0") throw new Error(`ended with status ${status ?? "none"}`);
}

async function* ndjson(api: string, pace: Pace, signal: AbortSignal): AsyncIterable<number> {
  const answer = await fetch(url(api, pace), { headers: { accept: "application/x-ndjson" }, signal });
  let rest = "";
  for await (const text of chunks(answer)) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines.filter((line) => line !== "")) {
      const value = JSON.parse(line) as { index?: number; error?: { message: string } };
      if (value.error) throw new Error(value.error.message);
      yield value.index ?? 0;
    }
  }
}

/** By the browser's own `EventSource`, which would begin again at the end: it is closed with the last message. */
async function* events(api: string, pace: Pace, signal: AbortSignal): AsyncIterable<number> {
  const source = new EventSource(url(api, pace));
  const arrived: number[] = [];
  let failed = false;
  let wake = () => {};
  const news = () => new Promise<void>((resolve) => (wake = resolve));
  source.onmessage = (event) => {
    arrived.push((JSON.parse(event.data as string) as { index?: number }).index ?? 0);
    wake();
  };
  source.onerror = () => {
    failed = true;
    wake();
  };
  signal.addEventListener("abort", () => wake());
  try {
    for (let seen = 0; seen < pace.count; ) {
      signal.throwIfAborted();
      const next = arrived.shift();
      if (next !== undefined) {
        seen += 1;
        yield next;
      } else if (failed) throw new Error("the events ended before the last one");
      else await news();
    }
  } finally {
    source.close();
  }
}

function url(api: string, { count, interval }: Pace): string {
  return `${api}/v1/diagnostics/stream?count=${count}&interval=${interval / 1000}s`;
}

async function* chunks(answer: Response): AsyncIterable<string> {
  if (!answer.ok || !answer.body) throw new Error(`HTTP ${answer.status}: ${await answer.text()}`);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

export const FORMATS: readonly StreamFormat[] = [
  { id: "grpc-web", name: "gRPC-Web", open: connectWeb((baseUrl) => createGrpcWebTransport({ baseUrl })) },
  { id: "grpc-web-text", name: "gRPC-Web text", open: grpcWebText },
  { id: "connect", name: "Connect", open: connectWeb((baseUrl) => createConnectTransport({ baseUrl })) },
  { id: "sse", name: "Events (SSE)", open: events },
  { id: "ndjson", name: "NDJSON", open: ndjson },
];
