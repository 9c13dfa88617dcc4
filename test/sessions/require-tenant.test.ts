import { type DescMessage, fromJson } from "@bufbuild/protobuf";
import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { expect } from "chai";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { newTenant, type OpenedSession, openSession } from "../support/actors.ts";
import { type BadInputApp, startBadInputApp, withoutTrace } from "../support/bad-input.ts";
import { expectFailure } from "../support/expect-failure.ts";

type Json = { [name: string]: Json | string | boolean };
type Method = keyof typeof SessionService.method;

/** The paths of all fields of a request that can name a tenant. */
function tenantPaths(type: DescMessage): string[] {
  return type.fields.flatMap(({ name, message }) => {
    if (message === undefined) return name === "tenant_id" ? [name] : [];
    return tenantPaths(message).map((path) => `${name}.${path}`);
  });
}

const names = (path: string) =>
  path.split(".").map((name) => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()));

/** The request without the field, or with another value in it. */
function withTenant(request: Json, path: string, tenantId: string | undefined): Json {
  const copy = structuredClone(request);
  const parents = names(path).slice(0, -1);
  const parent = parents.reduce((message, name) => message[name] as Json, copy);
  if (tenantId === undefined) delete parent.tenantId;
  else parent.tenantId = tenantId;
  return copy;
}

describe("SESSIOND_REQUIRE_TENANT (ASVS 8.2.2, F06)", () => {
  let app: BadInputApp;
  let own: OpenedSession;
  const tenantId = newTenant();

  before(async () => {
    app = await startBadInputApp({ SESSIOND_REQUIRE_TENANT: "true" });
    const actor = { tenantId, actorType: "user", actorId: "alice" };
    own = await openSession(app.client, { actor });
  });
  after(() => app.stop());

  const actor = { tenantId, actorType: "user", actorId: "alice" };
  const ref = (): Json => ({ cookie: own.cookie, tenantId });
  const unknown = { sessionId: `ses-${"0".repeat(44)}`, tenantId };
  const acting = { reason: "logout", actingActorId: "admin" };
  const by = { actingActorId: "admin" };

  /** Requests of each call that name every tenant that they can. They all succeed, in this order. */
  const requests: Record<Method, () => Json[]> = {
    create: () => [
      { actor, replaces: unknown },
      { preLogin: true, actor: { tenantId }, replaces: unknown },
    ],
    validate: () => [
      { cookie: own.cookie, tenantId },
      { cookieHeader: `__Host-session=${own.cookie}`, tenantId },
    ],
    validateCsrf: () => [{ session: ref(), csrfToken: own.csrfToken }],
    touch: () => [{ session: ref() }],
    get: () => [{ session: ref() }, { session: { sessionId: own.id, tenantId } }],
    list: () => [{ actor, current: ref() }],
    updateMetadata: () => [{ session: ref(), metadata: { theme: "dark" } }],
    // Within the grace, the cookie stays good for the calls that follow.
    rotateSession: () => [{ session: ref(), grace: "30s" }],
    rotateCsrf: () => [{ session: ref() }, { actor, ...by }],
    rotateSigningKey: () => [{ tenantId, ...by }],
    listSessions: () => [{ filter: { tenantId } }],
    revokeSessions: () => [{ filter: { tenantId, actorType: "user" }, dryRun: true, ...acting }],
    listSigningKeys: () => [{ tenantId }],
    listAuditEvents: () => [{ tenantId }],
    revokeAllForActor: () => [{ actor, keep: ref(), ...acting }],
    revoke: () => [{ session: ref(), ...acting }],
    garbageCollect: () => [{}],
    listTokenKeys: () => [{}],
    // There are no tokens.
    rotateTokenKey: () => [],
  };
  const methods = Object.keys(SessionService.method) as Method[];

  const ways: Record<string, () => Client<typeof SessionService>> = {
    gRPC: () => app.client,
    "Connect with JSON": () => {
      const options = { baseUrl: app.url, httpVersion: "1.1", useBinaryFormat: false } as const;
      return createClient(SessionService, createConnectTransport(options));
    },
  };

  for (const [way, clientOf] of Object.entries(ways)) {
    const call = (method: Method, request: Json) => {
      const client = clientOf();
      const { input } = SessionService.method[method];
      return client[method as "get"](fromJson<DescMessage>(input, request) as never);
    };

    for (const method of methods) {
      const paths = tenantPaths(SessionService.method[method].input);
      it(`refuses ${method} over ${way} without ${paths.join(" or ") || "nothing"}`, async () => {
        const tried = new Set<string>();
        for (const request of requests[method]()) {
          for (const path of paths) {
            const [parent = ""] = names(path);
            if (path !== "tenant_id" && request[parent] === undefined) continue;
            tried.add(path);
            for (const unnamed of [undefined, ""]) {
              const failing = call(method, withTenant(request, path, unnamed));
              const error = await withoutTrace(app, () =>
                expectFailure(failing, "INVALID_REQUEST", { field: path }),
              );
              expect(error.rawMessage).to.equal(
                `${path} is required: each request must name its tenant`,
              );
            }
          }
        }
        expect([...tried].sort(), "each field was left out once").to.deep.equal(paths.sort());
      });
    }

    it(`refuses a Create before login over ${way} that names no actor`, async () => {
      const field = "actor.tenant_id";
      await expectFailure(call("create", { preLogin: true }), "INVALID_REQUEST", { field });
    });
  }

  it("accepts every call that names its tenants (the control)", async () => {
    for (const method of Object.keys(requests) as Method[]) {
      for (const request of requests[method]()) {
        const { input } = SessionService.method[method];
        await app.client[method as "get"](fromJson<DescMessage>(input, request) as never);
      }
    }
  });
});
