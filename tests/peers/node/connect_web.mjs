// connect-web as a client: binary gRPC-Web, and Connect in both formats, by POST and by GET.
//
// Usage: connect_web.mjs HOST:PORT

import assert from "node:assert/strict";

import { Code, ConnectError, createClient, decodeBinaryHeader, encodeBinaryHeader } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";

import { DiagnosticsService } from "stubs/ecommerce/v1/diagnostics_pb.js";
import { OrderService } from "stubs/ecommerce/v1/order_service_pb.js";
import { BadRequestSchema } from "stubs/google/rpc/error_details_pb.js";

import {
  address,
  arrivedOneByOne,
  cancelledStreams,
  complainsOfEmptyOrder,
  eventually,
  everyByte,
  run,
} from "./cases.mjs";

const baseUrl = `http://${address}`;
/** The verbs that a transport was seen to use. */
const verbs = new Map();

await run({
  ...cases("grpc_web", createGrpcWebTransport, {}),
  ...cases("connect_json", createConnectTransport, {}),
  ...cases("connect_binary", createConnectTransport, { useBinaryFormat: true }),
  ...cases("connect_get_json", createConnectTransport, { useHttpGet: true }),
  ...cases("connect_get_binary", createConnectTransport, { useHttpGet: true, useBinaryFormat: true }),

  async verbs() {
    const seen = [...verbs].map(([name, seen]) => `${name} ${[...seen].sort().join(" ")}`);
    const expected = ["grpc_web POST", "connect_json POST", "connect_binary POST"];
    assert.deepEqual(seen, [...expected, "connect_get_json GET POST", "connect_get_binary GET POST"]);
  },
});

/** The cases over one transport, each under a name of its own. */
function cases(name, createTransport, options) {
  verbs.set(name, new Set());
  const watched = (input, init) => {
    verbs.get(name).add(init.method);
    return fetch(input, init);
  };
  const transport = createTransport({ baseUrl, fetch: watched, ...options });
  const all = over(createClient(OrderService, transport), createClient(DiagnosticsService, transport));
  // It would be longer than any URL.
  if (options.useHttpGet) delete all.big_message_both_ways;
  return Object.fromEntries(Object.entries(all).map(([each, body]) => [`${name}_${each}`, body]));
}

function over(orders, diagnostics) {
  return {
    async unary() {
      const order = await orders.getOrder({ orderId: "order-1" });
      assert.equal(order.orderId, "order-1");
      const total = order.items.reduce((sum, item) => sum + item.quantity * item.unitPrice, 0);
      assert.ok(order.items.length > 0 && Math.abs(order.total - total) < 1e-6, `total ${order.total}`);
    },

    async server_stream() {
      const buyers = new Set();
      for await (const order of orders.listOrders({ userId: "alice" })) buyers.add(order.buyer.userId);
      assert.deepEqual([...buyers], ["alice"]);
    },

    async server_stream_message_by_message() {
      const arrivals = [];
      for await (const message of diagnostics.stream({ count: 4, size: 100, interval: milliseconds(200) })) {
        assert.deepEqual([message.index, message.payload.length], [arrivals.length, 100]);
        arrivals.push(performance.now());
      }
      arrivedOneByOne(arrivals, 4);
    },

    async server_stream_of_none() {
      for await (const message of diagnostics.stream({ count: 0 })) assert.fail(`came: ${message.index}`);
    },

    async error_with_details() {
      const error = await failure(orders.createOrder({}), Code.InvalidArgument);
      const found = error.findDetails(BadRequestSchema);
      assert.equal(found.length, 1);
      complainsOfEmptyOrder(found[0]);
    },

    async error_message_and_trailers() {
      const message = "100 % wrong: größer\nthan it looks";
      const trailers = [
        { key: "x-reason", value: "because" },
        { key: "x-reason-bin", binaryValue: everyByte(1) },
      ];
      const error = await failure(diagnostics.fail({ code: Code.Aborted, message, trailers }), Code.Aborted);
      assert.equal(error.rawMessage, message);
      assert.equal(error.metadata.get("x-reason"), "because");
      assert.deepEqual(decodeBinaryHeader(error.metadata.get("x-reason-bin")), everyByte(1));
    },

    async error_after_messages() {
      let received = 0;
      const drain = async () => {
        const failure = { code: Code.DataLoss, message: "torn" };
        for await (const _ of diagnostics.failAfter({ stream: { count: 3 }, failure })) received += 1;
      };
      const error = await failure(drain(), Code.DataLoss);
      assert.deepEqual([error.rawMessage, received], ["torn", 3]);
    },

    async metadata_both_ways() {
      let answered;
      const responseHeaders = [
        { key: "x-answer", value: "yes" },
        { key: "x-answer-bin", binaryValue: everyByte(1) },
      ];
      const headers = { "x-peer": "one", "x-peer-bin": encodeBinaryHeader(everyByte(1)) };
      const answer = await diagnostics.echo(
        { message: "hello", responseHeaders },
        { headers, onHeader: (header) => (answered = header) },
      );
      const seen = new Map(answer.metadata.map((entry) => [entry.key, entry]));
      assert.equal(seen.get("x-peer")?.value, "one");
      assert.deepEqual(new Uint8Array(seen.get("x-peer-bin").binaryValue), everyByte(1));
      assert.equal(answered.get("x-answer"), "yes");
      assert.deepEqual(decodeBinaryHeader(answered.get("x-answer-bin")), everyByte(1));
    },

    async timeout() {
      const start = performance.now();
      const sleep = diagnostics.sleep({ duration: milliseconds(10_000) }, { timeoutMs: 300 });
      await failure(sleep, Code.DeadlineExceeded);
      assert.ok(performance.now() - start < 2_000, "the deadline of 300 ms came late");
    },

    async abort_reaches_the_backend() {
      const cancelled = async () => cancelledStreams(await diagnostics.stats({}));
      const before = await cancelled();
      const leave = new AbortController();
      const watch = async () => {
        const request = { count: 1000, interval: milliseconds(50) };
        for await (const message of diagnostics.stream(request, { signal: leave.signal })) {
          if (message.index === 1) leave.abort();
        }
      };
      await failure(watch(), Code.Canceled);
      await eventually(async () => (await cancelled()) === before + 1n, "the backend's stream goes on");
    },

    async big_message_both_ways() {
      // As JSON it is longer by a third, and has to stay below the limit as well.
      const payload = everyByte(2 << 12);
      const answer = await diagnostics.echo({ payload });
      assert.ok(Buffer.from(answer.payload).equals(payload), `${answer.payload.length} bytes came back`);
    },
  };
}

async function failure(call, code) {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof ConnectError, `expected a ConnectError, found ${error}`);
    assert.equal(Code[error.code], Code[code], error.message);
    return error;
  }
  assert.fail(`expected ${Code[code]}, got an answer`);
}

function milliseconds(count) {
  return { seconds: BigInt(Math.trunc(count / 1000)), nanos: (count % 1000) * 1_000_000 };
}
