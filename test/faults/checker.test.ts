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
  SessionRecord,
  SweepOperation,
  TouchOperation,
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
