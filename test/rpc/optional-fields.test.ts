import { once } from "node:events";
import http2 from "node:http2";
import { gzipSync } from "node:zlib";
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { expect } from "chai";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { newTenant, type OpenedSession, openSession } from "../support/actors.ts";
import { type BadInputApp, startBadInputApp, withoutTrace } from "../support/bad-input.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { frame, rawCall } from "../support/transport.ts";

interface Answer {
  readonly status: number;
  /** "OK" if the call succeeds. */
  readonly reason: string;
  readonly field: string | undefined;
  readonly message: string | undefined;
}

const ok: Answer = { status: 200, reason: "OK", field: undefined, message: undefined };

interface OptionalField {
  readonly rpc: string;
  readonly field: DescField;
  /** The fields of the request that lead to it. */
  readonly parents: readonly DescField[];
}

/** The optional scalar fields of all requests. */
const nullable = new Map(
  SessionService.methods.flatMap(({ name: rpc, input }) =>
    optionalScalars(input).map(({ parents, field }): [string, OptionalField] => {
      const path = [...parents, field].map(({ name }) => name).join(".");
      return [`${rpc} ${path}`, { rpc, parents, field }];
    }),
  ),
);

function optionalScalars(type: DescMessage): Pick<OptionalField, "parents" | "field">[] {
  return type.fields.flatMap((field) => {
    if (field.message !== undefined) {
      return optionalScalars(field.message).map((nested) => ({
        ...nested,
        parents: [field, ...nested.parents],
      }));
    }
    return field.proto.proto3Optional ? [{ parents: [], field }] : [];
  });
}

describe("optional fields (E04)", () => {
  let app: BadInputApp;
  let own: OpenedSession;
  let others: OpenedSession;

  before(async () => {
    app = await startBadInputApp({ SESSIOND_BIND_IP: "true" });
    own = await openSession(app.client, { ipAddress: "192.0.2.1" });
    others = await openSession(app.client);
  });
  after(() => app.stop());

  async function post(rpc: string, request: object): Promise<Answer> {
    const response = await fetch(`${app.url}/sessiond.v1.SessionService/${rpc}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(request),
    });
    const { message, details } = (await response.json()) as {
      message?: string;
      details?: [{ debug: { field?: string } }, { debug: { reason: string } }];
    };
    const reason = details?.[1].debug.reason ?? "OK";
    return { status: response.status, reason, field: details?.[0].debug.field, message };
  }

  const validate = (more: object) => post("Validate", { cookie: own.cookie, ...more });

  describe("csrf_token of Validate", () => {
    it("unset is not checked, and empty is missing (E04)", async () => {
      const credential = { case: "cookie", value: own.cookie } as const;
      await app.client.validate({ credential });
      expect(await validate({})).to.deep.equal(ok);
      for (const csrfToken of ["", " "]) {
        await expectFailure(app.client.validate({ credential, csrfToken }), "CSRF_MISSING");
        expect(await validate({ csrfToken })).to.include({ status: 403, reason: "CSRF_MISSING" });
      }
    });

    it("is checked under both names that JSON has for it (E04)", async () => {
      for (const name of ["csrfToken", "csrf_token"]) {
        const wrong = await validate({ [name]: others.csrfToken });
        expect(wrong).to.include({ status: 403, reason: "CSRF_MISMATCH" });
        expect(await validate({ [name]: own.csrfToken })).to.deep.equal(ok);
      }
    });
  });

  describe("tenant_id of Validate", () => {
    it("unset is any tenant, empty is an error, and another one is no cookie (E04)", async () => {
      const credential = { case: "cookie", value: own.cookie } as const;
      await app.client.validate({ credential, tenantId: "default" });
      const empty = app.client.validate({ credential, tenantId: "" });
      await expectFailure(empty, "INVALID_REQUEST", { field: "tenant_id" });
      expect(await validate({ tenantId: "default" })).to.deep.equal(ok);
      const emptyJson = await validate({ tenantId: "" });
      expect(emptyJson).to.include({ reason: "INVALID_REQUEST", field: "tenant_id" });
      for (const name of ["tenantId", "tenant_id"]) {
        const wrong = await validate({ [name]: newTenant() });
        expect(wrong).to.include({ status: 401, reason: "INVALID_COOKIE" });
      }
    });
  });

  /** By the mistyped name: what the message says of it. Names that could be secrets are not quoted. */
  const mistypedInValidate: Record<string, string> = {
    csrf_tokens: "has no field csrf_tokens: did you mean csrfToken?",
    csrfTokn: "has no field csrfTokn: did you mean csrfToken?",
    CsrfToken: "has no field CsrfToken: did you mean csrfToken?",
    csrftoken: "has no field csrftoken: did you mean csrfToken?",
    "csrf-token": "has an unknown field: did you mean csrfToken?",
    "csrfToken ": "has an unknown field: did you mean csrfToken?",
    tenant: "has no field tenant: did you mean tenantId?",
    tenantID: "has no field tenantID: did you mean tenantId?",
    ipAdress: "has no field ipAdress: did you mean ipAddress?",
    ip: "has no field ip",
    useragent: "has no field useragent: did you mean userAgent?",
    cookie_headers: "has no field cookie_headers: did you mean cookieHeader?",
    "[ext]": "has an unknown field",
    "": "has an unknown field",
    'csrf"Token': "has an unknown field: did you mean csrfToken?",
    "csrf\nToken": "has an unknown field: did you mean csrfToken?",
    token2: "has an unknown field",
    ["a".repeat(32)]: `has no field ${"a".repeat(32)}`,
    ["a".repeat(33)]: "has an unknown field",
    ["csrfToken".repeat(6000)]: "has an unknown field",
  };
  type Mistyped = [rpc: string, request: () => object, type: string, problem: string];
  const mistyped: Record<string, Mistyped> = {
    ...Object.fromEntries(
      Object.entries(mistypedInValidate).map(([name, problem]) => [
        `${JSON.stringify(name.slice(0, 40))} in Validate`,
        ["Validate", () => ({ cookie: own.cookie, [name]: "x" }), "ValidateRequest", problem],
      ]),
    ),
    "tenant in a session reference": [
      "Get",
      () => ({ session: { cookie: own.cookie, tenant: "x" } }),
      "SessionRef",
      "has no field tenant: did you mean tenantId?",
    ],
    "tenant in an actor": [
      "Create",
      () => ({ actor: { tenant: "x", actorType: "user", actorId: "alice" } }),
      "ActorRef",
      "has no field tenant: did you mean tenantId?",
    ],
    "keeps in RevokeAllForActor": [
      "RevokeAllForActor",
      () => ({ actor: own.actor, reason: "logout", actingActorId: "a", keeps: {} }),
      "RevokeAllForActorRequest",
      "has no field keeps: did you mean keep?",
    ],
  };
  for (const [what, [rpc, request, type, problem]] of Object.entries(mistyped)) {
    it(`the mistyped field ${what} is an error in JSON (E04)`, async () => {
      const answer = await withoutTrace(app, () => post(rpc, request()));
      expect(answer).to.deep.equal({
        status: 400,
        reason: "INVALID_REQUEST",
        field: /^has no field (\w+)/.exec(problem)?.[1],
        message: `the request's message sessiond.v1.${type} ${problem}`,
      });
    });
  }

  it("no credential is quoted that stands where a name belongs (E04)", async () => {
    const { cookie, csrfToken, id } = own;
    for (const secret of [cookie, csrfToken, id, ...cookie.split(".").slice(1)]) {
      for (const request of [{ [secret]: "x" }, { session: { [secret]: "x" } }]) {
        for (const rpc of ["Validate", "Get"]) {
          const answer = await withoutTrace(app, () => post(rpc, request));
          expect(answer).to.include({ status: 400, reason: "INVALID_REQUEST" });
          expect(JSON.stringify(answer)).not.to.include(secret);
        }
      }
    }
  });

  it("a mistyped field is an error in JSON of every call (E04)", async () => {
    for (const { name } of SessionService.methods) {
      const answer = await withoutTrace(app, () => post(name, { mistyped: true }));
      expect(answer, name).to.include({ status: 400, reason: "INVALID_REQUEST" });
    }
  });

  for (const [what, { rpc, parents, field }] of nullable) {
    it(`null for ${what} is an error in JSON (E04)`, async () => {
      for (const name of [field.jsonName, field.name]) {
        const request = parents.reduceRight<object>(
          (value, { jsonName }) => ({ [jsonName]: value }),
          { cookie: own.cookie, [name]: null },
        );
        expect(await withoutTrace(app, () => post(rpc, request))).to.deep.equal({
          status: 400,
          reason: "INVALID_REQUEST",
          field: field.name,
          message: `the request's ${field} must not be null: give it a value, or leave it out`,
        });
      }
    });
  }

  it("null is an error for all fields of requests that are optional, and only there (E04)", async () => {
    expect([...nullable.keys()]).to.deep.equal([
      "Create replaces.tenant_id",
      "Validate csrf_token",
      "Validate tenant_id",
      "Validate http_method",
      "ValidateCsrf session.tenant_id",
      "Touch session.tenant_id",
      "Revoke session.tenant_id",
      "RevokeAllForActor keep.tenant_id",
      "RotateCsrf session.tenant_id",
      "RotateSession session.tenant_id",
      "RotateSession auth_level",
      "UpdateMetadata session.tenant_id",
      "Get session.tenant_id",
      "List current.tenant_id",
      "ListSessions filter.tenant_id",
      "RevokeSessions filter.tenant_id",
    ]);
    const absent = { touch: null, acceptPreLogin: null, ipAddress: null, cookieHeader: null };
    expect(await validate(absent)).to.deep.equal(ok);
    const actor = { actorType: "user", actorId: own.actor.actorId, tenantId: null };
    expect(await post("List", { actor, current: null, pageSize: null })).to.deep.equal(ok);
    // A text with this word is not null.
    const agent = { userAgent: "null", csrfToken: own.csrfToken };
    expect(await validate(agent)).to.deep.equal(ok);
  });

  it("what would skip a check is an error in JSON over every protocol (E04)", async () => {
    const connection = http2.connect(app.url);
    try {
      await once(connection, "connect");
      for (const wrong of [{ csrfTokn: "x" }, { csrfToken: null }]) {
        const json = Buffer.from(JSON.stringify({ cookie: own.cookie, ...wrong }));
        for (const contentType of ["application/grpc+json", "application/grpc-web+json"]) {
          const { stream, response } = rawCall(connection, { "content-type": contentType });
          stream.end(frame(json));
          const { grpcStatus, body } = await response;
          const inBody = /grpc-status: (\d+)/.exec(body.toString())?.[1];
          expect(Number(grpcStatus ?? inBody)).to.equal(grpc.status.INVALID_ARGUMENT);
        }
        const compressed = await fetch(`${app.url}/sessiond.v1.SessionService/Validate`, {
          method: "POST",
          headers: { "content-type": "application/json", "content-encoding": "gzip" },
          body: gzipSync(json),
        });
        expect(compressed.status).to.equal(400);
      }
    } finally {
      connection.destroy();
    }
  });
});
