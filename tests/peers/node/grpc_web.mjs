// Google's grpc-web as a client, in text mode and in binary mode.
//
// It runs in a browser's XMLHttpRequest, which xhr2 stands in for. In binary mode it delivers a stream only at
// its end, so streams are for text mode.
//
// Usage: grpc_web.mjs HOST:PORT

import assert from "node:assert/strict";

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import grpcWeb from "grpc-web";
import xhr2 from "xhr2";

import { DiagnosticsService } from "stubs/ecommerce/v1/diagnostics_pb.js";
import { OrderService } from "stubs/ecommerce/v1/order_service_pb.js";
import { BadRequestSchema } from "stubs/google/rpc/error_details_pb.js";
import { StatusSchema } from "stubs/google/rpc/status_pb.js";

import {
  address,
  arrivedOneByOne,
  cancelledStreams,
  complainsOfEmptyOrder,
  eventually,
  everyByte,
  run,
} from "./cases.mjs";

/** xhr2 fills `responseText` at the end of the body; a browser does with each part of it, and tells. */
class StreamingXmlHttpRequest extends xhr2.XMLHttpRequest {
  constructor(options) {
    super(options);
    this.addEventListener("progress", () => {
      if (this.responseType !== "" && this.responseType !== "text") return;
      this.responseText = Buffer.concat(this._responseParts).toString("latin1");
      this._setReadyState(xhr2.XMLHttpRequest.LOADING);
    });
  }
}

globalThis.XMLHttpRequest = StreamingXmlHttpRequest;

const { MethodType, StatusCode } = grpcWeb;
const text = new grpcWeb.GrpcWebClientBase({ format: "text" });
const binary = new grpcWeb.GrpcWebClientBase({ format: "binary" });

await run({
  ...bothModes("unary", async (client) => {
    const order = await unary(client, OrderService.method.getOrder, { orderId: "order-1" });
    assert.equal(order.orderId, "order-1");
    assert.ok(order.items.length > 0, "an order without items");
  }),

  ...bothModes("error_with_details", async (client) => {
    const call = unary(client, OrderService.method.createOrder, {});
    const error = await failure(call, StatusCode.INVALID_ARGUMENT);
    const encoded = Buffer.from(error.metadata["grpc-status-details-bin"], "base64");
    const status = fromBinary(StatusSchema, encoded);
    assert.deepEqual([status.code, status.message], [error.code, error.message]);
    assert.equal(status.details[0].typeUrl, "type.googleapis.com/google.rpc.BadRequest");
    complainsOfEmptyOrder(fromBinary(BadRequestSchema, status.details[0].value));
  }),

  ...bothModes("error_message_and_trailers", async (client) => {
    const message = "100 % wrong: größer\nthan it looks";
    const trailers = [{ key: "x-reason", value: "because" }];
    const request = { code: StatusCode.ABORTED, message, trailers };
    const error = await failure(unary(client, DiagnosticsService.method.fail, request), StatusCode.ABORTED);
    assert.equal(error.message, message);
    assert.equal(error.metadata["x-reason"], "because");
  }),

  ...bothModes("metadata_both_ways", async (client) => {
    const request = { message: "hello", responseHeaders: [{ key: "x-answer", value: "yes" }] };
    const sent = { "x-peer": "one", "x-peer-bin": "AAEC/w==" };
    const { answer, headers } = await exchange(client, DiagnosticsService.method.echo, request, sent);
    const seen = new Map(answer.metadata.map((entry) => [entry.key, entry]));
    assert.equal(seen.get("x-peer")?.value, "one");
    assert.deepEqual([...seen.get("x-peer-bin").binaryValue], [0, 1, 2, 255]);
    assert.equal(headers["x-answer"], "yes");
  }),

  ...bothModes("deadline", async (client) => {
    const request = { duration: { seconds: 10n } };
    const start = performance.now();
    const call = unary(client, DiagnosticsService.method.sleep, request, { deadline: inMilliseconds(300) });
    await failure(call, StatusCode.DEADLINE_EXCEEDED);
    assert.ok(performance.now() - start < 2_000, "the deadline of 300 ms came late");
  }),

  ...bothModes("message_of_one_mebibyte", async (client) => {
    const payload = everyByte(1 << 12);
    const answer = await unary(client, DiagnosticsService.method.echo, { payload });
    assert.ok(Buffer.from(answer.payload).equals(payload), `${answer.payload.length} bytes came back`);
  }),

  async text_server_stream() {
    const { messages, error } = await collect(OrderService.method.listOrders, { userId: "alice" });
    assert.ifError(error);
    assert.ok(messages.length > 0, "alice has no orders");
    assert.deepEqual([...new Set(messages.map((order) => order.buyer.userId))], ["alice"]);
  },

  async text_server_stream_message_by_message() {
    const request = { count: 4, size: 100, interval: { nanos: 200_000_000 } };
    const { messages, arrivals, status, error } = await collect(DiagnosticsService.method.stream, request);
    assert.ifError(error);
    assert.deepEqual(messages.map((message) => [message.index, message.payload.length]), [
      [0, 100],
      [1, 100],
      [2, 100],
      [3, 100],
    ]);
    arrivedOneByOne(arrivals, 4);
    assert.equal(status?.code, StatusCode.OK);
  },

  async text_error_after_messages() {
    const request = { stream: { count: 3, size: 7 }, failure: { code: StatusCode.DATA_LOSS, message: "torn" } };
    const { messages, error } = await collect(DiagnosticsService.method.failAfter, request);
    assert.deepEqual([messages.length, error?.code, error?.message], [3, StatusCode.DATA_LOSS, "torn"]);
  },

  async text_cancel_reaches_the_backend() {
    const cancelled = async () => cancelledStreams(await unary(text, DiagnosticsService.method.stats, {}));
    const before = await cancelled();
    const request = { count: 1000, interval: { nanos: 50_000_000 } };
    const call = serverStream(DiagnosticsService.method.stream, request);
    await new Promise((resolve, reject) => {
      call.on("error", reject);
      call.on("data", (message) => message.index === 1 && resolve());
    });
    call.cancel();
    await eventually(async () => (await cancelled()) === before + 1n, "the backend's stream goes on");
  },
});

/** The same case for a text client and for a binary one. */
function bothModes(name, body) {
  return { [`text_${name}`]: () => body(text), [`binary_${name}`]: () => body(binary) };
}

async function unary(client, method, request, metadata = {}) {
  return (await exchange(client, method, request, metadata)).answer;
}

/** One unary call: its answer, and the headers that came with it. */
function exchange(client, method, request, metadata) {
  return new Promise((resolve, reject) => {
    let headers = {};
    const message = create(method.input, request);
    const call = client.rpcCall(url(method), message, metadata, descriptor(method), (error, answer) =>
      error ? reject(error) : setImmediate(() => resolve({ answer, headers })),
    );
    call.on("metadata", (received) => (headers = { ...headers, ...received }));
  });
}

/** One server stream to its end: the messages, when each came, and the status or the error. */
function collect(method, request) {
  return new Promise((resolve) => {
    const result = { messages: [], arrivals: [], status: undefined, error: undefined };
    const call = serverStream(method, request);
    call.on("data", (message) => {
      result.messages.push(message);
      result.arrivals.push(performance.now());
    });
    call.on("status", (status) => (result.status = status));
    call.on("error", (error) => {
      result.error = error;
      resolve(result);
    });
    call.on("end", () => resolve(result));
  });
}

function serverStream(method, request) {
  return text.serverStreaming(url(method), create(method.input, request), {}, descriptor(method));
}

async function failure(call, code) {
  try {
    await call;
  } catch (error) {
    assert.equal(error.code, code, error.message);
    return error;
  }
  assert.fail(`expected code ${code}, got an answer`);
}

function url(method) {
  return `http://${address}/${method.parent.typeName}/${method.name}`;
}

/** What Google's generator would write for a method, on top of protobuf-es. */
function descriptor(method) {
  return new grpcWeb.MethodDescriptor(
    `/${method.parent.typeName}/${method.name}`,
    method.methodKind === "unary" ? MethodType.UNARY : MethodType.SERVER_STREAMING,
    Object,
    Object,
    (message) => toBinary(method.input, message),
    (bytes) => fromBinary(method.output, bytes),
  );
}

function inMilliseconds(count) {
  return String(Date.now() + count);
}
