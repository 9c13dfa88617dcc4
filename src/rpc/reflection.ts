import { type DescFile, type DescMessage, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import * as v1 from "../../gen/es/grpc/reflection/v1/reflection_pb.ts";
import * as v1alpha from "../../gen/es/grpc/reflection/v1alpha/reflection_pb.ts";

/** The standard reflection service, in both versions, which have messages of the same shape. */
export interface ReflectionService {
  routes(router: ConnectRouter): void;
}

type Request = v1.ServerReflectionRequest | v1alpha.ServerReflectionRequest;

type Answer =
  | { case: "fileDescriptorResponse"; value: { fileDescriptorProto: Uint8Array[] } }
  | {
      case: "allExtensionNumbersResponse";
      value: { baseTypeName: string; extensionNumber: number[] };
    }
  | { case: "listServicesResponse"; value: { service: { name: string }[] } }
  | { case: "errorResponse"; value: { errorCode: number; errorMessage: string } };

/**
 * Describes the given services and reflection itself. `extraFiles` are described too although no
 * service mentions them: the details of errors, so that clients can decode them.
 *
 * Comments are not served, since generated code does not contain them.
 */
export function createReflection(
  services: readonly DescService[],
  extraFiles: readonly DescFile[],
): ReflectionService {
  const described = [...services, v1.ServerReflection, v1alpha.ServerReflection];
  const serviceNames = described.map(({ typeName }) => typeName).sort();
  const index = indexFiles([...described.map(({ file }) => file), ...extraFiles]);

  function answer({ messageRequest: request }: Request): Answer {
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

  async function* answerAll<R extends Request>(requests: AsyncIterable<R>) {
    for await (const request of requests) {
      yield {
        validHost: request.host,
        originalRequest: request,
        messageResponse: answer(request),
      };
    }
  }

  return {
    routes(router) {
      router.service(v1.ServerReflection, {
        serverReflectionInfo: (requests) => answerAll(requests),
      });
      router.service(v1alpha.ServerReflection, {
        serverReflectionInfo: (requests) => answerAll(requests),
      });
    },
  };
}

function failure(errorCode: Code, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}

/** The file and all it imports, the file first: clients need not ask again for each import. */
function fileOrError(file: DescFile | undefined, what: string): Answer {
  if (file === undefined) {
    return failure(Code.NotFound, `not found: ${what}`);
  }
  const files = withImports([file]).map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto: files } };
}

function withImports(files: readonly DescFile[]): DescFile[] {
  const found = new Map<string, DescFile>();
  const visit = (file: DescFile) => {
    if (!found.has(file.proto.name)) {
      found.set(file.proto.name, file);
      file.dependencies.forEach(visit);
    }
  };
  files.forEach(visit);
  return [...found.values()];
}

interface Index {
  byName: Map<string, DescFile>;
  bySymbol: Map<string, DescFile>;
  /** byExtension has an entry for each message, by number the file that extends it. */
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
      // A value's full name is that of a sibling of its enum, as in C++.
      const scope = typeName.slice(0, typeName.lastIndexOf(".") + 1);
      return [typeName, ...values.map(({ name }) => scope + name)];
    }),
    ...extensions.map(({ typeName }) => typeName),
  ];
}
