// @improbable-eng/grpc-web with its WebSocket transport, the one client that streams both ways in browsers as they are.
// Node 20 has no WebSocket; `ws` stands in for the browser's.

import assert from "node:assert/strict";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import improbable from "@improbable-eng/grpc-web";
import WebSocket from "ws";
import { DiagnosticsService } from "stubs/ecommerce/v1/diagnostics_pb.js";
import { OrderService } from "stubs/ecommerce/v1/order_service_pb.js";
import { BadRequestSchema } from "stubs/google/rpc/error_details_pb.js";
import { StatusSchema } from "stubs/google/rpc/status_pb.js";
import { address, arrivedOneByOne, cancelledStreams, complainsOfEmptyOrder, eventually, everyByte, run } from "./cases.mjs";

const { grpc } = improbable;
globalThis.WebSocket = WebSocket;

await run({
  async unary_with_metadata() {
    const request = {
      message: "hello",
      payload: everyByte(4),
      responseHeaders: [{ key: "x-answer", value: "yes" }],
    };
    const { headers, messages, code } = await call("echo", [request], { "x-peer": "one" });
    assert.equal(code, grpc.Code.OK);
    assert.equal(messages.length, 1);
    assert.equal(messages[0].message, "hello");
    assert.ok(Buffer.from(messages[0].payload).equals(everyByte(4)));
    const seen = new Map(messages[0].metadata.map((entry) => [entry.key, entry]));
    assert.equal(seen.get("x-peer")?.value, "one");
    assert.deepEqual(headers.get("x-answer"), ["yes"]);
  },

  async server_stream_message_by_message() {
    const request = { count: 4, size: 100, interval: { nanos: 200_000_000 } };
    const { messages, arrivals, code } = await call("stream", [request]);
    assert.equal(code, grpc.Code.OK);
    assert.deepEqual(messages.map((message) => [message.index, message.payload.length]), [
      [0, 100],
      [1, 100],
      [2, 100],
      [3, 100],
    ]);
    arrivedOneByOne(arrivals, 4);
  },

  async server_stream_at_full_speed() {
    const { messages, code } = await call("stream", [{ count: 2000, size: 2000 }]);
    assert.equal(code, grpc.Code.OK);
    assert.deepEqual(messages.map((message) => message.index), [...Array(2000).keys()]);
  },

  async client_stream() {
    const payload = everyByte(64);
    const { messages, code } = await call("collect", Array.from({ length: 50 }, () => ({ payload })));
    assert.equal(code, grpc.Code.OK);
    assert.deepEqual([messages[0].messages, messages[0].bytes], [50n, 50n * 16384n]);
  },

  async bidi_echoes_in_order() {
    const count = 30;
    const { messages, code } = await call("chat", [{ text: "line 0" }], {}, (client, message) => {
      const next = message.index + 1;
      next < count ? client.send({ text: `line ${next}` }) : client.finishSend();
    });
    assert.equal(code, grpc.Code.OK);
    assert.deepEqual(messages.map((message) => message.text), [...Array(count).keys()].map((index) => `line ${index}`));
  },

  async error_with_details() {
    const { code, message, trailers } = await call("createOrder", [{}], {}, undefined, OrderService);
    assert.equal(code, grpc.Code.InvalidArgument, message);
    const [details] = trailers.get("grpc-status-details-bin");
    const status = fromBinary(StatusSchema, Buffer.from(details, "base64"));
    const badRequest = status.details.find((detail) => detail.typeUrl.endsWith("/google.rpc.BadRequest"));
    complainsOfEmptyOrder(fromBinary(BadRequestSchema, badRequest.value));
  },

  async error_after_messages() {
    const failure = { code: grpc.Code.DataLoss, message: "torn" };
    const { messages, code, message } = await call("failAfter", [{ stream: { count: 3, size: 7 }, failure }]);
    assert.deepEqual([messages.length, code, message], [3, grpc.Code.DataLoss, "torn"]);
  },

  async unknown_method() {
    const { code } = await call("echo", [{}], {}, undefined, DiagnosticsService, "Nothing");
    assert.equal(code, grpc.Code.Unimplemented);
  },

  async deadline() {
    const start = performance.now();
    const { code } = await call("sleep", [{ duration: { seconds: 10n } }], { "grpc-timeout": "300m" });
    assert.equal(code, grpc.Code.DeadlineExceeded);
    assert.ok(performance.now() - start < 2_000, "the deadline of 300 ms came late");
  },

  async cancel_reaches_the_backend() {
    const cancelled = async () => cancelledStreams((await call("stats", [{}])).messages[0]);
    const before = await cancelled();
    const request = { count: 1000, interval: { nanos: 50_000_000 } };
    await new Promise((resolve, reject) => {
      call("stream", [request], {}, (client, message) => {
        if (message.index === 1) {
          client.close();
          resolve();
        }
      }).then((ended) => reject(new Error(`the stream ended with ${ended.code}`)), reject);
    });
    await eventually(async () => (await cancelled()) === before + 1n, "the backend's stream goes on");
  },
});

/**
 * Calls a method to its end: its messages, when each came, headers, trailers, code and message.
 * The requests are sent at once, and the sending finished unless `react` takes the answers and sends further ones.
 */
function call(name, requests, metadata = {}, react = undefined, service = DiagnosticsService, path = undefined) {
  const method = service.method[name];
  const streams = ["client_streaming", "bidi_streaming"].includes(method.methodKind);
  return new Promise((resolve) => {
    const result = { messages: [], arrivals: [], headers: undefined };
    const client = grpc.client(descriptor(method, path), {
      host: `http://${address}`,
      transport: grpc.WebsocketTransport(),
    });
    const sender = {
      send: (request) => client.send(message(method.input, request)),
      finishSend: () => client.finishSend(),
      close: () => client.close(),
    };
    client.onHeaders((headers) => (result.headers = headers));
    client.onMessage((received) => {
      result.messages.push(received.value);
      result.arrivals.push(performance.now());
      react?.(sender, received.value);
    });
    client.onEnd((code, message, trailers) => resolve({ ...result, code, message, trailers }));
    client.start(new grpc.Metadata(metadata));
    requests.forEach(sender.send);
    if (!react || !streams) {
      client.finishSend();
    }
  });
}

/** What the client's own generator would write for a method, on top of protobuf-es. */
function descriptor(method, path) {
  return {
    methodName: path ?? method.name,
    service: { serviceName: method.parent.typeName },
    requestStream: ["client_streaming", "bidi_streaming"].includes(method.methodKind),
    responseStream: ["server_streaming", "bidi_streaming"].includes(method.methodKind),
    requestType: Object,
    responseType: { deserializeBinary: (bytes) => ({ value: fromBinary(method.output, bytes), toObject: () => ({}) }) },
  };
}

function message(schema, value) {
  return { serializeBinary: () => toBinary(schema, create(schema, value)), toObject: () => ({}) };
}
