import { fromJson, toJsonString, type JsonValue, type Message } from "@bufbuild/protobuf";
import { broken, reading, socketUrl, type End, type OpenDuplex } from "./duplex";

/**
 * Edgeway's own subprotocol `edgeway.json.v1`, for which a browser needs no library.
 *
 * Up: `{"headers":{…},"timeoutMs":…}`, then one JSON message for each message, and an empty one when there is nothing
 * more. Down: one JSON message for each message, and `{"status":{…},"trailers":{…}}` as the last.
 */
export const openJson: OpenDuplex = (api, method, metadata, listener, registry) => {
  const socket = new WebSocket(socketUrl(api, method), "edgeway.json.v1");
  const early: string[] = [];
  let over = false;

  function put(text: string): void {
    if (socket.readyState === WebSocket.CONNECTING) early.push(text);
    else if (socket.readyState === WebSocket.OPEN) socket.send(text);
  }
  function end(found: End): void {
    if (over) return;
    over = true;
    listener.ended(found);
  }
  function fail(found: End): void {
    end(found);
    socket.close();
  }
  function take(value: JsonValue): void {
    if (isLast(value)) end(status(value));
    else listener.message(fromJson(method.output, value, { registry }) as Message);
  }

  socket.onopen = () => {
    socket.send(JSON.stringify({ headers: metadata }));
    early.splice(0).forEach((text) => socket.send(text));
    listener.opened();
  };
  socket.onmessage = (event: MessageEvent<string>) => {
    reading(() => take(JSON.parse(event.data) as JsonValue), fail);
  };
  socket.onclose = (event) => end(broken(event));
  return {
    send: (message) => put(toJsonString(method.input, message, { registry })),
    finish: () => put(""),
    cancel: () => {
      end({ code: 1, message: "cancelled here", trailers: [], details: [] });
      socket.close();
    },
    waiting: () => socket.bufferedAmount,
  };
};

interface Last {
  readonly status: { readonly code: number; readonly message?: string };
  readonly trailers?: Record<string, string | string[]>;
}

/** A message may have a field `status` as well, but none that is an object beside `trailers`. */
function isLast(value: unknown): value is Last {
  if (typeof value !== "object" || value === null || !("status" in value)) return false;
  return typeof value.status === "object" && value.status !== null && "code" in value.status;
}

function status({ status, trailers }: Last): End {
  const lines = Object.entries(trailers ?? {}).flatMap(([name, value]) =>
    [value].flat().map((one): [string, string] => [name, one]),
  );
  return { code: status.code, message: status.message ?? "", trailers: lines, details: [] };
}
