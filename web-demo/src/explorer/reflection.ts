import { create, createFileRegistry, createRegistry, fromBinary, type Registry } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema, type FileDescriptorProto } from "@bufbuild/protobuf/wkt";
import { file_google_rpc_error_details } from "../gen/google/rpc/error_details_pb";
import { frame, FrameReader, parseTrailers, TRAILERS } from "../wire/frames";

/**
 * What the gateway serves, asked by `grpc.reflection.v1`.
 *
 * The method is a bidirectional stream, which a gRPC-Web client for browsers refuses to call; one question at a time
 * goes all the same. Its few messages are written by hand, since the page has no code for them.
 */
export async function reflect(api: string): Promise<{ registry: Registry; services: string[] }> {
  const listed = (await ask(api, LIST_SERVICES, "*"))[SERVICES] ?? [];
  const names = listed
    .flatMap((list) => fields(list)[1] ?? [])
    .flatMap((service) => fields(service)[1] ?? [])
    .map((name) => new TextDecoder().decode(name));
  const files = new Map<string, FileDescriptorProto>();
  for (const name of names) await collect(api, files, FILE_OF_SYMBOL, name);
  // Most servers give one file at a time, without those that it imports.
  for (const file of files.values()) {
    for (const name of file.dependency) if (!files.has(name)) await collect(api, files, FILE_BY_NAME, name);
  }
  const set = create(FileDescriptorSetSchema, { file: sorted(files) });
  // Details of errors are sent as an `Any` by services that do not import them.
  const registry = createRegistry(createFileRegistry(set), file_google_rpc_error_details);
  return { registry, services: names };
}

async function collect(api: string, files: Map<string, FileDescriptorProto>, field: number, name: string): Promise<void> {
  const answer = await ask(api, field, name);
  for (const bytes of (answer[FILES] ?? []).flatMap((response) => fields(response)[1] ?? [])) {
    const file = fromBinary(FileDescriptorProtoSchema, bytes);
    files.set(file.name, file);
  }
}

/** Files after those that they import, as a registry wants them. */
function sorted(files: Map<string, FileDescriptorProto>): FileDescriptorProto[] {
  const order = new Set<FileDescriptorProto>();
  const visit = (file: FileDescriptorProto): void => {
    if (order.has(file)) return;
    for (const name of file.dependency) {
      const imported = files.get(name);
      if (imported !== undefined) visit(imported);
    }
    order.add(file);
  };
  for (const file of files.values()) visit(file);
  return [...order];
}

/** Asks one question and gives the fields of the answer. */
async function ask(api: string, field: number, text: string): Promise<Record<number, Uint8Array[]>> {
  const question = new BinaryWriter().tag(field, WireType.LengthDelimited).string(text).finish();
  const answer = await fetch(`${api}/grpc.reflection.v1.ServerReflection/ServerReflectionInfo`, {
    method: "POST",
    headers: { "content-type": "application/grpc-web+proto", "x-grpc-web": "1" },
    body: frame(question),
  });
  const frames = new FrameReader().push(new Uint8Array(await answer.arrayBuffer()));
  const last = frames.find(({ flags }) => flags === TRAILERS);
  const ends = new Map([...answer.headers, ...(last ? parseTrailers(last.payload) : [])]);
  const message = frames.find(({ flags }) => flags !== TRAILERS);
  if (ends.get("grpc-status") !== "0" || message === undefined) {
    const why = decodeURIComponent(ends.get("grpc-message") ?? `HTTP ${answer.status}`);
    throw new Error(`the gateway does not answer reflection: ${why}`);
  }
  const found = fields(message.payload);
  const refused = found[ERROR]?.[0];
  if (refused !== undefined) {
    const why = fields(refused)[2]?.[0];
    throw new Error(`reflection knows no ${text}: ${new TextDecoder().decode(why)}`);
  }
  return found;
}

/** The fields of a message that have a length, by number. */
function fields(bytes: Uint8Array): Record<number, Uint8Array[]> {
  const found: Record<number, Uint8Array[]> = {};
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (type === WireType.LengthDelimited) (found[number] ??= []).push(reader.bytes());
    else reader.skip(type, number);
  }
  return found;
}

/** Fields of `ServerReflectionRequest`. */
const FILE_BY_NAME = 3;
const FILE_OF_SYMBOL = 4;
const LIST_SERVICES = 7;

/** Fields of `ServerReflectionResponse`. */
const FILES = 4;
const SERVICES = 6;
const ERROR = 7;
