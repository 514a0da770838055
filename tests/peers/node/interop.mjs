// The interop cases of Google's grpc-web (grpc-web `test/interop`), before the interop server of grpc-go: seven in text
// mode, and in binary mode all but the stream, which that mode delivers only at its end.
//
// Usage: interop.mjs HOST:PORT

import assert from "node:assert/strict";

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import grpcWeb from "grpc-web";
import xhr2 from "xhr2";

import { TestService } from "stubs/grpc/testing/interop_pb.js";

import { address, run } from "./cases.mjs";

globalThis.XMLHttpRequest = xhr2.XMLHttpRequest;

const { MethodType, StatusCode } = grpcWeb;
const { emptyCall, unaryCall, streamingOutputCall, unimplementedCall } = TestService.method;

const cases = {
  async empty_unary(client) {
    await unary(client, emptyCall, {});
  },

  async empty_unary_with_deadline(client) {
    await unary(client, emptyCall, {}, { deadline: String(Date.now() + 2_000) });
  },

  async large_unary(client) {
    const request = { payload: { body: new Uint8Array(271_828) }, responseSize: 314_159 };
    const { answer } = await unary(client, unaryCall, request);
    assert.equal(answer.payload.body.length, 314_159);
  },

  async custom_metadata(client) {
    // No base64: what a client writes behind `-bin` comes back as it was written.
    const metadata = {
      "x-grpc-test-echo-initial": "test_initial_metadata_value",
      "x-grpc-test-echo-trailing-bin": String(0xababab),
    };
    const request = { payload: { body: new Uint8Array(271_828) }, responseSize: 314_159 };
    const { headers, trailers } = await unary(client, unaryCall, request, metadata);
    assert.equal(headers["x-grpc-test-echo-initial"], "test_initial_metadata_value");
    assert.equal(trailers["x-grpc-test-echo-trailing-bin"], String(0xababab));
  },

  async status_code_and_message(client) {
    const responseStatus = { code: 2, message: "test status message" };
    const error = await failure(unary(client, unaryCall, { responseStatus }));
    assert.deepEqual([error.code, error.message], [StatusCode.UNKNOWN, "test status message"]);
  },

  async unimplemented_method(client) {
    const error = await failure(unary(client, unimplementedCall, {}));
    assert.equal(error.code, StatusCode.UNIMPLEMENTED);
  },
};

/** Of text mode only. */
async function server_streaming(client) {
  const sizes = [31_415, 9, 2_653, 58_979];
  const request = create(streamingOutputCall.input, { responseParameters: sizes.map((size) => ({ size })) });
  const found = await new Promise((resolve, reject) => {
    const found = [];
    const call = client.serverStreaming(url(streamingOutputCall), request, {}, descriptor(streamingOutputCall));
    call.on("data", (message) => found.push(message.payload.body.length));
    call.on("error", reject);
    call.on("end", () => resolve(found));
  });
  assert.deepEqual(found, sizes);
}

const text = new grpcWeb.GrpcWebClientBase({ format: "text" });
const binary = new grpcWeb.GrpcWebClientBase({ format: "binary" });
const named = (mode, client) =>
  Object.entries(cases).map(([name, body]) => [`${name} (${mode})`, () => body(client)]);

await run({
  ...Object.fromEntries(named("text", text)),
  "server_streaming (text)": () => server_streaming(text),
  ...Object.fromEntries(named("binary", binary)),
});

function unary(client, method, request, metadata = {}) {
  return new Promise((resolve, reject) => {
    const result = { answer: undefined, headers: {}, trailers: {} };
    const message = create(method.input, request);
    const call = client.rpcCall(url(method), message, metadata, descriptor(method), (error, answer) => {
      if (error) return reject(error);
      result.answer = answer;
      resolve(result);
    });
    call.on("metadata", (received) => Object.assign(result.headers, received));
    call.on("status", (status) => Object.assign(result.trailers, status.metadata));
  });
}

async function failure(call) {
  try {
    await call;
  } catch (error) {
    return error;
  }
  assert.fail("expected an error, got an answer");
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
