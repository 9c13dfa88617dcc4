import { randomUUID } from "node:crypto";
import { expect } from "chai";
import { byCookie, byId, newActor, openSession } from "../support/actors.ts";
import type { SessionClient } from "../support/app.ts";
import {
  type BadInput,
  type BadInputApp,
  itRefuses,
  startBadInputApp,
} from "../support/bad-input.ts";

const reason = "logout";
const actingActorId = "operator";

interface Target {
  readonly rpc: string;
  readonly field: string;
  readonly maxBytes: number;
  readonly call: (client: SessionClient, text: string) => Promise<unknown>;
}

describe("bad input: identifiers", () => {
  let app: BadInputApp;
  let id: string;
  let cookie: string;

  before(async () => {
    app = await startBadInputApp();
    ({ id, cookie } = await openSession(app.client));
  });
  after(() => app.stop());

  /** The calls that name an actor, each given one to name. */
  const withActor: Record<string, (client: SessionClient, actor: object) => Promise<unknown>> = {
    Create: (client, actor) => client.create({ actor }),
    RevokeAllForActor: (client, actor) =>
      client.revokeAllForActor({ actor, reason, actingActorId }),
    RotateCsrf: (client, actor) =>
      client.rotateCsrf({ target: { case: "actor", value: actor }, actingActorId }),
    List: (client, actor) => client.list({ actor }),
  };

  type Call = Target["call"];
  const targetsOf = (field: string, maxBytes: number, calls: Record<string, Call>): Target[] =>
    Object.entries(calls).map(([rpc, call]) => ({ rpc, field, maxBytes, call }));
  const actorTargets = (field: string, part: string, maxBytes: number) =>
    Object.entries(withActor).map(([rpc, call]): Target => {
      return { rpc, field, maxBytes, call: (c, text) => call(c, { ...newActor(), [part]: text }) };
    });

  const required: readonly Target[] = [
    ...actorTargets("actor.actor_id", "actorId", 256),
    ...actorTargets("actor.actor_type", "actorType", 64),
    ...targetsOf("acting_actor_id", 256, {
      "Revoke by id": (client, text) =>
        client.revoke({ session: byId(id), reason, actingActorId: text }),
      RevokeAllForActor: (client, text) =>
        client.revokeAllForActor({ actor: newActor(), reason, actingActorId: text }),
      "RotateCsrf by id": (client, text) =>
        client.rotateCsrf({ target: { case: "session", value: byId(id) }, actingActorId: text }),
      RotateSigningKey: (client, text) => client.rotateSigningKey({ actingActorId: text }),
    }),
  ];
  const tenants: readonly Target[] = [
    ...actorTargets("actor.tenant_id", "tenantId", 128),
    ...targetsOf("tenant_id", 128, {
      Validate: (client, tenantId) =>
        client.validate({ credential: { case: "cookie", value: cookie }, tenantId }),
      RotateSigningKey: (client, tenantId) => client.rotateSigningKey({ tenantId, actingActorId }),
      ListSigningKeys: (client, tenantId) => client.listSigningKeys({ tenantId }),
      ListAuditEvents: (client, tenantId) => client.listAuditEvents({ tenantId }),
    }),
    ...targetsOf("session.tenant_id", 128, {
      "Get by cookie": (client, text) => client.get({ session: byCookie(cookie, text) }),
      "Revoke by id": (client, text) =>
        client.revoke({ session: byId(id, text), reason: "admin_revoke", actingActorId }),
    }),
  ];
  const optional: readonly Target[] = [
    ...targetsOf("app_type", 64, {
      Create: (client, appType) => client.create({ actor: newActor(), appType }),
    }),
    ...targetsOf("resource_id", 256, {
      ListAuditEvents: (client, resourceId) => client.listAuditEvents({ resourceId }),
    }),
    ...targetsOf("acting_actor_id", 256, {
      ListAuditEvents: (client, text) => client.listAuditEvents({ actingActorId: text }),
    }),
  ];

  /** What no identifier may be; `expected` completes the message. */
  const bad = (target: Target, what: string, text: string, expected: string): BadInput => ({
    what: `${target.rpc} with ${target.field} ${what}`,
    call: (client) => target.call(client, text),
    field: target.field,
    message: `${target.field} ${expected}`,
  });
  const blank = (target: Target, what: string, text: string) =>
    bad(target, what, text, "is required and must not be blank");
  const unprintable = (target: Target, what: string, text: string) =>
    bad(target, what, text, "must not contain control characters");
  const tooLong = (target: Target, what: string, text: string) =>
    bad(target, what, text, `must be at most ${target.maxBytes} bytes`);

  itRefuses(
    () => app,
    [
      ...required.map((target) => blank(target, "that is empty", "")),
      ...[...required, ...tenants].flatMap((target) => [
        blank(target, "of blanks", " \t "),
        blank(target, "of a no-break space", "\u00a0"),
      ]),
      ...[...required, ...tenants, ...optional].flatMap((target) => [
        unprintable(target, "with NUL", "a\0b"),
        unprintable(target, "with a line feed", "a\nb"),
        unprintable(target, "with an escape sequence", "\u001b[31ma"),
        unprintable(target, "that ends in DEL", "a\u007f"),
        tooLong(target, "of a byte too many", "a".repeat(target.maxBytes + 1)),
        tooLong(
          target,
          "of few characters but too many bytes",
          "😀".repeat(target.maxBytes / 4 + 1),
        ),
        tooLong(target, "of 60 KB", "a".repeat(60_000)),
      ]),
    ],
  );

  const word =
    "must be a lower-case word such as `logout`: a letter, then letters, digits and underscores, " +
    "at most 64";
  const badReasons: Record<string, string> = {
    "that is empty": "",
    "of blanks": "  ",
    "in upper case": "Logout",
    "of two words": "log out",
    "that begins with a digit": "1st",
    "that begins with an underscore": "_logout",
    "with a line feed at its end": "logout\n",
    "with NUL": "logout\0",
    "with a letter that is not ASCII": "gelöscht",
    "of 65 letters": "a".repeat(65),
    "that is SQL": "x'; DROP TABLE sessions; --",
  };
  itRefuses(
    () => app,
    Object.entries(badReasons).flatMap(([what, text]) => [
      {
        what: `Revoke by id with reason ${what}`,
        call: (client) => client.revoke({ session: byId(id), reason: text, actingActorId }),
        field: "reason",
        message: `reason ${word}`,
      },
      {
        what: `RevokeAllForActor with reason ${what}`,
        call: (client) =>
          client.revokeAllForActor({ actor: newActor(), reason: text, actingActorId }),
        field: "reason",
        message: `reason ${word}`,
      },
    ]),
  );

  itRefuses(
    () => app,
    ["Create", "RevokeAllForActor", "List"].map((rpc) => ({
      what: `${rpc} without an actor`,
      call: (client) => withActor[rpc]?.(client, undefined as never) ?? Promise.resolve(),
      field: "actor",
      message: "actor is required",
    })),
  );
  itRefuses(
    () => app,
    [
      {
        what: "RotateCsrf without a target",
        call: (client) => client.rotateCsrf({ actingActorId }),
        field: "target",
        message: "target is required, either a session or an actor",
      },
      {
        what: "Create before login with an actor_type but no actor_id",
        call: (client) => client.create({ preLogin: true, actor: { actorType: "user" } }),
        field: "actor.actor_id",
        message: "actor.actor_id is required and must not be blank",
      },
      {
        what: "Create before login with an actor_id but no actor_type",
        call: (client) => client.create({ preLogin: true, actor: { actorId: "a" } }),
        field: "actor.actor_type",
        message: "actor.actor_type is required and must not be blank",
      },
    ],
  );

  it("the longest identifiers are accepted, whatever is printable, and come back", async () => {
    // Unique, so that other tests' sessions stay out of it.
    const unique = randomUUID();
    const actor = {
      tenantId: unique + "t".repeat(128 - unique.length),
      actorType: "é".repeat(32),
      actorId: `${unique} '";--\\%_$1 ../<script>${"😀".repeat(48)}`,
    };
    const padding = 256 - Buffer.byteLength(actor.actorId);
    const longest = { ...actor, actorId: actor.actorId + "a".repeat(padding) };
    const appType = "p".repeat(64);
    const longestReason = "r".repeat(64);

    const created = await app.client.create({ actor: longest, appType });
    const listed = await app.client.list({ actor: longest });
    await app.client.revoke({
      session: byId(created.session?.id ?? ""),
      reason: longestReason,
      actingActorId: longest.actorId,
    });
    const { session } = await app.client.get({ session: byCookie(created.cookie) });

    expect(listed.sessions).to.have.lengthOf(1);
    expect(session).to.include({
      ...longest,
      appType,
      revokeReason: longestReason,
      revokedBy: longest.actorId,
    });
  });
});
