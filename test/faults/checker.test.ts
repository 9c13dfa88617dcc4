import { expect } from "chai";
import { checkHistory } from "./checker.ts";
import type {
  AuditRecord,
  CreateOperation,
  FinalState,
  Operation,
  RevokeAllOperation,
  RevokeOperation,
  RotateCsrfOperation,
  RotateKeyOperation,
  RotateSessionOperation,
  SessionRecord,
  SweepOperation,
  TouchOperation,
  UpdateMetadataOperation,
  ValidateOperation,
} from "./history.ts";

/** The database's clock at time 0 of the suite's. */
const EPOCH = 1_700_000_000_000;
const IDLE_MS = 60_000;
const ABSOLUTE_MS = 100_000;

const CREATED = "auth.session_created";
const REVOKED = "auth.session_revoked";

const base = {
  client: "client",
  replica: "a",
  outcome: "acknowledged" as const,
  code: "OK",
  reason: "",
  retries: false,
};
const during = (from: number, to: number) => ({ invokedAt: from, endedAt: to });

const unknown = { outcome: "unknown" as const, code: "UNAVAILABLE", result: undefined };
const denied = (reason: string, code = "UNAUTHENTICATED") => ({
  outcome: "failed" as const,
  code,
  reason,
  result: undefined,
});

/** Operations are written as differences from one that succeeded; undefined removes a property. */
function made<T extends Operation>(operation: T, overrides: object): T {
  const entries = Object.entries({ ...operation, ...overrides });
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as unknown as T;
}

const sessionTimes = {
  lastSeenAt: EPOCH + 5,
  idleExpiresAt: EPOCH + 5 + IDLE_MS,
  absoluteExpiresAt: EPOCH + 5 + ABSOLUTE_MS,
};

/** From 0 to 10. */
const create = (overrides: object = {}) =>
  made<CreateOperation>(
    {
      ...base,
      ...during(0, 10),
      kind: "create",
      id: "create",
      actorId: "alice",
      result: {
        ...sessionTimes,
        createdAt: EPOCH + 5,
        sessionId: "s",
        csrfHash: "c0",
        replacedSessionId: "",
      },
    },
    overrides,
  );

const validate = (from: number, overrides: object = {}) =>
  made<ValidateOperation>(
    {
      ...base,
      ...during(from, from + 10),
      kind: "validate",
      id: `validate-${from}`,
      sessionId: "s",
      result: { ...sessionTimes, sessionId: "s" },
    },
    overrides,
  );

const touch = (from: number, overrides: object = {}) =>
  made<TouchOperation>(
    {
      ...base,
      ...during(from, from + 10),
      kind: "touch",
      id: `touch-${from}`,
      sessionId: "s",
      result: {
        sessionId: "s",
        touched: true,
        lastSeenAt: EPOCH + from + 5,
        idleExpiresAt: EPOCH + from + 5 + IDLE_MS,
        absoluteExpiresAt: sessionTimes.absoluteExpiresAt,
      },
    },
    overrides,
  );

const revoke = (from: number, overrides: object = {}) =>
  made<RevokeOperation>(
    {
      ...base,
      ...during(from, from + 10),
      kind: "revoke",
      id: `revoke-${from}`,
      sessionId: "s",
      result: { sessionId: "s", revoked: true },
    },
    overrides,
  );

const revokeAll = (from: number, overrides: object = {}) =>
  made<RevokeAllOperation>(
    {
      ...base,
      ...during(from, from + 10),
      kind: "revoke_all",
      id: `revoke-all-${from}`,
      actorId: "alice",
      result: { count: 1 },
    },
    overrides,
  );

const rotateCsrf = (from: number, csrfHash: string, overrides: object = {}) =>
  made<RotateCsrfOperation>(
    {
      ...base,
      ...during(from, from + 10),
      kind: "rotate_csrf",
      id: `rotate-csrf-${from}`,
      sessionId: "s",
      result: { sessionId: "s", csrfHash },
    },
    overrides,
  );

/** Of `s` into `s2`, without a grace. */
const rotateSession = (from: number, overrides: object = {}) =>
  made<RotateSessionOperation>(
    {
      ...base,
      ...during(from, from + 10),
      kind: "rotate_session",
      id: `rotate-session-${from}`,
      sessionId: "s",
      actorId: "alice",
      graceMs: 0,
      result: {
        lastSeenAt: EPOCH + from + 5,
        idleExpiresAt: EPOCH + from + 5 + IDLE_MS,
        absoluteExpiresAt: sessionTimes.absoluteExpiresAt,
        sessionId: "s",
        successorId: "s2",
        csrfHash: "c2",
      },
    },
    overrides,
  );

/** Of version 1, into version 2. */
const updateMetadata = (from: number, overrides: object = {}) =>
  made<UpdateMetadataOperation>(
    {
      ...base,
      ...during(from, from + 10),
      kind: "update_metadata",
      id: `update-metadata-${from}`,
      sessionId: "s",
      etag: "1",
      result: { ...sessionTimes, sessionId: "s", etag: "2" },
    },
    overrides,
  );

const mismatch = denied("METADATA_ETAG_MISMATCH", "ABORTED");

/** The result of a call with the cookie of `s` that was accepted for `s2`. */
const asSuccessor = { result: { ...sessionTimes, sessionId: "s2" } };

const rotateKey = (from: number, activeKeyId: string, overrides: object = {}) =>
  made<RotateKeyOperation>(
    {
      ...base,
      ...during(from, from + 10),
      kind: "rotate_key",
      id: `rotate-key-${from}`,
      tenantId: "default",
      result: { activeKeyId, retiredKeyId: "k0" },
    },
    overrides,
  );

const sweep: SweepOperation = {
  ...base,
  ...during(150_000, 150_010),
  kind: "sweep",
  id: "sweep",
  result: { sessionsDeleted: 1 },
};

const row = (overrides: Partial<SessionRecord> = {}): SessionRecord => ({
  id: "s",
  createdBy: "create",
  actorId: "alice",
  lastSeenAt: EPOCH + 5,
  idleTimeoutMs: IDLE_MS,
  absoluteExpiresAt: sessionTimes.absoluteExpiresAt,
  revokedAt: undefined,
  revokeReason: "",
  revokedBy: "",
  csrfHash: "c0",
  rotatedTo: "",
  metadataVersion: 1,
  updatedBy: "",
  ...overrides,
});

const revokedRow = (revokedBy: string, overrides: Partial<SessionRecord> = {}) =>
  row({ revokedAt: EPOCH + 25, revokeReason: "logout", revokedBy, ...overrides });

const event = (
  action: string,
  actingActorId: string,
  resourceId = "s",
  details: AuditRecord["details"] = {},
): AuditRecord => ({ action, actingActorId, resourceId, details });

const createdEvent = event(CREATED, "alice");
const revokedEvent = (by: string) => event(REVOKED, by, "s", { reason: "logout" });
const allRevokedEvent = (by: string, count: number) =>
  event("auth.sessions_revoked_for_actor", by, "alice", { count: String(count) });
const csrfEvent = (by: string) => event("auth.session_csrf_rotated", by);
const keyEvent = (by: string, id: string, retired: string) =>
  event("auth.session_signing_key_rotated", by, id, { retired_key_id: retired });
const firstKeyEvent = event("auth.session_signing_key_bootstrap", "", "k0");

const updatedEvent = (by: string, id = "s") => event("auth.session_metadata_updated", by, id);
const rotatedEvents = (by: string, graceMs = 0, successor = "s2"): readonly AuditRecord[] => [
  event(REVOKED, by, "s", { reason: "rotated", rotated_to: successor }),
  event("auth.session_rotated", by, successor, { rotated_from: "s", grace_ms: String(graceMs) }),
];
const rotatedRow = (by: string, overrides: Partial<SessionRecord> = {}) =>
  revokedRow(by, { revokeReason: "rotated", rotatedTo: "s2", ...overrides });
const successorRow = (overrides: Partial<SessionRecord> = {}) =>
  row({ id: "s2", lastSeenAt: EPOCH + 25, csrfHash: "c2", ...overrides });

const final = (
  sessions: readonly SessionRecord[],
  audit: readonly AuditRecord[],
  overrides: Partial<FinalState> = {},
): FinalState => ({
  sessions,
  audit,
  signingKeys: [],
  readAt: EPOCH + 50_000,
  clockOffset: { min: EPOCH, max: EPOCH },
  ...overrides,
});

const live = final([row()], [createdEvent]);
const revokedBy = (id: string) => final([revokedRow(id)], [createdEvent, revokedEvent(id)]);

/** After the rotation from 20 to 30. */
const rotated = (graceMs = 0) =>
  final(
    [rotatedRow("rotate-session-20"), successorRow()],
    [createdEvent, ...rotatedEvents("rotate-session-20", graceMs)],
  );
/** After a rotation with a grace of one second, and a Revoke of its successor from 40 on. */
const rotatedAndRevoked = final(
  [
    rotatedRow("rotate-session-20"),
    successorRow({ revokedAt: EPOCH + 45, revokeReason: "logout", revokedBy: "revoke-40" }),
  ],
  [
    createdEvent,
    ...rotatedEvents("rotate-session-20", 1000),
    event(REVOKED, "revoke-40", "s2", { reason: "logout" }),
  ],
);
const successorRevoked = (from: number) =>
  revoke(from, { sessionId: "s2", result: { sessionId: "s2", revoked: true } });

/** Alice's sessions of the ids, with their Creates and audit events. */
const sessionsOfAlice = (...ids: readonly string[]) => ({
  operations: ids.map((id) =>
    create({ id: `create-${id}`, result: { ...create().result, sessionId: id } }),
  ),
  rows: ids.map((id) => row({ id, createdBy: `create-${id}` })),
  events: ids.map((id) => event(CREATED, "alice", id)),
});
const two = sessionsOfAlice("s", "s2");

/** A Create from 20 to 30 that was asked to replace `s`, and says that it has replaced nothing. */
const createInsteadOf = (overrides: object = {}) =>
  create({
    ...during(20, 30),
    id: "successor",
    replaces: "s",
    result: { ...create().result, createdAt: EPOCH + 25, sessionId: "s3" },
    ...overrides,
  });
const notReplaced = final(
  [row(), row({ id: "s3", createdBy: "successor" })],
  [createdEvent, event(CREATED, "alice", "s3")],
);

const rulesOf = (operations: readonly Operation[], finalState: FinalState) =>
  checkHistory(operations, finalState).map(({ rule }) => rule);

/** The rules that a history violates; each of them once. */
interface Case {
  readonly title: string;
  readonly operations: readonly Operation[];
  readonly final: FinalState;
  readonly rules: readonly string[];
}

describe("the checker of the fault suite", () => {
  const good: readonly Omit<Case, "rules">[] = [
    { title: "nothing", operations: [], final: final([], []) },
    {
      title: "a session that is created, used and touched",
      operations: [create(), validate(20), touch(40)],
      final: final([row({ lastSeenAt: EPOCH + 45 })], [createdEvent]),
    },
    {
      title: "a Create of unknown outcome that was done",
      operations: [create(unknown)],
      final: live,
    },
    {
      title: "a Create of unknown outcome that was not done",
      operations: [create(unknown)],
      final: final([], []),
    },
    {
      title: "a revoked session that is denied",
      operations: [create(), revoke(20), validate(40, denied("REVOKED"))],
      final: revokedBy("revoke-20"),
    },
    {
      title: "a Validate that overlaps the Revoke, with either result",
      operations: [
        create(),
        revoke(20),
        validate(15),
        validate(25),
        validate(26, denied("REVOKED")),
      ],
      final: revokedBy("revoke-20"),
    },
    {
      title: "a Revoke of unknown outcome that was done",
      operations: [create(), revoke(20, unknown), validate(40, denied("REVOKED"))],
      final: revokedBy("revoke-20"),
    },
    {
      title: "a Revoke of unknown outcome that was done later than it was given up",
      operations: [create(), revoke(20, unknown), validate(40), validate(60, denied("REVOKED"))],
      final: revokedBy("revoke-20"),
    },
    {
      title: "a second Revoke, which changes nothing",
      operations: [
        create(),
        revoke(20),
        revoke(40, { result: { sessionId: "s", revoked: false } }),
      ],
      final: revokedBy("revoke-20"),
    },
    {
      title: "a RevokeAllForActor",
      operations: [create(), revokeAll(20), validate(40, denied("REVOKED"))],
      final: final(
        [revokedRow("revoke-all-20")],
        [createdEvent, revokedEvent("revoke-all-20"), allRevokedEvent("revoke-all-20", 1)],
      ),
    },
    {
      title: "a replaced session",
      operations: [
        create(),
        create({
          ...during(20, 30),
          id: "successor",
          replaces: "s",
          result: {
            ...create().result,
            createdAt: EPOCH + 25,
            sessionId: "s2",
            replacedSessionId: "s",
          },
        }),
        validate(40, denied("REVOKED")),
      ],
      final: final(
        [
          revokedRow("alice", { revokeReason: "replaced" }),
          row({ id: "s2", createdBy: "successor" }),
        ],
        [
          createdEvent,
          event(CREATED, "alice", "s2"),
          event(REVOKED, "alice", "s", { reason: "replaced", replaced_by: "s2" }),
        ],
      ),
    },
    {
      title: "a rotated CSRF token",
      operations: [
        create(),
        rotateCsrf(20, "c1"),
        validate(40, { csrfHash: "c1" }),
        validate(60, { csrfHash: "c0", ...denied("CSRF_MISMATCH", "PERMISSION_DENIED") }),
      ],
      final: final([row({ csrfHash: "c1" })], [createdEvent, csrfEvent("rotate-csrf-20")]),
    },
    {
      title: "a CSRF token of a rotation whose answer was lost",
      operations: [
        create(),
        rotateCsrf(20, "c1", unknown),
        validate(60, { csrfHash: "c0", ...denied("CSRF_MISMATCH", "PERMISSION_DENIED") }),
      ],
      final: final([row({ csrfHash: "c1" })], [createdEvent, csrfEvent("rotate-csrf-20")]),
    },
    {
      title: "a rotated signing key",
      operations: [rotateKey(20, "k1")],
      final: final([], [firstKeyEvent, keyEvent("rotate-key-20", "k1", "k0")], {
        signingKeys: [
          { id: "k0", tenantId: "default", isActive: false },
          { id: "k1", tenantId: "default", isActive: true },
        ],
      }),
    },
    {
      title: "a rotated session, whose cookie is denied and whose successor is accepted",
      operations: [
        create(),
        rotateSession(20),
        validate(40, denied("REVOKED")),
        validate(40, { ...asSuccessor, sessionId: "s2" }),
      ],
      final: rotated(),
    },
    {
      title: "a rotation of unknown outcome that was done",
      operations: [create(), rotateSession(20, unknown), validate(40, denied("REVOKED"))],
      final: rotated(),
    },
    {
      title: "a rotation of unknown outcome that was not done",
      operations: [create(), rotateSession(20, unknown), validate(40)],
      final: live,
    },
    {
      title: "an old cookie that is accepted for the successor until the grace ends",
      operations: [
        create(),
        rotateSession(20, { graceMs: 1000 }),
        validate(1000, asSuccessor),
        validate(1050, denied("REVOKED")),
      ],
      final: rotated(1000),
    },
    {
      title: "an old cookie that is denied within its grace, because its successor was revoked",
      operations: [
        create(),
        rotateSession(20, { graceMs: 1000 }),
        successorRevoked(40),
        validate(60, denied("REVOKED")),
      ],
      final: rotatedAndRevoked,
    },
    {
      title: "a Revoke by an old cookie without a grace, which ends nothing",
      operations: [
        create(),
        rotateSession(20),
        revoke(40, { result: { sessionId: "s", revoked: false } }),
        validate(60, { ...asSuccessor, sessionId: "s2" }),
      ],
      final: rotated(),
    },
    {
      title: "an updated version of the metadata, and one that is refused afterwards",
      operations: [create(), updateMetadata(20), updateMetadata(40, mismatch)],
      final: final(
        [row({ metadataVersion: 2, updatedBy: "update-metadata-20" })],
        [createdEvent, updatedEvent("update-metadata-20")],
      ),
    },
    {
      title: "an update that is refused because one of unknown outcome was done",
      operations: [create(), updateMetadata(20, unknown), updateMetadata(40, mismatch)],
      final: final(
        [row({ metadataVersion: 2, updatedBy: "update-metadata-20" })],
        [createdEvent, updatedEvent("update-metadata-20")],
      ),
    },
    {
      title: "an update that the successor of a rotation has inherited",
      operations: [create(), updateMetadata(12), rotateSession(24)],
      final: final(
        [
          rotatedRow("rotate-session-24", { metadataVersion: 2, updatedBy: "update-metadata-12" }),
          successorRow({ metadataVersion: 2, updatedBy: "update-metadata-12" }),
        ],
        [createdEvent, updatedEvent("update-metadata-12"), ...rotatedEvents("rotate-session-24")],
      ),
    },
    {
      title: "as many live sessions as the limit, and an older one that was revoked for it",
      operations: [...two.operations, ...sessionsOfAlice("s3").operations],
      final: final(
        [
          revokedRow("alice", { createdBy: "create-s", revokeReason: "session_limit" }),
          ...two.rows.slice(1),
          ...sessionsOfAlice("s3").rows,
        ],
        [
          ...two.events,
          ...sessionsOfAlice("s3").events,
          event(REVOKED, "alice", "s", { reason: "session_limit" }),
        ],
        { maxSessionsPerActor: 2 },
      ),
    },
    {
      title: "a RevokeAllForActor that keeps a session, and revokes the other one",
      operations: [
        ...two.operations,
        revokeAll(20, { keep: "s2" }),
        validate(40, denied("REVOKED")),
        validate(40, { ...asSuccessor, sessionId: "s2" }),
      ],
      final: final(
        [revokedRow("revoke-all-20", { createdBy: "create-s" }), ...two.rows.slice(1)],
        [...two.events, revokedEvent("revoke-all-20"), allRevokedEvent("revoke-all-20", 1)],
      ),
    },
    {
      title: "a RevokeAllForActor whose session to keep was rotated before, and that keeps nothing",
      operations: [
        create(),
        rotateSession(12),
        revokeAll(40, { keep: "s" }),
        validate(60, { ...denied("REVOKED"), sessionId: "s2" }),
      ],
      final: final(
        [
          rotatedRow("rotate-session-12"),
          successorRow({
            revokedAt: EPOCH + 45,
            revokeReason: "logout",
            revokedBy: "revoke-all-40",
          }),
        ],
        [
          createdEvent,
          ...rotatedEvents("rotate-session-12"),
          event(REVOKED, "revoke-all-40", "s2", { reason: "logout" }),
          allRevokedEvent("revoke-all-40", 1),
        ],
      ),
    },
    {
      title: "a Create that had to replace a session, and whose outcome is unknown",
      operations: [create(), createInsteadOf(unknown), validate(40)],
      final: live,
    },
    {
      title: "an expired session that is denied and swept",
      operations: [
        create(),
        validate(70_000, denied("EXPIRED_IDLE")),
        validate(101_000, denied("EXPIRED_ABSOLUTE")),
        sweep,
        validate(160_000, denied("INVALID_COOKIE")),
      ],
      final: final([], [createdEvent], { readAt: EPOCH + 200_000 }),
    },
  ];
  for (const { title, operations, final } of good) {
    it(`accepts ${title}`, () => {
      expect(checkHistory(operations, final)).to.deep.equal([]);
    });
  }

  const bad: readonly Case[] = [
    {
      title: "an acknowledged Create without its session",
      operations: [create()],
      final: final([], [createdEvent]),
      rules: ["acknowledged Create lost"],
    },
    {
      title: "an acknowledged Create without its audit event",
      operations: [create()],
      final: final([row()], []),
      rules: ["audit of Create", "audit of Create"],
    },
    {
      title: "a Create of unknown outcome that left a session without its audit event",
      operations: [create(unknown)],
      final: final([row()], []),
      rules: ["audit of Create"],
    },
    {
      title: "a Create of unknown outcome that left an audit event without its session",
      operations: [create(unknown)],
      final: final([], [createdEvent]),
      rules: ["audit without a session"],
    },
    {
      title: "a Create that was done twice",
      operations: [create(unknown)],
      final: final([row(), row({ id: "s2" })], [createdEvent, event(CREATED, "alice", "s2")]),
      rules: ["Create done twice"],
    },
    {
      title: "a Create that was refused and done",
      operations: [create(denied("OVERLOADED", "RESOURCE_EXHAUSTED"))],
      final: live,
      rules: ["refused Create done"],
    },
    {
      title: "a session that nobody has created",
      operations: [],
      final: live,
      rules: ["session out of nowhere"],
    },
    {
      title: "a live session that was swept",
      operations: [create(), sweep],
      final: final([], [createdEvent]),
      rules: ["acknowledged Create lost"],
    },
    {
      title: "an acknowledged Revoke that was not done",
      operations: [create(), revoke(20)],
      final: live,
      rules: ["audit of revoke", "acknowledged Revoke lost"],
    },
    {
      title: "an acknowledged Revoke without its audit event",
      operations: [create(), revoke(20)],
      final: final([revokedRow("revoke-20")], [createdEvent]),
      rules: ["audit of Revoke", "audit of revoke"],
    },
    {
      title: "two Revokes that both ended the session",
      operations: [create(), revoke(20), revoke(40)],
      final: revokedBy("revoke-20"),
      rules: ["audit of revoke"],
    },
    {
      title: "a Revoke that was refused and done",
      operations: [create(), revoke(20, denied("OVERLOADED", "RESOURCE_EXHAUSTED"))],
      final: revokedBy("revoke-20"),
      rules: ["audit of revoke"],
    },
    {
      title: "a Revoke whose audit names another actor",
      operations: [create(), revoke(20, unknown), revoke(40, unknown)],
      final: final([revokedRow("revoke-20")], [createdEvent, revokedEvent("revoke-40")]),
      rules: ["audit of Revoke"],
    },
    {
      title: "a Validate on another replica that began after an acknowledged Revoke",
      operations: [create(), revoke(20), validate(31, { replica: "b" })],
      final: revokedBy("revoke-20"),
      rules: ["validate accepted after the session was revoked"],
    },
    {
      title: "a Validate after a Revoke that found the session ended",
      operations: [
        create(),
        revoke(20, unknown),
        revoke(40, { result: { sessionId: "s", revoked: false } }),
        validate(60),
      ],
      final: revokedBy("revoke-20"),
      rules: ["validate accepted after the session was revoked"],
    },
    {
      title: "a Validate after another one was told that the session is revoked",
      operations: [create(), revoke(20, unknown), validate(40, denied("REVOKED")), validate(60)],
      final: revokedBy("revoke-20"),
      rules: ["validate accepted after the session was revoked"],
    },
    {
      title: "a Touch that revives a revoked session",
      operations: [create(), revoke(20), touch(40)],
      final: final(
        [revokedRow("revoke-20", { lastSeenAt: EPOCH + 45 })],
        [createdEvent, revokedEvent("revoke-20")],
      ),
      rules: ["touch accepted after the session was revoked"],
    },
    {
      title: "a Validate after an acknowledged RevokeAllForActor, which was done in part",
      operations: [create(), revokeAll(20), validate(40)],
      final: final([row()], [createdEvent, allRevokedEvent("revoke-all-20", 1)]),
      rules: [
        "RevokeAllForActor half done",
        "RevokeAllForActor half done",
        "acknowledged RevokeAllForActor lost",
        "validate accepted after the session was revoked",
      ],
    },
    {
      title: "a replaced session without its successor",
      operations: [create(), create({ ...unknown, id: "successor", replaces: "s" })],
      final: final(
        [revokedRow("alice", { revokeReason: "replaced" })],
        [createdEvent, event(REVOKED, "alice", "s", { reason: "replaced", replaced_by: "s2" })],
      ),
      rules: ["Create half done"],
    },
    {
      title: "a session that is denied though nobody has revoked it",
      operations: [create(), validate(20, denied("REVOKED"))],
      final: live,
      rules: ["live session denied", "revocation undone"],
    },
    {
      title: "a session that is denied before somebody revokes it",
      operations: [create(), validate(20, denied("REVOKED")), revoke(40)],
      final: revokedBy("revoke-40"),
      rules: ["live session denied"],
    },
    {
      title: "a revocation that somebody has seen and that is gone",
      operations: [create(), revoke(20, unknown), validate(40, denied("REVOKED"))],
      final: live,
      rules: ["revocation undone"],
    },
    {
      title: "a genuine cookie whose key is not found",
      operations: [create(), validate(20, denied("SIGNING_KEY_NOT_FOUND"))],
      final: live,
      rules: ["genuine cookie denied"],
    },
    {
      title: "the response of another session",
      operations: [create(), validate(20, { result: { ...sessionTimes, sessionId: "s2" } })],
      final: live,
      rules: ["response of another session"],
    },
    {
      title: "an internal error",
      operations: [create(), validate(20, { ...unknown, code: "INTERNAL" })],
      final: live,
      rules: ["unexpected code"],
    },
    {
      title: "an acknowledged rotation of the CSRF token that was lost",
      operations: [create(), rotateCsrf(20, "c1")],
      final: final([row()], [createdEvent, csrfEvent("rotate-csrf-20")]),
      rules: ["acknowledged RotateCsrf lost"],
    },
    {
      title: "a rotation of the CSRF token without its audit event",
      operations: [create(), rotateCsrf(20, "c1")],
      final: final([row({ csrfHash: "c1" })], [createdEvent]),
      rules: ["audit of rotate_csrf"],
    },
    {
      title: "an old CSRF token that is accepted",
      operations: [create(), rotateCsrf(20, "c1"), validate(40, { csrfHash: "c0" })],
      final: final([row({ csrfHash: "c1" })], [createdEvent, csrfEvent("rotate-csrf-20")]),
      rules: ["old CSRF token accepted"],
    },
    {
      title: "the current CSRF token that is denied",
      operations: [
        create(),
        rotateCsrf(20, "c1"),
        validate(40, { csrfHash: "c1", ...denied("CSRF_MISMATCH", "PERMISSION_DENIED") }),
      ],
      final: final([row({ csrfHash: "c1" })], [createdEvent, csrfEvent("rotate-csrf-20")]),
      rules: ["current CSRF token denied"],
    },
    {
      title: "an acknowledged rotation of a session that was lost",
      operations: [create(), rotateSession(20), validate(40, denied("REVOKED"))],
      final: live,
      rules: [
        "revocation undone",
        "audit of rotate_session",
        "acknowledged RotateSession lost",
        "RotateSession half done",
      ],
    },
    {
      title: "a rotation that left no successor",
      operations: [create(), rotateSession(20)],
      final: final(
        [rotatedRow("rotate-session-20")],
        [createdEvent, ...rotatedEvents("rotate-session-20")],
      ),
      rules: ["acknowledged RotateSession lost"],
    },
    {
      title: "a rotation of unknown outcome that left both sessions live",
      operations: [create(), rotateSession(20, unknown)],
      final: final(
        [row({ rotatedTo: "s2" }), successorRow()],
        [createdEvent, ...rotatedEvents("rotate-session-20").slice(1)],
      ),
      rules: ["RotateSession half done", "two live successors"],
    },
    {
      title: "two rotations of one session that were both acknowledged, and two live successors",
      operations: [
        create(),
        rotateSession(20),
        rotateSession(25, { result: { ...rotateSession(25).result, successorId: "s3" } }),
      ],
      final: final(
        [rotatedRow("rotate-session-20"), successorRow(), successorRow({ id: "s3" })],
        [
          createdEvent,
          ...rotatedEvents("rotate-session-20"),
          ...rotatedEvents("rotate-session-25", 0, "s3").slice(1),
        ],
      ),
      rules: ["RotateSession half done", "two live successors"],
    },
    {
      title: "an old cookie that is accepted as before after an acknowledged rotation",
      operations: [create(), rotateSession(20), validate(40)],
      final: rotated(),
      rules: ["validate accepted after the session was revoked"],
    },
    {
      title: "an old cookie that is accepted for the successor without a grace",
      operations: [create(), rotateSession(20), validate(40, asSuccessor)],
      final: rotated(),
      rules: ["old cookie accepted without a grace"],
    },
    {
      title: "an old cookie that is accepted for the successor after the grace",
      operations: [create(), rotateSession(20, { graceMs: 1000 }), validate(1031, asSuccessor)],
      final: rotated(1000),
      rules: ["old cookie accepted after its grace"],
    },
    {
      title: "an old cookie that is denied within its grace",
      operations: [
        create(),
        rotateSession(20, { graceMs: 1000 }),
        validate(1000, denied("REVOKED")),
      ],
      final: rotated(1000),
      rules: ["old cookie denied within its grace"],
    },
    {
      title: "a Revoke by an old cookie within its grace that leaves the successor live",
      operations: [
        create(),
        rotateSession(20, { graceMs: 1000 }),
        revoke(40, { result: { sessionId: "s", revoked: false } }),
        validate(60, { ...asSuccessor, sessionId: "s2" }),
      ],
      final: rotated(1000),
      rules: ["acknowledged Revoke lost", "validate accepted after the session was revoked"],
    },
    {
      title:
        "a Revoke that found the session live before the rotation, and leaves its successor live",
      operations: [
        create(),
        rotateSession(20),
        revoke(22, { foundLive: true, result: { sessionId: "s", revoked: false } }),
      ],
      final: rotated(),
      rules: ["acknowledged Revoke lost"],
    },
    {
      title: "a rotation that moves the absolute deadline",
      operations: [create(), rotateSession(20, unknown)],
      final: final(
        [rotatedRow("rotate-session-20"), successorRow({ absoluteExpiresAt: EPOCH + 200_000 })],
        [createdEvent, ...rotatedEvents("rotate-session-20")],
      ),
      rules: ["absolute deadline moved"],
    },
    {
      title: "an acknowledged update of the metadata that was lost",
      operations: [create(), updateMetadata(20)],
      final: live,
      rules: ["audit of update_metadata", "acknowledged UpdateMetadata lost"],
    },
    {
      title: "an acknowledged update that another one with the same version has overwritten",
      operations: [create(), updateMetadata(20), updateMetadata(25, unknown)],
      final: final(
        [row({ metadataVersion: 2, updatedBy: "update-metadata-25" })],
        [createdEvent, updatedEvent("update-metadata-20")],
      ),
      rules: ["acknowledged UpdateMetadata lost"],
    },
    {
      title: "an update that the successor of a rotation has not inherited",
      operations: [create(), updateMetadata(12), rotateSession(24)],
      final: final(
        [
          rotatedRow("rotate-session-24", { metadataVersion: 2, updatedBy: "update-metadata-12" }),
          successorRow(),
        ],
        [createdEvent, updatedEvent("update-metadata-12"), ...rotatedEvents("rotate-session-24")],
      ),
      rules: ["acknowledged UpdateMetadata lost", "UpdateMetadata half done"],
    },
    {
      title: "two updates with one etag that have both succeeded",
      operations: [
        create(),
        updateMetadata(20),
        updateMetadata(25, { result: { ...updateMetadata(25).result, etag: "3" } }),
      ],
      final: final(
        [row({ metadataVersion: 3, updatedBy: "update-metadata-25" })],
        [createdEvent, updatedEvent("update-metadata-20"), updatedEvent("update-metadata-25")],
      ),
      rules: ["two updates with one etag"],
    },
    {
      title: "two updates that have made the same version",
      operations: [create(), updateMetadata(20), updateMetadata(25, { etag: "" })],
      final: final(
        [row({ metadataVersion: 3, updatedBy: "update-metadata-25" })],
        [createdEvent, updatedEvent("update-metadata-20"), updatedEvent("update-metadata-25")],
      ),
      rules: ["two updates made one version"],
    },
    {
      title: "the current version of the metadata that is refused",
      operations: [create(), updateMetadata(20, mismatch), updateMetadata(40)],
      final: final(
        [row({ metadataVersion: 2, updatedBy: "update-metadata-40" })],
        [createdEvent, updatedEvent("update-metadata-40")],
      ),
      rules: ["current etag refused"],
    },
    {
      title: "more live sessions than the limit",
      operations: two.operations,
      final: final(two.rows, two.events, { maxSessionsPerActor: 1 }),
      rules: ["more live sessions than the limit"],
    },
    {
      title: "a session that is accepted after a RevokeAllForActor that has kept another one",
      operations: [
        ...two.operations,
        revokeAll(20, { keep: "s2", result: { count: 0 } }),
        validate(40),
      ],
      final: final(two.rows, [...two.events, allRevokedEvent("revoke-all-20", 0)]),
      rules: [
        "acknowledged RevokeAllForActor lost",
        "validate accepted after the session was revoked",
      ],
    },
    {
      title: "a RevokeAllForActor that revokes the session to keep",
      operations: [create(), revokeAll(20, { keep: "s" })],
      final: final(
        [revokedRow("revoke-all-20")],
        [createdEvent, revokedEvent("revoke-all-20"), allRevokedEvent("revoke-all-20", 1)],
      ),
      rules: ["kept session revoked"],
    },
    {
      title: "a session that is accepted after a Create that had to replace it",
      operations: [create(), createInsteadOf(), validate(40)],
      final: notReplaced,
      rules: ["acknowledged replacement lost", "validate accepted after the session was revoked"],
    },
    {
      title: "a Create that had to replace a session in its grace, and leaves its successor live",
      operations: [create(), rotateSession(12, { graceMs: 1000 }), createInsteadOf(during(24, 34))],
      final: final(
        [
          rotatedRow("rotate-session-12"),
          successorRow(),
          row({ id: "s3", createdBy: "successor" }),
        ],
        [createdEvent, ...rotatedEvents("rotate-session-12", 1000), event(CREATED, "alice", "s3")],
      ),
      rules: ["acknowledged replacement lost"],
    },
    {
      title: "two active signing keys",
      operations: [],
      final: final([], [firstKeyEvent, event(firstKeyEvent.action, "", "k1")], {
        signingKeys: [
          { id: "k0", tenantId: "default", isActive: true },
          { id: "k1", tenantId: "default", isActive: true },
        ],
      }),
      rules: ["one active signing key"],
    },
    {
      title: "a signing key that two rotations have retired",
      operations: [],
      final: final([], [firstKeyEvent, keyEvent("x", "k1", "k0"), keyEvent("y", "k2", "k0")], {
        signingKeys: [
          { id: "k0", tenantId: "default", isActive: false },
          { id: "k1", tenantId: "default", isActive: false },
          { id: "k2", tenantId: "default", isActive: true },
        ],
      }),
      rules: ["signing key retired twice"],
    },
    {
      title: "an acknowledged rotation of the signing key that was lost",
      operations: [rotateKey(20, "k1")],
      final: final([], [firstKeyEvent], {
        signingKeys: [{ id: "k0", tenantId: "default", isActive: true }],
      }),
      rules: ["audit of rotate_key", "acknowledged RotateSigningKey lost"],
    },
    {
      title: "a Touch that was lost",
      operations: [create(), touch(20)],
      final: live,
      rules: ["acknowledged Touch lost"],
    },
    {
      title: "a session of another clock than the database's",
      operations: [create({ result: { ...create().result, createdAt: EPOCH + 300_000 } })],
      final: live,
      rules: ["another clock than the database's"],
    },
    {
      title: "an expired session that is accepted",
      operations: [create(), validate(60_010)],
      final: live,
      rules: ["expired session accepted"],
    },
    {
      title: "an expired session that is revived by a touch",
      operations: [create(), touch(60_010)],
      final: final([row({ lastSeenAt: EPOCH + 60_015 })], [createdEvent]),
      rules: ["expired session revived"],
    },
    {
      title: "a session that expires early, by its absolute and by its idle deadline",
      operations: [
        create(),
        touch(20),
        validate(60_010, denied("EXPIRED_IDLE")),
        validate(99_000, denied("EXPIRED_ABSOLUTE")),
      ],
      final: final([row({ lastSeenAt: EPOCH + 25 })], [createdEvent]),
      rules: ["session expired early", "session expired early"],
    },
    {
      title: "a touch that moves the absolute deadline",
      operations: [
        create(),
        touch(20, {
          result: { ...touch(20).result, absoluteExpiresAt: EPOCH + 2 * ABSOLUTE_MS },
        }),
      ],
      final: final([row({ lastSeenAt: EPOCH + 25 })], [createdEvent]),
      rules: ["absolute deadline moved"],
    },
  ];
  for (const { title, operations, final, rules } of bad) {
    it(`reports ${title}`, () => {
      expect(rulesOf(operations, final)).to.deep.equal(rules);
    });
  }

  it("names the operations with times, replica and outcome", () => {
    const [found] = checkHistory([create(), revoke(20), validate(31)], revokedBy("revoke-20"));
    expect(found?.operations).to.deep.equal([
      "revoke-20 revoke s by client on a, 20.0–30.0 ms: acknowledged",
      "validate-31 validate s by client on a, 31.0–41.0 ms: acknowledged",
    ]);
  });
});
