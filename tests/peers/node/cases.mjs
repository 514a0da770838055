// What the programs of this folder share: cases, checks, and the payloads of the demo services.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

/** The address of the gateway, `HOST:PORT`. */
export const address = process.argv[2];

/**
 * Runs each case in turn, at most 20 s long, prints a line for each, and ends the process.
 * `cases` maps a name to an async function that throws when it does not hold.
 */
export async function run(cases) {
  let failed = 0;
  for (const [name, body] of Object.entries(cases)) {
    const late = new AbortController();
    try {
      await Promise.race([body(), pause(20_000, null, late).then(() => assert.fail("no end within 20 s"))]);
      console.log(`ok ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL ${name}: ${error.message}`);
      console.error(error);
    }
    late.abort();
  }
  process.exit(failed ? 1 : 0);
}

/** Waits until the condition holds, 5 s at most. */
export async function eventually(condition, complaint) {
  const end = performance.now() + 5_000;
  while (!(await condition())) {
    assert.ok(performance.now() < end, complaint);
    await pause(20);
  }
}

/** Checks that messages with their times of arrival came as they were sent, 200 ms apart. */
export function arrivedOneByOne(arrivals, count) {
  assert.equal(arrivals.length, count);
  assert.ok(arrivals.at(-1) - arrivals[0] > 200 * (count - 2), "the first message waited for the last");
}

/** The fields that a `google.rpc.BadRequest` complains of, for an order with nothing in it. */
export function complainsOfEmptyOrder(badRequest) {
  const fields = badRequest.fieldViolations.map((violation) => violation.field);
  assert.ok(fields.includes("user_id") && fields.includes("items"), `violations of ${fields}`);
}

/** How many calls of `DiagnosticsService/Stream` the backend saw cancelled, by a `StatsResponse`. */
export function cancelledStreams(stats) {
  return stats.methods["ecommerce.v1.DiagnosticsService/Stream"]?.cancelled ?? 0n;
}

/** All byte values, so many times. */
export function everyByte(times) {
  return new Uint8Array(256 * times).map((_, index) => index & 0xff);
}
