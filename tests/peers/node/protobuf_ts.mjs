// protobuf-ts as a client: gRPC-Web in text, its default, and in binary. It compares content types to the letter, and
// reads the trailer frame first when the body has ended.
//
// Usage: protobuf_ts.mjs HOST:PORT

import assert from "node:assert/strict";

import { fromBinary } from "@bufbuild/protobuf";
import { GrpcWebFetchTransport } from "@protobuf-ts/grpcweb-transport";
import { MessageType } from "@protobuf-ts/runtime";
import { ServiceType } from "@protobuf-ts/runtime-rpc";

import { BadRequestSchema } from "stubs/google/rpc/error_details_pb.js";
import { StatusSchema } from "stubs/google/rpc/status_pb.js";

import { address, arrivedOneByOne, complainsOfEmptyOrder, eventually, run } from "./cases.mjs";

/** What its generator would write, as far as it is used: numbers of scalar types are those of descriptor.proto. */
const [UINT32, STRING, BYTES, INT32, INT64, UINT64] = [13, 9, 12, 5, 3, 4];
const scalar = (no, name, T) => ({ no, name, kind: "scalar", T });
const Duration = new MessageType("google.protobuf.Duration", [
  scalar(1, "seconds", INT64),
  scalar(2, "nanos", INT32),
]);
const duration = (no, name) => ({ no, name, kind: "message", T: () => Duration });
const types = Object.fromEntries(
  [
    ["GetOrderRequest", [scalar(1, "order_id", STRING)]],
    ["Order", [scalar(1, "order_id", STRING)]],
    ["CreateOrderRequest", []],
    ["StreamRequest", [scalar(1, "count", UINT32), scalar(2, "size", UINT32), duration(3, "interval")]],
    ["StreamResponse", [scalar(1, "index", UINT32), scalar(2, "payload", BYTES)]],
    ["SleepRequest", [duration(1, "duration")]],
    ["SleepResponse", []],
    ["StatsRequest", []],
    ["MethodStats", [scalar(1, "started", UINT64), scalar(5, "cancelled", UINT64)]],
  ].map(([name, fields]) => [name, new MessageType(`ecommerce.v1.${name}`, fields)]),
);
const method = (name, I, O, serverStreaming) => ({ name, I: types[I], O: types[O], serverStreaming });
const orders = new ServiceType("ecommerce.v1.OrderService", [
  method("GetOrder", "GetOrderRequest", "Order", false),
  method("CreateOrder", "CreateOrderRequest", "Order", false),
]);
const diagnostics = new ServiceType("ecommerce.v1.DiagnosticsService", [
  method("Stream", "StreamRequest", "StreamResponse", true),
  method("Sleep", "SleepRequest", "SleepResponse", false),
]);
const [getOrder, createOrder] = orders.methods;
const [stream, sleep] = diagnostics.methods;

const baseUrl = `http://${address}`;
const transports = { text: undefined, binary: undefined };
for (const format of Object.keys(transports)) {
  transports[format] = new GrpcWebFetchTransport({ baseUrl, format });
}

const cases = {
  async unary(transport) {
    const call = transport.unary(getOrder, { orderId: "order-1" }, transport.mergeOptions());
    const [response, status] = [await call.response, await call.status];
    assert.deepEqual([response.orderId, status.code], ["order-1", "OK"]);
  },

  async server_stream_message_by_message(transport) {
    const request = { count: 4, size: 100, interval: milliseconds(200) };
    const call = transport.serverStreaming(stream, request, transport.mergeOptions());
    const arrivals = [];
    for await (const message of call.responses) {
      assert.deepEqual([message.index, message.payload.length], [arrivals.length, 100]);
      arrivals.push(performance.now());
    }
    arrivedOneByOne(arrivals, 4);
    assert.equal((await call.status).code, "OK");
  },

  async error_with_details(transport) {
    const error = await failure(transport.unary(createOrder, {}, transport.mergeOptions()).response);
    assert.equal(error.code, "INVALID_ARGUMENT");
    const encoded = Buffer.from(error.meta["grpc-status-details-bin"], "base64");
    const [detail] = fromBinary(StatusSchema, encoded).details;
    complainsOfEmptyOrder(fromBinary(BadRequestSchema, detail.value));
  },

  async deadline(transport) {
    const options = transport.mergeOptions({ timeout: 300 });
    const start = performance.now();
    const error = await failure(transport.unary(sleep, { duration: milliseconds(10_000) }, options).response);
    assert.equal(error.code, "DEADLINE_EXCEEDED");
    assert.ok(performance.now() - start < 2_000, "the deadline of 300 ms came late");
  },

  async cancel_reaches_the_backend(transport) {
    const before = await cancelled();
    const leave = new AbortController();
    const request = { count: 1000, size: 1, interval: milliseconds(50) };
    const call = transport.serverStreaming(stream, request, transport.mergeOptions({ abort: leave.signal }));
    call.status.catch(() => {});
    call.trailers.catch(() => {});
    const watch = async () => {
      for await (const message of call.responses) if (message.index === 1) leave.abort();
    };
    assert.equal((await failure(watch())).code, "CANCELLED");
    await eventually(async () => (await cancelled()) === before + 1, "the backend's stream goes on");
  },
};

await run(
  Object.fromEntries(
    Object.entries(transports).flatMap(([format, transport]) =>
      Object.entries(cases).map(([name, body]) => [`${name} (${format})`, () => body(transport)]),
    ),
  ),
);

async function failure(call) {
  try {
    await call;
  } catch (error) {
    return error;
  }
  assert.fail("expected an error, got an answer");
}

async function cancelled() {
  const answer = await fetch(`${baseUrl}/ecommerce.v1.DiagnosticsService/Stats`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  const stats = await answer.json();
  return Number(stats.methods?.["ecommerce.v1.DiagnosticsService/Stream"]?.cancelled ?? 0);
}

function milliseconds(count) {
  return { seconds: BigInt(Math.floor(count / 1000)), nanos: (count % 1000) * 1_000_000 };
}
