import { type DescFile, type DescMessage, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import * as v1 from "../../gen/es/grpc/reflection/v1/reflection_pb.ts";
import * as v1alpha from "../../gen/es/grpc/reflection/v1alpha/reflection_pb.ts";

/** The standard reflection service, grpc.reflection, in its versions v1 and v1alpha. */
export interface ReflectionService {
  routes(router: ConnectRouter): void;
}

/** Both versions have messages of the same shape. */
type Request = v1.ServerReflectionRequest | v1alpha.ServerReflectionRequest;

type Response =
  | { case: "fileDescriptorResponse"; value: { fileDescriptorProto: Uint8Array[] } }
  | {
      case: "allExtensionNumbersResponse";
      value: { baseTypeName: string; extensionNumber: number[] };
    }
  | { case: "listServicesResponse"; value: { service: { name: string }[] } }
  | { case: "errorResponse"; value: { errorCode: number; errorMessage: string } };

/**
 * Creates the reflection service. The descriptors have no comments, because generated code has none.
 *
 * @param services the services to describe, besides reflection itself
 * @param extraFiles more files to describe: error details, for example, which no service mentions
 *   but clients have to decode
 */
export function createReflection(
  services: readonly DescService[],
  extraFiles: readonly DescFile[],
): ReflectionService {
  const described = [...services, v1.ServerReflection, v1alpha.ServerReflection];
  const serviceNames = described.map(({ typeName }) => typeName).sort();
  const index = indexFiles([...described.map(({ file }) => file), ...extraFiles]);

  function respond({ messageRequest: request }: Request): Response {
    switch (request.case) {
      case "listServices":
        return {
          case: "listServicesResponse",
          value: { service: serviceNames.map((name) => ({ name })) },
        };
      case "fileByFilename":
        return fileOrError(index.byName.get(request.value), `file ${request.value}`);
      case "fileContainingSymbol":
        return fileOrError(index.bySymbol.get(request.value), `symbol ${request.value}`);
      case "fileContainingExtension": {
        const { containingType, extensionNumber } = request.value;
        const file = index.byExtension.get(containingType)?.get(extensionNumber);
        return fileOrError(file, `extension ${extensionNumber} of ${containingType}`);
      }
      case "allExtensionNumbersOfType": {
        const numbers = index.byExtension.get(request.value);
        return numbers === undefined
          ? failure(Code.NotFound, `not found: type ${request.value}`)
          : {
              case: "allExtensionNumbersResponse",
              value: { baseTypeName: request.value, extensionNumber: [...numbers.keys()] },
            };
      }
      default:
        return failure(Code.InvalidArgument, "the request asks for nothing");
    }
  }

  async function* respondToEach<R extends Request>(requests: AsyncIterable<R>) {
    for await (const request of requests) {
      yield {
        validHost: request.host,
        originalRequest: request,
        messageResponse: respond(request),
      };
    }
  }

  return {
    routes(router) {
      router.service(v1.ServerReflection, {
        serverReflectionInfo: (requests) => respondToEach(requests),
      });
      router.service(v1alpha.ServerReflection, {
        serverReflectionInfo: (requests) => respondToEach(requests),
      });
    },
  };
}

function failure(errorCode: Code, errorMessage: string): Response {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}

/** The file, followed by all its imports, so that clients need not request each import. */
function fileOrError(file: DescFile | undefined, what: string): Response {
  if (file === undefined) {
    return failure(Code.NotFound, `not found: ${what}`);
  }
  const files = withImports([file]).map(encoded);
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto: files } };
}

/** The encoded files: one question may ask for all of them, and a stream may have many questions. */
const encodedFiles = new WeakMap<DescFile, Uint8Array>();

function encoded(file: DescFile): Uint8Array {
  const known = encodedFiles.get(file);
  if (known !== undefined) return known;
  const bytes = toBinary(FileDescriptorProtoSchema, file.proto);
  encodedFiles.set(file, bytes);
  return bytes;
}

/** Each file before all that it imports, so that clients can build them in the reverse order. */
function withImports(files: readonly DescFile[]): DescFile[] {
  const found = new Map<string, DescFile>();
  const visit = (file: DescFile) => {
    if (found.has(file.proto.name)) return;
    file.dependencies.forEach(visit);
    found.set(file.proto.name, file);
  };
  files.forEach(visit);
  return [...found.values()].reverse();
}

interface Index {
  byName: Map<string, DescFile>;
  bySymbol: Map<string, DescFile>;
  /** For each message the files that extend it, by the extension's number. */
  byExtension: Map<string, Map<number, DescFile>>;
}

function indexFiles(roots: readonly DescFile[]): Index {
  const files = withImports(roots);
  const index: Index = {
    byName: new Map(files.map((file) => [file.proto.name, file])),
    bySymbol: new Map(files.flatMap((file) => symbolsOf(file).map((symbol) => [symbol, file]))),
    byExtension: new Map(),
  };
  const messages = files.flatMap((file) => file.messages.flatMap(withNested));
  for (const { typeName } of messages) {
    index.byExtension.set(typeName, new Map());
  }
  for (const extension of [...files, ...messages].flatMap(extensionsOf)) {
    const numbers = index.byExtension.get(extension.extendee.typeName);
    numbers?.set(extension.number, extension.file);
  }
  return index;
}

function extensionsOf(desc: DescFile | DescMessage) {
  return desc.kind === "file" ? desc.extensions : desc.nestedExtensions;
}

function withNested(message: DescMessage): DescMessage[] {
  return [message, ...message.nestedMessages.flatMap(withNested)];
}

function symbolsOf(file: DescFile): string[] {
  const messages = file.messages.flatMap(withNested);
  const enums = [...file.enums, ...messages.flatMap(({ nestedEnums }) => nestedEnums)];
  const extensions = [file, ...messages].flatMap(extensionsOf);
  return [
    ...file.services.flatMap(({ typeName, methods }) => [
      typeName,
      ...methods.map(({ name }) => `${typeName}.${name}`),
    ]),
    ...messages.flatMap(({ typeName, fields, oneofs }) => [
      typeName,
      ...[...fields, ...oneofs].map(({ name }) => `${typeName}.${name}`),
    ]),
    ...enums.flatMap(({ typeName, values }) => {
      // As in C++, a value is named in the scope of its enum, not inside the enum.
      const scope = typeName.slice(0, typeName.lastIndexOf(".") + 1);
      return [typeName, ...values.map(({ name }) => scope + name)];
    }),
    ...extensions.map(({ typeName }) => typeName),
  ];
}
