import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { byCookie, newActor, type OpenedSession } from "./actors.ts";
import type { SessionClient } from "./app.ts";

type Call = (client: SessionClient, session: OpenedSession) => Promise<unknown>;

/** Every RPC, and every way in which it reaches the storage, as a call that succeeds. */
export const everyCall: Readonly<Record<string, Call>> = {
  Create: (client) => client.create({ actor: newActor() }),
  "Create of a pre-login session": (client) => client.create({ preLogin: true }),
  "Create that replaces": (client, { actor, cookie }) =>
    client.create({ actor, replaces: byCookie(cookie) }),
  Validate: (client, { cookie }) =>
    client.validate({ credential: { case: "cookie", value: cookie } }),
  "Validate of a header": (client, { cookie }) =>
    client.validate({ credential: { case: "cookieHeader", value: `__Host-session=${cookie}` } }),
  ValidateCsrf: (client, { cookie, csrfToken }) =>
    client.validateCsrf({ session: byCookie(cookie), csrfToken }),
  Touch: (client, { cookie }) => client.touch({ session: byCookie(cookie) }),
  Revoke: (client, { cookie }) => client.revoke({ session: byCookie(cookie) }),
  RevokeAllForActor: (client, { actor }) =>
    client.revokeAllForActor({ actor, reason: "logout", actingActorId: "admin" }),
  "RotateCsrf of a session": (client, { cookie }) =>
    client.rotateCsrf({ target: { case: "session", value: byCookie(cookie) } }),
  "RotateCsrf of an actor": (client, { actor }) =>
    client.rotateCsrf({ target: { case: "actor", value: actor }, actingActorId: "admin" }),
  RotateSession: (client, { cookie }) => client.rotateSession({ session: byCookie(cookie) }),
  "Validate of a rotated session": async (client, { cookie }) => {
    const grace = { seconds: 30n, nanos: 0 };
    await client.rotateSession({ session: byCookie(cookie), grace });
    await client.validate({ credential: { case: "cookie", value: cookie } });
  },
  UpdateMetadata: (client, { cookie }) => client.updateMetadata({ session: byCookie(cookie) }),
  RotateSigningKey: (client) => client.rotateSigningKey({ actingActorId: "admin" }),
  GarbageCollect: (client) => client.garbageCollect({}),
  Get: (client, { cookie }) => client.get({ session: byCookie(cookie) }),
  List: (client, { actor }) => client.list({ actor }),
  ListSessions: (client) => client.listSessions({}),
  // No session was created that long ago, so the sessions of other calls stay.
  RevokeSessions: (client) =>
    client.revokeSessions({
      filter: { createdBefore: timestampFromMs(1) },
      reason: "logout",
      actingActorId: "admin",
    }),
  ListSigningKeys: (client) => client.listSigningKeys({}),
  ListTokenKeys: (client) => client.listTokenKeys({}),
  ListAuditEvents: (client) => client.listAuditEvents({}),
  "ListAuditEvents by time, oldest first": (client) =>
    client.listAuditEvents({ occurredSince: timestampFromMs(1), oldestFirst: true }),
};
