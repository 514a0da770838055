import type { DescMethod, Message, Registry } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";

/** How a call over a WebSocket ended. */
export interface End {
  readonly code: number;
  readonly message: string;
  readonly trailers: readonly (readonly [string, string])[];
  readonly details: readonly Any[];
}

/** Who listens to a call over a WebSocket. */
export interface Listener {
  opened(): void;
  message(message: Message): void;
  ended(end: End): void;
}

/** A call over a WebSocket, of any kind: both sides may speak at any time. */
export interface Duplex {
  send(message: Message): void;
  /** There is nothing more to send. */
  finish(): void;
  /** Closes the socket, which cancels the call. */
  cancel(): void;
  /** Bytes that were sent and that the browser still holds. */
  waiting(): number;
}

/** Opens a call with metadata. The registry has the types that an `Any` in a message may hold. */
export type OpenDuplex = (
  api: string,
  method: DescMethod,
  metadata: Record<string, string>,
  listener: Listener,
  registry?: Registry,
) => Duplex;

/** Where a method's WebSocket is. */
export function socketUrl(api: string, method: DescMethod): string {
  return `${api.replace(/^http/, "ws")}/${method.parent.typeName}/${method.name}`;
}

/** Runs the reading of an answer; one that cannot be read ends the call. */
export function reading(read: () => void, end: (end: End) => void): void {
  try {
    read();
  } catch (error) {
    const message = `an answer cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    end({ code: 13, message, trailers: [], details: [] });
  }
}

/** What an end is called when the socket closed without a status. */
export function broken(event: CloseEvent): End {
  const why = event.reason === "" ? "" : `: ${event.reason}`;
  const message = `the WebSocket closed with ${event.code}${why} before a status came`;
  return { code: 14, message, trailers: [], details: [] };
}
