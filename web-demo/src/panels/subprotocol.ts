import { choice } from "../dom";
import type { OpenDuplex } from "../wire/duplex";
import { openFrames } from "../wire/frames_socket";
import { openJson } from "../wire/json_socket";

/** Which of the two subprotocols a panel's WebSocket speaks. */
export function subprotocol(name: string, changed: () => void = () => {}): { element: HTMLElement; open: () => OpenDuplex } {
  const { element, value } = choice(
    name,
    "Subprotocol",
    [
      ["frames", "grpc-websockets"],
      ["json", "edgeway.json.v1"],
    ],
    changed,
  );
  return { element, open: () => (value() === "json" ? openJson : openFrames) };
}
