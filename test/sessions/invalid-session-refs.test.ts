import { randomBytes } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { SessionRefSchema } from "../../gen/es/sessiond/v1/session_pb.ts";
import { byCookie, byId, type OpenedSession, openSession } from "../support/actors.ts";
import type { SessionClient } from "../support/app.ts";
import {
  type BadInput,
  type BadInputApp,
  itRefuses,
  startBadInputApp,
} from "../support/bad-input.ts";

type Ref = MessageInitShape<typeof SessionRefSchema>;

const reason = "admin_revoke";
const actingActorId = "operator";

describe("bad input: references to sessions", () => {
  let app: BadInputApp;
  let own: OpenedSession;
  let other: OpenedSession;

  before(async () => {
    app = await startBadInputApp();
    own = await openSession(app.client);
    other = await openSession(app.client);
  });
  after(() => app.stop());

  /** The calls that name a session, by the field in which they do. */
  const calls: Record<string, [string, (client: SessionClient, ref: Ref) => Promise<unknown>]> = {
    Get: ["session", (client, session) => client.get({ session })],
    Touch: ["session", (client, session) => client.touch({ session })],
    ValidateCsrf: [
      "session",
      (client, session) => client.validateCsrf({ session, csrfToken: own.csrfToken }),
    ],
    Revoke: ["session", (client, session) => client.revoke({ session, reason, actingActorId })],
    RotateCsrf: [
      "session",
      (client, value) => client.rotateCsrf({ target: { case: "session", value }, actingActorId }),
    ],
    List: ["current", (client, current) => client.list({ actor: own.actor, current })],
    RevokeAllForActor: [
      "keep",
      (client, keep) => client.revokeAllForActor({ actor: own.actor, keep, reason, actingActorId }),
    ],
    Create: ["replaces", (client, replaces) => client.create({ actor: own.actor, replaces })],
  };

  const badIds: Record<string, () => string> = {
    "that is empty": () => "",
    "of a signing key": () => `sk-${"0".repeat(32)}`,
    "of the actor": () => own.actor.actorId,
    "that is a cookie": () => own.cookie,
    "without prefix": () => own.id.slice(4),
    "that lacks a digit": () => own.id.slice(0, -1),
    "with a digit too many": () => `${own.id}0`,
    "in upper case": () => own.id.toUpperCase(),
    "with a line feed at its end": () => `${own.id}\n`,
    "with a blank before it": () => ` ${own.id}`,
    "with NUL": () => own.id.replace(/.$/, "\0"),
    "that is SQL": () => "' OR ''='",
    "that is a pattern": () => "ses-%",
    "that is a path": () => "../ses-1",
    "that is `undefined`": () => "undefined",
    "of 60 KB": () => "0".repeat(60_000),
  };

  const rows = Object.entries(calls).flatMap(([rpc, [field, call]]): BadInput[] => [
    {
      what: `${rpc} with a ${field} that names nothing`,
      call: (client) => call(client, {}),
      field,
      message: `${field} is required, with a cookie, a cookie_header or a session_id`,
    },
    ...Object.entries(badIds).map(([what, text]) => ({
      what: `${rpc} with a session_id ${what}`,
      call: (client: SessionClient) => call(client, byId(text())),
      field: `${field}.session_id`,
      message: `${field}.session_id must be \`ses-\` and 44 lower-case hexadecimal digits`,
    })),
  ]);
  itRefuses(() => app, rows);

  const emptyTenant =
    "must not be empty: leave it out to accept a session of any tenant, or name the tenant " +
    "(`default` for sessions that were created without one)";
  itRefuses(
    () => app,
    Object.entries(calls).flatMap(([rpc, [field, call]]): BadInput[] => {
      const refused = {
        field: `${field}.tenant_id`,
        message: `${field}.tenant_id ${emptyTenant}`,
      };
      return [
        {
          what: `${rpc} with a cookie and an empty tenant_id`,
          call: (client) => call(client, byCookie(own.cookie, "")),
          ...refused,
        },
        {
          what: `${rpc} with a session_id and an empty tenant_id`,
          call: (client) => call(client, byId(own.id, "")),
          ...refused,
        },
      ];
    }),
  );
  itRefuses(
    () => app,
    [
      {
        // Not the 401 that logs somebody out.
        what: "Validate with an empty tenant_id",
        call: (client) =>
          client.validate({ credential: { case: "cookie", value: own.cookie }, tenantId: "" }),
        field: "tenant_id",
        message: `tenant_id ${emptyTenant}`,
      },
    ],
  );

  const withoutSession: Record<string, (client: SessionClient) => Promise<unknown>> = {
    Get: (client) => client.get({}),
    Touch: (client) => client.touch({}),
    ValidateCsrf: (client) => client.validateCsrf({ csrfToken: own.csrfToken }),
    Revoke: (client) => client.revoke({ reason, actingActorId }),
  };
  itRefuses(
    () => app,
    Object.entries(withoutSession).map(([rpc, call]) => ({
      what: `${rpc} without a session`,
      call,
      field: "session",
      message: "session is required, with a cookie, a cookie_header or a session_id",
    })),
  );

  const unknownId = `ses-${randomBytes(22).toString("hex")}`;
  const cookieMessage = "the session cookie is missing or not valid";
  const named = Object.entries(calls).filter(([rpc]) => rpc !== "Create");
  itRefuses(
    () => app,
    named.flatMap(([rpc, [, call]]): BadInput[] => [
      {
        what: `${rpc} with an id that no session has`,
        call: (client) => call(client, byId(unknownId)),
        reason: "SESSION_NOT_FOUND",
        message: "no session has this id",
      },
      {
        what: `${rpc} with another tenant's id`,
        call: (client) => call(client, byId(own.id, "another-tenant")),
        reason: "SESSION_NOT_FOUND",
        message: "no session has this id",
      },
      {
        what: `${rpc} with a malformed cookie`,
        call: (client) => call(client, byCookie("")),
        reason: "INVALID_COOKIE",
        message: cookieMessage,
      },
      {
        what: `${rpc} with a session_id as its cookie`,
        call: (client) => call(client, byCookie(own.id)),
        reason: "INVALID_COOKIE",
        message: cookieMessage,
      },
      {
        // As in better-auth multi-session, where it revoked others.
        what: `${rpc} with a forged cookie`,
        call: (client) => call(client, byCookie(own.cookie.replace(own.id, other.id))),
        reason: "INVALID_COOKIE",
        message: cookieMessage,
      },
    ]),
  );

  itRefuses(
    () => app,
    [
      {
        what: "RevokeAllForActor that keeps another actor's session",
        call: (client) =>
          client.revokeAllForActor({
            actor: own.actor,
            keep: byId(other.id),
            reason,
            actingActorId,
          }),
        field: "keep",
        message: "keep must be a session of the actor",
      },
    ],
  );
});
