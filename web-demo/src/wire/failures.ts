import { createRegistry, fromJson, toJson, type DescMessage, type JsonValue } from "@bufbuild/protobuf";
import { AnySchema, anyUnpack, type Any } from "@bufbuild/protobuf/wkt";
import { ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { create, fromBinary, toBinary, toJsonString } from "@bufbuild/protobuf";
import { DiagnosticsService, FailDetail, FailRequestSchema, type FailRequest } from "../gen/ecommerce/v1/diagnostics_pb";
import { Code } from "../gen/google/rpc/code_pb";
import { file_google_rpc_error_details } from "../gen/google/rpc/error_details_pb";
import { StatusSchema } from "../gen/google/rpc/status_pb";
import { trailers } from "./anatomy";
import { decodeBase64, encodeBase64 } from "./base64";
import { recording, type Exchange } from "./exchange";
import { frame } from "./frames";

/** A failed call, as far as it could be read. */
export interface Failure {
  readonly code: number;
  readonly message: string;
  readonly http: number;
  readonly trailers: readonly (readonly [string, string])[];
  readonly details: readonly { readonly type: string; readonly json: JsonValue }[];
}

interface ErrorDoor {
  readonly id: string;
  readonly name: string;
  fail(api: string, code: Code): Promise<Failure>;
}

/** Which details go with which code: those that its users would send. */
const DETAILS: Partial<Record<Code, readonly FailDetail[]>> = {
  [Code.INVALID_ARGUMENT]: [FailDetail.BAD_REQUEST],
  [Code.NOT_FOUND]: [FailDetail.RESOURCE_INFO],
  [Code.RESOURCE_EXHAUSTED]: [FailDetail.QUOTA_FAILURE, FailDetail.RETRY_INFO],
  [Code.FAILED_PRECONDITION]: [FailDetail.PRECONDITION_FAILURE],
  [Code.PERMISSION_DENIED]: [FailDetail.LOCALIZED_MESSAGE],
  [Code.UNIMPLEMENTED]: [FailDetail.HELP],
  [Code.UNAVAILABLE]: [FailDetail.RETRY_INFO],
};

function details(code: Code): readonly FailDetail[] {
  return DETAILS[code] ?? [FailDetail.ERROR_INFO];
}

export function detailNames(code: Code): string {
  return details(code)
    .map((detail) => FailDetail[detail]?.toLowerCase().replaceAll("_", " ") ?? "")
    .join(", ");
}

function request(code: Code): FailRequest {
  return create(FailRequestSchema, {
    code,
    message: `this is ${Code[code]}, as asked for: 100 % “on purpose”`,
    details: [...details(code)],
    trailers: [{ key: "x-demo-trailer", value: `code-${code}` }],
  });
}

function connectWeb(transport: (api: string, fetch: typeof globalThis.fetch) => Transport): ErrorDoor["fail"] {
  return async (api, code) => {
    let seen: Exchange | undefined;
    const client = createClient(DiagnosticsService, transport(api, recording((exchange) => (seen = exchange))));
    try {
      await client.fail(request(code), { timeoutMs: 5000 });
      return nothing("the call did not fail");
    } catch (caught) {
      const error = ConnectError.from(caught);
      const found = error.details.flatMap((detail) => {
        const [type, value] = "desc" in detail ? ["", new Uint8Array()] : [detail.type, detail.value];
        return type === "" ? [] : [decode(type, value)];
      });
      const custom = [...error.metadata].filter(([name]) => name.startsWith("x-demo-"));
      return { code: error.code, message: error.rawMessage, http: seen?.status ?? 0, trailers: custom, details: found };
    }
  };
}

async function grpcWebText(api: string, code: Code): Promise<Failure> {
  let seen: Exchange | undefined;
  await recording((exchange) => (seen = exchange))(`${api}/${DiagnosticsService.typeName}/Fail`, {
    method: "POST",
    headers: { "content-type": "application/grpc-web-text", accept: "application/grpc-web-text", "x-grpc-web": "1" },
    body: encodeBase64(frame(toBinary(FailRequestSchema, request(code)))),
  });
  if (seen === undefined) return nothing("there was no answer");
  const ends = trailers(seen);
  // Trailers-Only: what is custom stands among the headers of HTTP.
  const all = new Map([...seen.responseHeaders, ...ends]);
  const bytes = all.get("grpc-status-details-bin");
  const status = bytes === undefined ? undefined : fromBinary(StatusSchema, decodeBase64(bytes));
  return {
    code: Number(all.get("grpc-status") ?? -1),
    message: decodeURIComponent(all.get("grpc-message") ?? ""),
    http: seen.status,
    trailers: [...all].filter(([name]) => name.startsWith("x-demo-")),
    details: status?.details.map(unpack) ?? [],
  };
}

async function rest(api: string, code: Code): Promise<Failure> {
  const answer = await fetch(`${api}/v1/diagnostics/fail`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: toJsonString(FailRequestSchema, request(code)),
  });
  const status = fromJson(StatusSchema, (await answer.json()) as JsonValue, { registry: REGISTRY });
  return {
    code: status.code,
    message: status.message,
    http: answer.status,
    trailers: [...answer.headers].filter(([name]) => name.startsWith("x-demo-")),
    details: status.details.map(unpack),
  };
}

function unpack(any: Any): { type: string; json: JsonValue } {
  const message = anyUnpack(any, REGISTRY);
  const schema = message && REGISTRY.getMessage(message.$typeName);
  const type = any.typeUrl.split("/").at(-1) ?? any.typeUrl;
  if (message === undefined || schema === undefined) return { type, json: toJson(AnySchema, any, { registry: REGISTRY }) };
  return { type, json: toJson(schema as DescMessage, message, { registry: REGISTRY }) };
}

function decode(type: string, value: Uint8Array): { type: string; json: JsonValue } {
  return unpack(create(AnySchema, { typeUrl: `type.googleapis.com/${type}`, value }));
}

function nothing(message: string): Failure {
  return { code: -1, message, http: 0, trailers: [], details: [] };
}

const REGISTRY = createRegistry(file_google_rpc_error_details);

export const ERROR_DOORS: readonly ErrorDoor[] = [
  { id: "grpc-web", name: "gRPC-Web", fail: connectWeb((baseUrl, fetch) => createGrpcWebTransport({ baseUrl, fetch })) },
  { id: "grpc-web-text", name: "gRPC-Web text", fail: grpcWebText },
  { id: "connect", name: "Connect", fail: connectWeb((baseUrl, fetch) => createConnectTransport({ baseUrl, fetch })) },
  { id: "rest", name: "REST", fail: rest },
];
