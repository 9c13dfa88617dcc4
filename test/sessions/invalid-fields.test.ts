import type { ConnectError } from "@connectrpc/connect";
import { expect } from "chai";
import fc from "fast-check";
import { BadRequestSchema } from "../../gen/es/google/rpc/error_details_pb.ts";
import { byCookie, byId, newActor, openSession } from "../support/actors.ts";
import type { SessionClient } from "../support/app.ts";
import { type BadInputApp, startBadInputApp, withoutTrace } from "../support/bad-input.ts";
import { expectFailure } from "../support/expect-failure.ts";

type CreateRequest = Parameters<SessionClient["create"]>[0];
type Wrong = { readonly value: object; readonly expected: string };
type Violation = readonly [field: string, description: string];

/** Half of the smallest limit of headers that common gRPC clients have. */
const maxStatusBytes = 4096;

const notBlank = "is required and must not be blank";
const sessionIdForm = "must be `ses-` and 44 lower-case hexadecimal digits";
const reasonForm =
  "must be a lower-case word such as `logout`: a letter, then letters, digits and underscores, " +
  "at most 64";

/** The wrong values of each field of CreateRequest, in the order in which the fields are told. */
const wrongInCreate: Record<string, readonly Wrong[]> = {
  "actor.tenant_id": [
    { value: { tenantId: " " }, expected: notBlank },
    { value: { tenantId: "t".repeat(129) }, expected: "must be at most 128 bytes" },
  ],
  "actor.actor_type": [
    { value: { actorType: "" }, expected: notBlank },
    { value: { actorType: "a\nb" }, expected: "must not contain control characters" },
  ],
  "actor.actor_id": [
    { value: { actorId: "\t" }, expected: notBlank },
    { value: { actorId: "a".repeat(60_000) }, expected: "must be at most 256 bytes" },
  ],
  app_type: [{ value: { appType: "x".repeat(65) }, expected: "must be at most 64 bytes" }],
  metadata: [
    { value: { metadata: { "": "" } }, expected: "must not have an empty key" },
    { value: { metadata: { a: "\0", "": "" } }, expected: "must not contain NUL" },
    { value: { metadata: { k: "v".repeat(4096) } }, expected: "must be at most 4096 bytes in all" },
  ],
  ip_address: [
    {
      value: { ipAddress: "192.0.2.1:443" },
      expected: "must be one IPv4 or IPv6 address without port or zone",
    },
  ],
  idle_timeout: [
    { value: { idleTimeout: { seconds: 0n } }, expected: "must be from 1s to 1800s" },
    { value: { idleTimeout: { seconds: 60n, nanos: 1 } }, expected: "must be whole seconds" },
  ],
  absolute_timeout: [
    { value: { absoluteTimeout: { seconds: 43_201n } }, expected: "must be from 1s to 43200s" },
    { value: { absoluteTimeout: { nanos: 500_000_000 } }, expected: "must be whole seconds" },
  ],
  "replaces.session_id": [{ value: byId("ses-1"), expected: sessionIdForm }],
  "replaces.tenant_id": [
    { value: { tenantId: "t".repeat(129) }, expected: "must be at most 128 bytes" },
  ],
};

const fieldsOfCreate = Object.keys(wrongInCreate);

describe("bad input: more than one wrong field", () => {
  let app: BadInputApp;
  let cookie: string;

  before(async () => {
    app = await startBadInputApp({ SESSIOND_MAX_MESSAGE_BYTES: "4MiB" });
    ({ cookie } = await openSession(app.client));
  });
  after(() => app.stop());

  /** A request that is right but for these values. */
  function createRequest(wrong: Readonly<Record<string, object>>): CreateRequest {
    const actor = { ...newActor() };
    const replaces = byCookie(cookie);
    const request = { actor, replaces, idleTimeout: { seconds: 60n } };
    for (const [field, value] of Object.entries(wrong)) {
      const [parent] = field.split(".");
      const target = { actor, replaces }[parent as string] ?? request;
      Object.assign(target, value);
    }
    return request;
  }

  /** Asserts that the call tells these fields and no others, in this order and in every place. */
  async function expectViolations(
    call: Promise<unknown>,
    violations: readonly Violation[],
  ): Promise<ConnectError> {
    const [[field, expected]] = violations as [Violation, ...Violation[]];
    const error = await expectFailure(call, "INVALID_REQUEST", { field });
    const told = error
      .findDetails(BadRequestSchema)
      .map(({ fieldViolations }) =>
        fieldViolations.map((violation) => [violation.field, violation.description]),
      );
    expect(told).to.deep.equal([violations.map(([name, text]) => [name, `${name} ${text}`])]);
    const also: Record<number, string> = { 0: "", 1: " (1 other field is also wrong)" };
    const others = violations.length - 1;
    const suffix = also[others] ?? ` (${others} other fields are also wrong)`;
    expect(error.rawMessage).to.equal(`${field} ${expected}${suffix}`);
    return error;
  }

  it("of Create, exactly the wrong fields are told, however they are combined (property)", async () => {
    const wrong = fc.record(
      mapValues(wrongInCreate, (values) => fc.constantFrom(...values)),
      { requiredKeys: [] },
    );
    const property = fc.asyncProperty(wrong, async (drawn) => {
      const inOrder = fieldsOfCreate.filter((field) => field in drawn);
      fc.pre(inOrder.length > 0);
      const request = createRequest(mapValues(drawn, (wrongField) => (wrongField as Wrong).value));
      await expectViolations(
        app.client.create(request),
        inOrder.map((field) => [field, drawn[field]?.expected as string]),
      );
    });
    await withoutTrace(app, () => fc.assert(property, { numRuns: 200 }));
    // The control: without anything wrong, the request is accepted.
    expect((await app.client.create(createRequest({}))).session?.id).to.match(/^ses-/);
  });

  const actor = { tenantId: "\n", actorType: "", actorId: "\0" };
  const actorViolations: readonly Violation[] = [
    ["actor.tenant_id", notBlank],
    ["actor.actor_type", notBlank],
    ["actor.actor_id", "must not contain control characters"],
  ];
  const tenantId = "t".repeat(129);
  const tooLong = "must be at most 128 bytes";
  const badRef = byId("x", tenantId);
  const refViolations = (field: string): readonly Violation[] => [
    [`${field}.session_id`, sessionIdForm],
    [`${field}.tenant_id`, tooLong],
  ];
  const badPage = { pageSize: -1, pageToken: "x" };
  const pageViolations: readonly Violation[] = [
    ["page_size", "must be from 1 to 200, or 0 for 50"],
    ["page_token", "must be next_page_token of the same request's page before"],
  ];
  const [pageSizeViolation] = pageViolations as [Violation];

  const second = (seconds: number) => ({ seconds: BigInt(seconds), nanos: 0 });
  const badFilter = {
    tenantId,
    actorType: "t".repeat(65),
    appType: "\0",
    ipAddress: "10.0.0.1/8",
    userAgentContains: "\u00e9".repeat(257),
    createdSince: second(-1),
    createdBefore: second(253_402_300_800),
    seenSince: second(-1),
    seenBefore: second(253_402_300_800),
  };
  const year = "must be a time from 1970 to 9999";
  const filterViolations: readonly Violation[] = [
    ["filter.tenant_id", tooLong],
    ["filter.actor_type", "must be at most 64 bytes"],
    ["filter.app_type", "must not contain control characters"],
    [
      "filter.ip_address",
      "must be an IPv4 or IPv6 address, or a network such as 10.0.0.0/8 that has no bit set after " +
        "its prefix",
    ],
    ["filter.user_agent_contains", "must be at most 256 characters"],
    ["filter.created_since", year],
    ["filter.created_before", year],
    ["filter.seen_since", year],
    ["filter.seen_before", year],
  ];

  const everyCall: Record<
    string,
    [(client: SessionClient) => Promise<unknown>, readonly Violation[]]
  > = {
    Validate: [
      (client) =>
        client.validate({
          ipAddress: "x",
          tenantId,
          actorType: "t".repeat(65),
          tokenAudience: "orders",
        }),
      [
        ["ip_address", "must be one IPv4 or IPv6 address without port or zone"],
        ["tenant_id", tooLong],
        ["actor_type", "must be at most 64 bytes"],
        ["token_audience", "must be empty: tokens are off (SESSIOND_TOKEN_ISSUER is not set)"],
      ],
    ],
    ValidateCsrf: [(client) => client.validateCsrf({ session: badRef }), refViolations("session")],
    Touch: [(client) => client.touch({ session: badRef }), refViolations("session")],
    Get: [(client) => client.get({ session: badRef }), refViolations("session")],
    "Get of a session that is named by its tenant only": [
      (client) => client.get({ session: { tenantId } }),
      [
        ["session", "is required, with a cookie, a cookie_header or a session_id"],
        ["session.tenant_id", tooLong],
      ],
    ],
    Revoke: [
      (client) => client.revoke({ session: badRef }),
      [...refViolations("session"), ["reason", reasonForm], ["acting_actor_id", notBlank]],
    ],
    RevokeAllForActor: [
      (client) => client.revokeAllForActor({ actor, keep: badRef }),
      [
        ...actorViolations,
        ...refViolations("keep"),
        ["reason", reasonForm],
        ["acting_actor_id", notBlank],
      ],
    ],
    "RotateCsrf of a session": [
      (client) => client.rotateCsrf({ target: { case: "session", value: badRef } }),
      [...refViolations("session"), ["acting_actor_id", notBlank]],
    ],
    "RotateCsrf of an actor": [
      (client) => client.rotateCsrf({ target: { case: "actor", value: actor } }),
      [...actorViolations, ["acting_actor_id", notBlank]],
    ],
    "RotateCsrf of nothing": [
      (client) => client.rotateCsrf({ actingActorId: " " }),
      [
        ["target", "is required, either a session or an actor"],
        ["acting_actor_id", notBlank],
      ],
    ],
    RotateSigningKey: [
      (client) => client.rotateSigningKey({ tenantId }),
      [
        ["tenant_id", tooLong],
        ["acting_actor_id", notBlank],
      ],
    ],
    List: [
      (client) => client.list({ actor: newActor(), current: badRef, ...badPage }),
      [...refViolations("current"), ...pageViolations],
    ],
    ListSessions: [
      (client) => client.listSessions({ filter: badFilter, ...badPage }),
      [...filterViolations, pageSizeViolation],
    ],
    RevokeSessions: [
      (client) => client.revokeSessions({ filter: badFilter, everything: true, pageToken: "x" }),
      [
        ...filterViolations,
        ["everything", "must not be set with a filter"],
        ["reason", reasonForm],
        ["acting_actor_id", notBlank],
      ],
    ],
    "RevokeSessions without a restriction": [
      (client) => client.revokeSessions({ filter: {}, reason: "logout", actingActorId: "admin" }),
      [["filter", "must restrict the sessions, or set everything to revoke all"]],
    ],
    "a search with a page_token of nobody": [
      (client) => client.listSessions(badPage),
      pageViolations,
    ],
    "a search with times in the wrong order": [
      (client) =>
        client.listSessions({ filter: { createdSince: second(2), createdBefore: second(2) } }),
      [["filter.created_before", "must be later than filter.created_since"]],
    ],
    RotateTokenKey: [(client) => client.rotateTokenKey({}), [["acting_actor_id", notBlank]]],
    ListTokenKeys: [(client) => client.listTokenKeys(badPage), pageViolations],
    ListSigningKeys: [(client) => client.listSigningKeys(badPage), pageViolations],
    ListAuditEvents: [(client) => client.listAuditEvents(badPage), pageViolations],
    "ListAuditEvents by time": [
      (client) =>
        client.listAuditEvents({
          tenantId,
          allTenants: true,
          action: "a".repeat(65),
          occurredSince: second(-1),
          occurredBefore: second(253_402_300_800),
          afterId: -1n,
        }),
      [
        ["tenant_id", "must be empty with all_tenants"],
        ["action", "must be at most 64 bytes"],
        ["occurred_since", year],
        ["occurred_before", year],
        ["after_id", "must be the id of an audit event, or 0"],
      ],
    ],
  };
  for (const [what, [call, violations]] of Object.entries(everyCall)) {
    it(`of ${what}, all wrong fields are told`, () =>
      withoutTrace(app, () => expectViolations(call(app.client), violations)));
  }

  const notCompared: Record<
    string,
    [(client: SessionClient) => Promise<unknown>, readonly Violation[]]
  > = {
    "an idle_timeout is not compared with a wrong absolute_timeout": [
      (client) =>
        client.create({
          actor: newActor(),
          idleTimeout: { seconds: 60n },
          absoluteTimeout: { seconds: 0n },
        }),
      [["absolute_timeout", "must be from 1s to 43200s"]],
    ],
    "a wrong idle_timeout is not compared with an absolute_timeout": [
      (client) =>
        client.create({
          actor: newActor(),
          idleTimeout: { seconds: 1801n },
          absoluteTimeout: { seconds: 60n },
        }),
      [["idle_timeout", "must be from 1s to 1800s"]],
    ],
    "a page_token is not compared with a wrong actor": [
      (client) => client.list({ actor, ...badPage }),
      [...actorViolations, pageSizeViolation],
    ],
    "a page_token is not compared with a wrong tenant": [
      (client) => client.listSigningKeys({ tenantId, ...badPage }),
      [["tenant_id", tooLong], pageSizeViolation],
    ],
    "a page_token is not compared with wrong filters": [
      (client) => client.listAuditEvents({ resourceId: "\0", actingActorId: "\n", ...badPage }),
      [
        ["resource_id", "must not contain control characters"],
        ["acting_actor_id", "must not contain control characters"],
        pageSizeViolation,
      ],
    ],
    "no reason and no acting actor are required for a session that is not named": [
      (client) => client.revoke({}),
      [["session", "is required, with a cookie, a cookie_header or a session_id"]],
    ],
  };
  for (const [what, [call, violations]] of Object.entries(notCompared)) {
    it(what, () => withoutTrace(app, () => expectViolations(call(app.client), violations)));
  }

  it("the comparison of both timeouts is told among other wrong fields", async () => {
    const call = app.client.create({
      actor: newActor(),
      idleTimeout: { seconds: 61n },
      absoluteTimeout: { seconds: 60n },
      ipAddress: "x",
    });
    await expectViolations(call, [
      ["ip_address", "must be one IPv4 or IPv6 address without port or zone"],
      ["idle_timeout", "must not be longer than the absolute timeout, which is 60s"],
    ]);
  });

  it("a wrong field is told before a cookie is looked at", async () => {
    const credential = { case: "cookie", value: "forged" } as const;
    await expectFailure(app.client.validate({ credential }), "INVALID_COOKIE");
    await expectViolations(app.client.validate({ credential, ipAddress: "x" }), [
      ["ip_address", "must be one IPv4 or IPv6 address without port or zone"],
    ]);
  });

  it("the error stays small, whatever the request contains", async () => {
    const keys = Array.from({ length: 10_000 }, (_, index) => [`\0${index}`, "\0"]);
    const worst: Record<string, Wrong> = {
      ...mapValues(wrongInCreate, (values) => values.at(-1) as Wrong),
      metadata: {
        value: { metadata: Object.fromEntries(keys) },
        expected: "must not contain NUL",
      },
    };
    const request = createRequest(mapValues(worst, ({ value }) => value));

    const error = await withoutTrace(app, () =>
      expectViolations(
        app.client.create(request),
        Object.entries(worst).map(([field, { expected }]) => [field, expected]),
      ),
    );

    const status = error.metadata.get("grpc-status-details-bin") ?? "";
    expect(status).not.to.equal("");
    expect(status.length + error.rawMessage.length).to.be.below(maxStatusBytes);
  });
});

function mapValues<T, U>(record: Readonly<Record<string, T>>, map: (value: T) => U) {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
