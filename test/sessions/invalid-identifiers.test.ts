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

  const actorTargets = (part: "actorId" | "actorType" | "tenantId", maxBytes: number): Target[] =>
    Object.entries(withActor).map(([rpc, call]) => ({
      rpc,
      field: `actor.${part.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`,
      maxBytes,
      call: (client, text) => call(client, { ...newActor(), [part]: text }),
    }));

  const acting = { field: "acting_actor_id", maxBytes: 256 };
  const required: readonly Target[] = [
    ...actorTargets("actorId", 256),
    ...actorTargets("actorType", 64),
    {
      ...acting,
      rpc: "Revoke by id",
      call: (client, text) => client.revoke({ session: byId(id), reason, actingActorId: text }),
    },
    {
      ...acting,
      rpc: "RevokeAllForActor",
      call: (client, text) =>
        client.revokeAllForActor({ actor: newActor(), reason, actingActorId: text }),
    },
    {
      ...acting,
      rpc: "RotateCsrf by id",
      call: (client, text) =>
        client.rotateCsrf({ target: { case: "session", value: byId(id) }, actingActorId: text }),
    },
    {
      ...acting,
      rpc: "RotateSigningKey",
      call: (client, text) => client.rotateSigningKey({ actingActorId: text }),
    },
  ];

  const tenant = { field: "tenant_id", maxBytes: 128 };
  const inSession = { field: "session.tenant_id", maxBytes: 128 };
  const tenants: readonly Target[] = [
    ...actorTargets("tenantId", 128),
    {
      ...tenant,
      rpc: "Validate",
      call: (client, tenantId) =>
        client.validate({ credential: { case: "cookie", value: cookie }, tenantId }),
    },
    {
      ...tenant,
      rpc: "RotateSigningKey",
      call: (client, tenantId) => client.rotateSigningKey({ tenantId, actingActorId }),
    },
    {
      ...tenant,
      rpc: "ListSigningKeys",
      call: (client, tenantId) => client.listSigningKeys({ tenantId }),
    },
    {
      ...tenant,
      rpc: "ListAuditEvents",
      call: (client, tenantId) => client.listAuditEvents({ tenantId }),
    },
    {
      ...inSession,
      rpc: "Get by cookie",
      call: (client, text) => client.get({ session: byCookie(cookie, text) }),
    },
    {
      ...inSession,
      rpc: "Revoke by id",
      call: (client, text) =>
        client.revoke({ session: byId(id, text), reason: "admin_revoke", actingActorId }),
    },
  ];

  const optional: readonly Target[] = [
    {
      rpc: "Create",
      field: "app_type",
      maxBytes: 64,
      call: (client, appType) => client.create({ actor: newActor(), appType }),
    },
    {
      rpc: "ListAuditEvents",
      field: "resource_id",
      maxBytes: 256,
      call: (client, resourceId) => client.listAuditEvents({ resourceId }),
    },
    {
      rpc: "ListAuditEvents",
      field: "acting_actor_id",
      maxBytes: 256,
      call: (client, text) => client.listAuditEvents({ actingActorId: text }),
    },
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
    Object.keys(withActor).map((rpc) => ({
      what: `${rpc} without an actor`,
      call: (client) =>
        rpc === "RotateCsrf"
          ? client.rotateCsrf({ actingActorId })
          : (withActor[rpc]?.(client, undefined as never) ?? Promise.resolve()),
      ...(rpc === "RotateCsrf"
        ? { field: "target", message: "target is required, either a session or an actor" }
        : { field: "actor", message: "actor is required" }),
    })),
  );

  itRefuses(
    () => app,
    [
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
