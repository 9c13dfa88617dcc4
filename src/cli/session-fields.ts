import { type Session, SessionStateSchema } from "../../gen/es/sessiond/v1/session_pb.ts";
import { enumWord } from "./enum-word.ts";
import type { Column } from "./table.ts";
import { formatTime } from "./times.ts";

export const sessionColumns: readonly Column<Session>[] = [
  { title: "ID", value: ({ id }) => id },
  { title: "TENANT", value: ({ tenantId }) => tenantId },
  { title: "ACTOR", value: actorOf },
  { title: "STATE", value: stateOf },
  { title: "CREATED", value: ({ createdAt }) => formatTime(createdAt) },
  { title: "LAST SEEN", value: ({ lastSeenAt }) => formatTime(lastSeenAt) },
  { title: "IP ADDRESS", value: ({ ipAddress }) => ipAddress },
  { title: "USER AGENT", value: ({ userAgent }) => userAgent },
];

/** As `--actor` takes it; empty for a session before the login. */
export function actorOf({ actorType, actorId }: Session): string {
  return actorId === "" ? "" : `${actorType}:${actorId}`;
}

function stateOf({ state, preLogin }: Session): string {
  const word = enumWord(SessionStateSchema, state);
  return preLogin ? `${word} (pre-login)` : word;
}

/** What `sessions get` shows. */
export function fieldsOf(session: Session): [string, string][] {
  const { metadata } = session;
  return [
    ["id", session.id],
    ["tenant", session.tenantId],
    ["actor", actorOf(session)],
    ["app type", session.appType],
    ["state", stateOf(session)],
    ["end reason", session.endReason],
    ["created", formatTime(session.createdAt)],
    ["last seen", formatTime(session.lastSeenAt)],
    ["idle deadline", formatTime(session.idleExpiresAt)],
    ["absolute deadline", formatTime(session.absoluteExpiresAt)],
    ["ended", formatTime(session.endedAt)],
    ["revoked by", session.revokedBy],
    ["auth level", String(session.authLevel)],
    ["auth methods", session.authMethods.join(", ")],
    ["authenticated", formatTime(session.authenticatedAt)],
    ["ip address", session.ipAddress],
    ["user agent", session.userAgent],
    ["signing key", session.signingKeyId],
    ...Object.entries(metadata).map(([key, value]): [string, string] => [
      `metadata ${JSON.stringify(key)}`,
      value,
    ]),
  ];
}
