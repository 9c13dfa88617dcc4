import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import {
  create,
  createFileRegistry,
  type DescMethod,
  fromBinary,
  getOption,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  file_google_protobuf_go_features,
} from "@bufbuild/protobuf/wkt";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createClient,
  type HandlerContext,
  type ServiceImpl,
} from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect } from "chai";
import {
  ErrorInfoSchema,
  file_google_rpc_error_details,
} from "../../gen/es/google/rpc/error_details_pb.ts";
import * as v1 from "../../gen/es/grpc/reflection/v1/reflection_pb.ts";
import * as v1alpha from "../../gen/es/grpc/reflection/v1alpha/reflection_pb.ts";
import { Health } from "../../gen/es/health/v1/health_pb.ts";
import { file_sessiond_v1_error } from "../../gen/es/sessiond/v1/error_pb.ts";
import { Role, required_role } from "../../gen/es/sessiond/v1/options_pb.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { createHealth } from "../../src/rpc/health.ts";
import { createReflection } from "../../src/rpc/reflection.ts";
import { cookieOf, useTransport } from "../support/transport.ts";

const run = promisify(execFile);

type Query = MessageInitShape<typeof v1.ServerReflectionRequestSchema>["messageRequest"];

describe("reflection", () => {
  const transport = useTransport();

  async function start() {
    const health = createHealth([SessionService.typeName]);
    const reflection = createReflection(
      [SessionService, Health],
      // The last one for its extension.
      [file_google_rpc_error_details, file_sessiond_v1_error, file_google_protobuf_go_features],
    );
    return await transport.start({
      routes: (router) => {
        health.routes(router);
        reflection.routes(router);
        router.service(SessionService, {
          validate: (request) => ({ session: { id: cookieOf(request) } }),
          get: () => {
            const info = create(ErrorInfoSchema, { reason: "REVOKED", domain: "sessiond.v1" });
            throw new ConnectError("revoked", Code.Unauthenticated, undefined, [
              { desc: ErrorInfoSchema, value: info },
            ]);
          },
        });
      },
    });
  }

  it("encodes a file once, however often it is asked for", async () => {
    const handlers: ServiceImpl<typeof v1.ServerReflection>[] = [];
    const router = {
      service: (_: unknown, handler: (typeof handlers)[0]) => handlers.push(handler),
    };
    createReflection([Health], []).routes(router as unknown as ConnectRouter);
    async function* requests() {
      for (let i = 0; i < 2; i += 1) {
        yield create(v1.ServerReflectionRequestSchema, {
          messageRequest: { case: "fileContainingSymbol", value: Health.typeName },
        });
      }
    }
    const files: unknown[] = [];
    const answers = handlers[0]?.serverReflectionInfo(requests(), {} as HandlerContext) ?? [];
    for await (const { messageResponse } of answers) {
      expect(messageResponse?.case).to.equal("fileDescriptorResponse");
      if (messageResponse?.case !== "fileDescriptorResponse") continue;
      files.push(messageResponse.value.fileDescriptorProto?.[0]);
    }
    expect(files).to.have.lengthOf(2);
    expect(files[0]).to.equal(files[1]);
  });

  for (const [name, service] of [
    ["v1", v1.ServerReflection],
    ["v1alpha", v1alpha.ServerReflection],
  ] as const) {
    describe(name, () => {
      async function ask(...queries: Query[]) {
        const server = await start();
        // Both versions have the same messages but for their names.
        const client = createClient(
          service as typeof v1.ServerReflection,
          createGrpcTransport({ baseUrl: server.url }),
        );
        async function* requests() {
          for (const messageRequest of queries) {
            yield { host: "host", ...(messageRequest && { messageRequest }) };
          }
        }
        const answers: v1.ServerReflectionResponse[] = [];
        for await (const answer of client.serverReflectionInfo(requests())) {
          answers.push(answer);
        }
        return answers;
      }

      async function fileNames(query: Query): Promise<string[]> {
        const [answer] = await ask(query);
        return filesOf(answer).map((file) => file.name);
      }

      function filesOf(answer: v1.ServerReflectionResponse | undefined) {
        const response = answer?.messageResponse;
        expect(response?.case).to.equal("fileDescriptorResponse");
        return response?.case === "fileDescriptorResponse"
          ? response.value.fileDescriptorProto.map((bytes) =>
              fromBinary(FileDescriptorProtoSchema, bytes),
            )
          : [];
      }

      async function errorCode(query: Query): Promise<number | undefined> {
        const [answer] = await ask(query);
        const response = answer?.messageResponse;
        return response?.case === "errorResponse" ? response.value.errorCode : undefined;
      }

      it("lists the services, with health and itself", async () => {
        const [answer] = await ask({ case: "listServices", value: "" });

        expect(answer?.validHost).to.equal("host");
        expect(answer?.originalRequest?.messageRequest.case).to.equal("listServices");
        const response = answer?.messageResponse;
        const services = response?.case === "listServicesResponse" ? response.value.service : [];
        expect(services.map((entry) => entry.name)).to.deep.equal([
          "grpc.health.v1.Health",
          "grpc.reflection.v1.ServerReflection",
          "grpc.reflection.v1alpha.ServerReflection",
          "sessiond.v1.SessionService",
        ]);
      });

      it("answers several questions on one stream, failures included", async () => {
        const answers = await ask(
          { case: "fileByFilename", value: "no.proto" },
          { case: "fileByFilename", value: "health/v1/health.proto" },
          { case: "fileByFilename", value: "health/v1/health.proto" },
        );
        expect(answers.map(({ messageResponse }) => messageResponse.case)).to.deep.equal([
          "errorResponse",
          "fileDescriptorResponse",
          "fileDescriptorResponse",
        ]);
      });

      it("sends a file first, then all it needs, each once", async () => {
        const [answer] = await ask({
          case: "fileByFilename",
          value: "sessiond/v1/session_service.proto",
        });

        const files = filesOf(answer);
        const names = files.map((file) => file.name);
        expect(names[0]).to.equal("sessiond/v1/session_service.proto");
        expect(new Set(names).size).to.equal(names.length);
        const registry = createFileRegistry(
          create(FileDescriptorSetSchema, { file: files.reverse() }),
        );
        expect(registry.getService("sessiond.v1.SessionService")?.methods.length).to.equal(
          SessionService.methods.length,
        );
      });

      const symbols: [string, string][] = [
        ["sessiond.v1.SessionService", "sessiond/v1/session_service.proto"],
        ["sessiond.v1.SessionService.Validate", "sessiond/v1/session_service.proto"],
        ["sessiond.v1.ValidateRequest", "sessiond/v1/session_service.proto"],
        ["sessiond.v1.ValidateRequest.csrf_token", "sessiond/v1/session_service.proto"],
        ["sessiond.v1.ValidateRequest.credential", "sessiond/v1/session_service.proto"],
        ["sessiond.v1.ErrorReason", "sessiond/v1/error.proto"],
        ["sessiond.v1.ERROR_REASON_REVOKED", "sessiond/v1/error.proto"],
        ["sessiond.v1.required_role", "sessiond/v1/options.proto"],
        ["sessiond.v1.SessionLimitDetail", "sessiond/v1/error.proto"],
        ["google.rpc.BadRequest.FieldViolation", "google/rpc/error_details.proto"],
        ["google.protobuf.Duration", "google/protobuf/duration.proto"],
        ["grpc.health.v1.HealthCheckResponse.ServingStatus", "health/v1/health.proto"],
        ["grpc.health.v1.HealthCheckResponse.SERVING", "health/v1/health.proto"],
        ["pb.go", "google/protobuf/go_features.proto"],
      ];
      for (const [symbol, file] of symbols) {
        it(`finds ${symbol}`, async () => {
          const names = await fileNames({ case: "fileContainingSymbol", value: symbol });
          expect(names[0]).to.equal(file);
        });
      }

      it("answers NOT_FOUND for what there is not", async () => {
        const extension = { containingType: "sessiond.v1.Session", extensionNumber: 1 };
        const queries: Query[] = [
          { case: "fileByFilename", value: "no.proto" },
          { case: "fileContainingSymbol", value: "sessiond.v1.Nothing" },
          { case: "fileContainingSymbol", value: "__proto__" },
          { case: "fileContainingExtension", value: extension },
          { case: "allExtensionNumbersOfType", value: "sessiond.v1.Nothing" },
        ];
        for (const query of queries) {
          expect(await errorCode(query)).to.equal(Code.NotFound);
        }
      });

      it("answers INVALID_ARGUMENT to an empty question", async () => {
        expect(await errorCode(undefined)).to.equal(Code.InvalidArgument);
      });

      it("finds an extension by its number, and the numbers by the type", async () => {
        const containingType = "google.protobuf.FeatureSet";
        const [file, numbers] = await ask(
          { case: "fileContainingExtension", value: { containingType, extensionNumber: 1002 } },
          { case: "allExtensionNumbersOfType", value: containingType },
        );

        expect(filesOf(file)[0]?.name).to.equal("google/protobuf/go_features.proto");
        expect(numbers?.messageResponse.value).to.deep.include({
          baseTypeName: containingType,
          extensionNumber: [1002],
        });
      });

      it("serves the role that a method requires, and the file that defines the option", async () => {
        const containingType = "google.protobuf.MethodOptions";
        const [service, option] = await ask(
          { case: "fileContainingSymbol", value: SessionService.typeName },
          { case: "fileContainingExtension", value: { containingType, extensionNumber: 50617 } },
        );
        const file = filesOf(service).toReversed();
        const set = create(FileDescriptorSetSchema, { file });
        const served = createFileRegistry(set).getService(SessionService.typeName);
        const role = getOption(served?.method.validate as DescMethod, required_role);
        expect(role).to.equal(Role.VALIDATOR);
        expect(filesOf(option)[0]?.name).to.equal("sessiond/v1/options.proto");
      });

      it("lists no extensions of a type that has none", async () => {
        const [answer] = await ask({
          case: "allExtensionNumbersOfType",
          value: "sessiond.v1.Session",
        });
        expect(answer?.messageResponse).to.deep.include({ case: "allExtensionNumbersResponse" });
      });
    });
  }

  describe("buf curl", () => {
    const curl = async (protocol: string, url: string, data: object) => {
      const args = ["curl", "--protocol", protocol, "--http2-prior-knowledge"];
      return await run("buf", [...args, "--data", JSON.stringify(data), url]);
    };

    it("calls a method that it knows by reflection", async () => {
      const server = await start();
      const url = `${server.url}/sessiond.v1.SessionService/Validate`;
      const { stdout } = await curl("grpc", url, { cookie: "abc" });
      expect(JSON.parse(stdout)).to.deep.equal({ session: { id: "abc" } });
    });

    // Over gRPC it shows the details' bytes, whatever reflection knows.
    it("shows the details of an error over Connect", async () => {
      const server = await start();
      const { stderr } = await curl(
        "connect",
        `${server.url}/sessiond.v1.SessionService/Get`,
        {},
      ).catch((error: { stderr: string }) => error);
      expect(JSON.parse(stderr).details[0].debug).to.include({ reason: "REVOKED" });
    });
  });

  describe("grpcurl", () => {
    const directories = [...(process.env.PATH ?? "").split(delimiter), join(homedir(), "go/bin")];
    const grpcurl = directories
      .map((path) => join(path, "grpcurl"))
      .find((path) => existsSync(path));

    beforeEach(function () {
      if (grpcurl === undefined) {
        this.skip();
      }
    });

    const curl = async (...args: string[]) => await run(grpcurl ?? "", ["-plaintext", ...args]);

    it("lists, describes and calls", async () => {
      const { port } = await start();
      const address = `127.0.0.1:${port}`;

      const list = await curl(address, "list");
      const description = await curl(address, "describe", "sessiond.v1.ValidateRequest");
      const call = await curl(
        "-d",
        '{"cookie": "abc"}',
        address,
        "sessiond.v1.SessionService/Validate",
      );

      expect(list.stdout.trim().split("\n")).to.include("sessiond.v1.SessionService");
      expect(description.stdout).to.contain("optional string csrf_token = 3;");
      expect(JSON.parse(call.stdout)).to.deep.equal({ session: { id: "abc" } });
    });

    it("decodes the details of an error", async () => {
      const { port } = await start();
      const { stderr } = await curl(`127.0.0.1:${port}`, "sessiond.v1.SessionService/Get").catch(
        (error: { stderr: string }) => error,
      );
      expect(stderr).to.contain("REVOKED").and.to.contain("google.rpc.ErrorInfo");
    });
  });
});
