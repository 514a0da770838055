import { fromJson, toJson, type DescMessage, type DescMethod, type Registry, type JsonValue, type Message } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { Code } from "../gen/google/rpc/code_pb";
import type { Duplex, OpenDuplex } from "../wire/duplex";

/** What a call of the explorer tells as it goes. */
export interface Watcher {
  message(json: JsonValue): void;
  ended(words: string, code: number): void;
}

/** Whether the client sends more than one message, which in a browser needs a WebSocket. */
export function needsSocket(method: DescMethod): boolean {
  return method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming";
}

/** Calls a method that takes one message, by gRPC-Web or Connect. */
export async function callOnce(
  api: string,
  door: string,
  registry: Registry,
  method: DescMethod,
  request: JsonValue,
  signal: AbortSignal,
  watcher: Watcher,
): Promise<void> {
  const options = { baseUrl: api, jsonOptions: { registry } };
  const transport = door === "connect" ? createConnectTransport(options) : createGrpcWebTransport(options);
  const show = (message: Message) => watcher.message(toJson(method.output as DescMessage, message, { registry }));
  try {
    const input = fromJson(method.input as DescMessage, request, { registry });
    if (method.methodKind === "unary") {
      show((await transport.unary(method as DescMethod & { methodKind: "unary" }, signal, 15000, undefined, input)).message);
    } else {
      const once = (async function* () {
        yield input;
      })();
      const stream = method as DescMethod & { methodKind: "server_streaming" };
      for await (const message of (await transport.stream(stream, signal, undefined, undefined, once)).message) show(message);
    }
    watcher.ended("OK", 0);
  } catch (caught) {
    const error = ConnectError.from(caught);
    watcher.ended(`${Code[error.code]}: ${error.rawMessage}`, error.code);
  }
}

/** Opens a call of a method that takes many messages. */
export function openCall(
  api: string,
  open: OpenDuplex,
  registry: Registry,
  method: DescMethod,
  watcher: Watcher,
): { send(request: JsonValue): void; duplex: Duplex } {
  const duplex = open(api, method, {}, {
    opened: () => {},
    message: (message) => watcher.message(toJson(method.output as DescMessage, message, { registry })),
    ended: ({ code, message }) => watcher.ended(code === 0 ? "OK" : `${Code[code] ?? code}: ${message}`, code),
  }, registry);
  return { send: (request) => duplex.send(fromJson(method.input as DescMessage, request, { registry })), duplex };
}
