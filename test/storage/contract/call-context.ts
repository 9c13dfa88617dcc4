import { expect } from "chai";
import type { CallContext } from "../../../src/session/call-context.ts";
import {
  anyAudit,
  errorOf,
  type Given,
  newKey,
  newSession,
  newTenant,
  newTokenKey,
  noLimit,
  readOnce,
  revocation,
  rotationOf,
  type Stores,
} from "./stores.ts";

const tenantId = newTenant();
const { id } = newSession(tenantId);
const key = newKey(tenantId);
const tokenKey = newTokenKey();
const rotation = { immediately: false, publishDelayMs: 0, keepMs: 0, actingActorId: "root" };
const actor = { tenantId, actorType: "user", actorId: "alice" };
const page = { includeEnded: false, after: undefined, limit: 1 };
const filter = { ...anyAudit, tenantId, limit: 1 };
const hash = Buffer.alloc(32);

/** Every method that takes a context. */
const calls: Record<string, (stores: Stores, context: CallContext) => Promise<unknown>> = {
  findByCookie: ({ sessions }, context) => sessions.findByCookie(id, key.id, context),
  find: ({ sessions }, context) => sessions.find(id, context),
  create: ({ sessions }, context) =>
    sessions.create(newSession(tenantId), undefined, noLimit, context),
  "create, limited": ({ sessions }, context) =>
    sessions.create(newSession(tenantId), id, { maxPerActor: 1, policy: "reject" }, context),
  touch: ({ sessions }, context) => sessions.touch(readOnce(id), 0, context),
  revoke: ({ sessions }, context) => sessions.revoke(id, revocation, context),
  revokeAllForActor: ({ sessions }, context) =>
    sessions.revokeAllForActor(actor, undefined, revocation, context),
  rotateCsrf: ({ sessions }, context) => sessions.rotateCsrf(id, hash, "root", context),
  rotate: ({ sessions }, context) => sessions.rotate(id, rotationOf(actor), context),
  findSuccessor: ({ sessions }, context) =>
    sessions.findSuccessor(id, { ignoreGrace: false }, context),
  endGrace: ({ sessions }, context) => sessions.endGrace(id, revocation, context),
  updateMetadata: ({ sessions }, context) => sessions.updateMetadata(id, {}, "", "root", context),
  rotateCsrfForActor: ({ sessions }, context) =>
    sessions.rotateCsrfForActor(actor, 10, () => hash, "root", context),
  list: ({ sessions }, context) => sessions.list(actor, page, context),
  "signing keys: find": ({ signingKeys }, context) => signingKeys.find(key.id, context),
  "signing keys: insertFirst": ({ signingKeys }, context) => signingKeys.insertFirst(key, context),
  "signing keys: rotate": ({ signingKeys }, context) => signingKeys.rotate(key, "root", context),
  "signing keys: all": async ({ signingKeys }, context) => {
    for await (const _ of signingKeys.all(context)) break;
  },
  "signing keys: rewrap": ({ signingKeys }, context) =>
    signingKeys.rewrap(key.id, key.encrypted, key.encrypted, context),
  "signing keys: list": ({ signingKeys }, context) =>
    signingKeys.list(tenantId, { after: undefined, limit: 1 }, context),
  "token keys: published": ({ tokenKeys }, context) => tokenKeys.published(context),
  "token keys: insertFirst": ({ tokenKeys }, context) => tokenKeys.insertFirst(tokenKey, context),
  "token keys: rotate": ({ tokenKeys }, context) => tokenKeys.rotate(tokenKey, rotation, context),
  "token keys: all": async ({ tokenKeys }, context) => {
    for await (const _ of tokenKeys.all(context)) break;
  },
  "token keys: rewrap": ({ tokenKeys }, context) =>
    tokenKeys.rewrap(tokenKey.id, tokenKey.encrypted, tokenKey.encrypted, context),
  "token keys: list": ({ tokenKeys }, context) =>
    tokenKeys.list({ after: undefined, limit: 1 }, context),
  "audit: append": ({ audit }, context) => audit.append([], context),
  "audit: list": ({ audit }, context) => audit.list(filter, context),
  "sweep: withSweepLock": ({ sweep }, context) => sweep.withSweepLock(async () => {}, context),
  "sweep: deleteEndedSessions": ({ sweep }, context) => sweep.deleteEndedSessions(0, 1, context),
  "sweep: deletePreLoginSessions": ({ sweep }, context) => sweep.deletePreLoginSessions(1, context),
  "sweep: deleteSigningKeys": ({ sweep }, context) => sweep.deleteSigningKeys(0, 1, context),
  "sweep: deleteTokenKeys": ({ sweep }, context) => sweep.deleteTokenKeys(0, 1, context),
  "sweep: deleteAuditEvents": ({ sweep }, context) => sweep.deleteAuditEvents(0, 1, context),
};

export function callContext(given: Given): void {
  describe("CallContext", () => {
    for (const [name, call] of Object.entries(calls)) {
      it(`${name}: an aborted signal rejects with its reason, and changes nothing`, async () => {
        const reason = new Error("gone");
        const context = { signal: AbortSignal.abort(reason), callingService: "contract" };
        expect(await errorOf(call(given(), context))).to.equal(reason);
        const { audit } = given();
        const listed = await audit.list(filter, { signal: undefined, callingService: "" });
        expect(listed.items).to.deep.equal([]);
      });
    }
  });
}
