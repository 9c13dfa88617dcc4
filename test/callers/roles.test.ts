import { create, createFileRegistry, type DescMethodUnary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect } from "chai";
import * as v1 from "../../gen/es/grpc/reflection/v1/reflection_pb.ts";
import { Role } from "../../gen/es/sessiond/v1/options_pb.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { roles } from "../../src/callers/caller.ts";
import { requiredRole } from "../../src/rpc/caller-authorization.ts";
import { startReplica, startTestApp, type TestApp } from "../support/app.ts";
import {
  type CallerClient,
  clientOf,
  createTestFile,
  newToken,
  type TestFile,
  tokenLine,
  withToken,
} from "../support/callers.ts";
import { expectFailure, failureOf } from "../support/expect-failure.ts";

const validator = ["Validate", "ValidateCsrf", "Touch"];
const admin = [
  ...["RotateSigningKey", "ListSigningKeys", "RotateTokenKey", "ListTokenKeys"],
  ...["ListAuditEvents", "GarbageCollect", "ListSessions", "RevokeSessions"],
];

describe("roles of callers (F02)", () => {
  const tokens = { validator: newToken(), issuer: newToken(), admin: newToken() };
  let file: TestFile;
  let app: TestApp;
  const clients: CallerClient[] = [];

  before(async () => {
    file = await createTestFile(
      ...roles.map((role) => tokenLine(tokens[role], { role, name: `the-${role}` })),
    );
    app = await startTestApp({ env: { SESSIOND_CALLERS_FILE: file.path } });
  });
  after(async () => {
    for (const { close } of clients.splice(0)) close();
    await app.stop();
    await file.remove();
  });

  it("are required by every RPC, as an option of the contract", () => {
    const required = Object.fromEntries(
      SessionService.methods.map((method) => [method.name, requiredRole(method)]),
    );
    for (const [name, role] of Object.entries(required)) {
      if (validator.includes(name)) expect(role, name).to.equal(Role.VALIDATOR);
      else if (admin.includes(name)) expect(role, name).to.equal(Role.ADMIN);
      else expect(role, name).to.equal(Role.ISSUER);
    }
    expect(Object.keys(required)).to.include.members([...validator, ...admin, "Create", "Revoke"]);
  });

  it("must be there: a method without the option prevents the start", () => {
    const file = create(FileDescriptorProtoSchema, {
      name: "a.proto",
      messageType: [{ name: "M" }],
      service: [{ name: "S", method: [{ name: "Do", inputType: ".M", outputType: ".M" }] }],
    });
    const set = create(FileDescriptorSetSchema, { file: [file] });
    const method = createFileRegistry(set).getService("S")?.method.do;
    expect(() => requiredRole(method as DescMethodUnary)).to.throw(
      "S.Do has no option required_role",
    );
  });

  for (const [rank, role] of roles.entries()) {
    for (const method of SessionService.methods) {
      const needed = requiredRole(method) - 1;
      it(`${role}: ${method.name} is ${rank >= needed ? "allowed" : "forbidden"}`, async () => {
        const caller = clientOf(app.url, withToken(tokens[role]));
        clients.push(caller);
        const call = (
          caller.client[method.localName as "get"] as (request: object) => Promise<unknown>
        )({});
        if (rank < needed) {
          const error = await expectFailure(call, "CALLER_FORBIDDEN");
          expect(error.rawMessage).to.equal(
            `the calling service may not make this call: it needs the role ${roles[needed]}`,
          );
        } else {
          // What it then says of the empty request is not about the caller.
          const outcome = await call.then(
            () => "",
            (error: Error) => error.message,
          );
          expect(outcome).not.to.match(/calling service/);
        }
      });
    }
  }

  describe("and reflection:", () => {
    async function list(url: string, token?: string): Promise<number> {
      const interceptors = token === undefined ? [] : [withToken(token)];
      const transport = createGrpcTransport({ baseUrl: url, interceptors });
      async function* requests() {
        yield { messageRequest: { case: "listServices", value: "" } } as const;
      }
      const answers = createClient(v1.ServerReflection, transport).serverReflectionInfo(requests());
      for await (const { messageResponse } of answers) {
        if (messageResponse.case === "listServicesResponse") {
          return messageResponse.value.service.length;
        }
      }
      return 0;
    }

    it("by default, authenticated callers of any role may use it", async () => {
      expect(await list(app.url, tokens.validator)).to.be.greaterThan(2);
      await expectFailure(list(app.url), "CALLER_UNAUTHENTICATED");
      await expectFailure(list(app.url, newToken()), "CALLER_UNAUTHENTICATED");
    });

    it("with open everybody may, with off nobody", async () => {
      const env = { SESSIOND_CALLERS_FILE: file.path };
      const open = await startReplica(app.database.url, {
        env: { ...env, SESSIOND_REFLECTION: "open" },
      });
      const off = await startReplica(app.database.url, {
        env: { ...env, SESSIOND_REFLECTION: "off" },
      });
      const listed = await list(open.url);
      const error = await failureOf(list(off.url, tokens.admin));
      await Promise.all([open.stop(), off.stop()]);
      expect(listed).to.be.greaterThan(2);
      expect(error.rawMessage).to.match(/unknown service or method/);
    });

    it("without authentication of callers, everybody may: the control", async () => {
      const open = await startReplica(app.database.url);
      const listed = await list(open.url);
      await open.stop();
      expect(listed).to.be.greaterThan(2);
    });
  });
});
