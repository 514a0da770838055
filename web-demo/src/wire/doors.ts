import { create, fromBinary, fromJsonString, toBinary, toJsonString, type MessageInitShape } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import {
  DiagnosticsService,
  EchoRequestSchema,
  EchoResponseSchema,
  type EchoResponse,
} from "../gen/ecommerce/v1/diagnostics_pb";
import { Base64Reader, encodeBase64 } from "./base64";
import { recording, type Exchange } from "./exchange";
import { frame, FrameReader, TRAILERS } from "./frames";

/** A protocol that a browser can make a unary call by. */
export interface Door {
  readonly id: string;
  readonly name: string;
  readonly client: string;
  call(api: string, request: MessageInitShape<typeof EchoRequestSchema>): Promise<Called>;
}

export interface Called {
  readonly exchange: Exchange;
  readonly response: EchoResponse;
}

const METADATA: readonly (readonly [string, string])[] = [["x-demo-tenant", "tea-house"]];

/** The same call by a client of the Connect project, which does not know that it is listened to. */
function connectWeb(transport: (api: string, fetch: typeof globalThis.fetch) => ReturnType<typeof createConnectTransport>) {
  return async (api: string, request: MessageInitShape<typeof EchoRequestSchema>): Promise<Called> => {
    let exchange: Exchange | undefined;
    const client = createClient(
      DiagnosticsService,
      transport(api, recording((seen) => (exchange = seen))),
    );
    const response = await client.echo(request, { headers: [...METADATA] as [string, string][], timeoutMs: 5000 });
    if (exchange === undefined) throw new Error("the client did not call fetch");
    return { exchange, response };
  };
}

async function grpcWebText(api: string, request: MessageInitShape<typeof EchoRequestSchema>): Promise<Called> {
  let exchange: Exchange | undefined;
  const answer = await recording((seen) => (exchange = seen))(`${api}/${DiagnosticsService.typeName}/Echo`, {
    method: "POST",
    headers: [
      ["content-type", "application/grpc-web-text"],
      ["accept", "application/grpc-web-text"],
      ["x-grpc-web", "1"],
      ...METADATA.map(([name, value]): [string, string] => [name, value]),
    ],
    body: encodeBase64(frame(toBinary(EchoRequestSchema, create(EchoRequestSchema, request)))),
  });
  const frames = new FrameReader().push(new Base64Reader().push(await answer.text()));
  const message = frames.find((found) => found.flags !== TRAILERS);
  if (exchange === undefined || message === undefined) throw new Error("there is no message in the answer");
  return { exchange, response: fromBinary(EchoResponseSchema, message.payload) };
}

async function rest(api: string, request: MessageInitShape<typeof EchoRequestSchema>): Promise<Called> {
  let exchange: Exchange | undefined;
  const answer = await recording((seen) => (exchange = seen))(`${api}/v1/diagnostics/echo`, {
    method: "POST",
    headers: [["content-type", "application/json"], ...METADATA.map(([name, value]): [string, string] => [name, value])],
    body: toJsonString(EchoRequestSchema, create(EchoRequestSchema, request)),
  });
  const text = await answer.text();
  if (exchange === undefined || !answer.ok) throw new Error(`HTTP ${answer.status}: ${text}`);
  return { exchange, response: fromJsonString(EchoResponseSchema, text) };
}

export const DOORS: readonly Door[] = [
  {
    id: "grpc-web",
    name: "gRPC-Web",
    client: "connect-web, binary",
    call: connectWeb((baseUrl, fetch) => createGrpcWebTransport({ baseUrl, fetch })),
  },
  { id: "grpc-web-text", name: "gRPC-Web text", client: "fetch and base64", call: grpcWebText },
  {
    id: "connect",
    name: "Connect",
    client: "connect-web, JSON",
    call: connectWeb((baseUrl, fetch) => createConnectTransport({ baseUrl, fetch })),
  },
  {
    id: "connect-get",
    name: "Connect GET",
    client: "connect-web, in the URL",
    call: connectWeb((baseUrl, fetch) => createConnectTransport({ baseUrl, fetch, useHttpGet: true })),
  },
  { id: "rest", name: "REST", client: "fetch and JSON", call: rest },
];
