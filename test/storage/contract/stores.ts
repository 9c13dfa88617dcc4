import { createHash, randomUUID } from "node:crypto";
import type { AuditQuery, AuditStore } from "../../../src/session/audit-store.ts";
import type { CallContext } from "../../../src/session/call-context.ts";
import {
  mintSessionId,
  mintSigningKeyId,
  mintTokenKeyId,
  type SessionId,
  type SigningKeyId,
  secureRandomBytes,
  type TenantId,
} from "../../../src/session/ids.ts";
import type { SessionLimit } from "../../../src/session/policy.ts";
import type { Actor, Session } from "../../../src/session/session.ts";
import type {
  CreateOutcome,
  NewSession,
  Rotation,
  SessionStore,
} from "../../../src/session/session-store.ts";
import type { NewSigningKey } from "../../../src/session/signing-key.ts";
import type { SigningKeyStore } from "../../../src/session/signing-key-store.ts";
import type { SweepStore } from "../../../src/session/sweep-store.ts";
import type { NewTokenKey } from "../../../src/session/token-key.ts";
import type { TokenKeyStore } from "../../../src/session/token-key-store.ts";

/** An implementation of the storage, as the suites use it. */
export interface Stores {
  readonly sessions: SessionStore;
  readonly signingKeys: SigningKeyStore;
  readonly tokenKeys: TokenKeyStore;
  readonly audit: AuditStore;
  readonly sweep: SweepStore;
  /** The storage's clock, in milliseconds. */
  now(): Promise<number>;
  /** Puts all instants of a session that far into the past. */
  ageSession(id: SessionId, ms: number): Promise<void>;
  /** Puts all instants of a tenant's signing keys that far into the past. */
  ageSigningKeys(tenantId: TenantId, ms: number): Promise<void>;
  /** Puts all instants of all token keys that far into the past. */
  ageTokenKeys(ms: number): Promise<void>;
  /** They are of no tenant, so that each test begins without any. */
  deleteTokenKeys(): Promise<void>;
  /** Puts all audit events that there are that far into the past. */
  ageAudit(ms: number): Promise<void>;
  close(): Promise<void>;
}

/** A suite gets the stores when its tests run, not before. */
export type Given = () => Stores;

export const context: CallContext = { signal: undefined, callingService: "contract" };
export const noLimit: SessionLimit = { maxPerActor: 0, policy: "reject" };
export const revocation = { reason: "admin_revoke", revokedBy: "root" };

export const HOUR = 3_600_000;

export function newTenant(): TenantId {
  return `tenant-${randomUUID()}` as TenantId;
}

export function newKey(tenantId: TenantId): NewSigningKey {
  const id = mintSigningKeyId(secureRandomBytes);
  const ciphertext = secureRandomBytes(60);
  return { id, tenantId, encrypted: { ciphertext, keyEncryptionKeyId: "0123456789abcdef" } };
}

export function newTokenKey(algorithm: NewTokenKey["algorithm"] = "ES256"): NewTokenKey {
  const ciphertext = secureRandomBytes(60);
  const encrypted = { ciphertext, keyEncryptionKeyId: "0123456789abcdef" };
  return { id: mintTokenKeyId(secureRandomBytes), algorithm, encrypted };
}

/** A tenant's first signing key, of which sessions and rotations are unless another one is given. */
export function firstKey(tenantId: TenantId): NewSigningKey {
  const id = `sk-${createHash("md5").update(tenantId).digest("hex")}` as SigningKeyId;
  return { ...newKey(tenantId), id };
}

/** A tenant that has a signing key. */
export async function tenantWithKey(stores: Stores): Promise<TenantId> {
  const tenantId = newTenant();
  await stores.signingKeys.insertFirst(firstKey(tenantId), context);
  return tenantId;
}

export function newSession(tenantId: TenantId, facts: Partial<NewSession> = {}): NewSession {
  return {
    id: mintSessionId(secureRandomBytes, Date.now()),
    tenantId,
    actorType: "user",
    actorId: "alice",
    appType: "control_panel",
    preLogin: false,
    idleTimeoutMs: HOUR,
    absoluteTimeoutMs: 12 * HOUR,
    ipAddress: "192.0.2.1",
    userAgent: "agent 😀",
    csrfTokenHash: secureRandomBytes(32),
    signingKeyId: firstKey(tenantId).id,
    metadata: { key: "välue", __proto: "x" },
    authLevel: 2,
    authMethods: ["pwd", "otp"],
    authenticatedAt: undefined,
    ...facts,
  };
}

/** A session that a call has read, of which only the id is right. */
export function readOnce(id: SessionId): Session {
  const { absoluteTimeoutMs, ...facts } = newSession(newTenant(), { id });
  return {
    ...facts,
    createdAt: 0,
    lastSeenAt: 0,
    absoluteExpiresAt: absoluteTimeoutMs,
    revokedAt: undefined,
    revokeReason: "",
    revokedBy: "",
    metadataEtag: "1",
  };
}

/** A rotation that changes nothing of the authentication and has no grace. */
export function rotationOf(actor: Actor, facts: Partial<Rotation> = {}): Rotation {
  return {
    actor,
    newId: mintSessionId(secureRandomBytes, Date.now()),
    signingKeyId: firstKey(actor.tenantId).id,
    csrfTokenHash: secureRandomBytes(32),
    authentication: { authLevel: undefined, authMethods: undefined, authenticatedAt: undefined },
    graceMs: 0,
    rotatedBy: "root",
    ...facts,
  };
}

export type Created = Extract<CreateOutcome, { kind: "created" }>;

/** Stores a session, which must succeed. */
export async function create(
  { sessions }: Stores,
  session: NewSession,
  replaces?: SessionId,
  limit = noLimit,
): Promise<Created> {
  const outcome = await sessions.create(session, replaces, limit, context);
  if (outcome.kind !== "created") throw new Error(`not created: ${outcome.kind}`);
  return outcome;
}

/** The newest audit events of all tenants. */
export const anyAudit: AuditQuery = {
  tenantId: undefined,
  resourceId: "",
  actingActorId: "",
  action: "",
  occurred: { since: undefined, before: undefined },
  afterId: 0n,
  oldestFirst: false,
  position: undefined,
  limit: 200,
};

/** What was audited in a tenant, oldest first. */
export async function auditOf({ audit }: Stores, tenantId: TenantId) {
  const { items } = await audit.list({ ...anyAudit, tenantId }, context);
  return items.toReversed().map((event) => ({
    action: event.action,
    actingActorId: event.actingActorId,
    callingService: event.callingService,
    tenantId: event.tenantId,
    resourceType: event.resourceType,
    resourceId: event.resourceId,
    details: event.details,
  }));
}

/** The error that the call fails with, or undefined. */
export function errorOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => undefined,
    (error: unknown) => error,
  );
}
