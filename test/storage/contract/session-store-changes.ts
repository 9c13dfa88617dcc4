import { expect } from "chai";
import type { SessionId, TenantId } from "../../../src/session/ids.ts";
import type { Session } from "../../../src/session/session.ts";
import { numbers } from "../../support/in-parallel.ts";
import { until } from "../../support/until.ts";
import {
  auditOf,
  context,
  create,
  firstKey,
  type Given,
  HOUR,
  newKey,
  newSession,
  newTenant,
  readOnce,
  revocation,
  rotationOf,
  type Stores,
  tenantWithKey,
} from "./stores.ts";

const HASH = Buffer.alloc(32, 9);

function actorOf({ tenantId, actorType, actorId }: Session) {
  return { tenantId, actorType, actorId };
}

/** SessionStore: what changes or lists sessions. */
export function sessionStoreChanges(given: Given): void {
  async function opened(tenantId?: TenantId, actorId = "alice"): Promise<Session> {
    const stores = given();
    const tenant = tenantId ?? (await tenantWithKey(stores));
    return (await create(stores, newSession(tenant, { actorId }))).session;
  }

  const find = async (id: SessionId) => (await given().sessions.find(id, context))?.session;

  describe("SessionStore: changes to a live session", () => {
    it("touch moves lastSeenAt to now, and nothing else", async () => {
      const stores = given();
      const session = await opened();
      await stores.ageSession(session.id, 60_000);
      const before = (await find(session.id)) as Session;
      const touched = await stores.sessions.touch(before, 0, context);
      expect(touched?.session).to.deep.equal({ ...before, lastSeenAt: touched?.now });
      expect(await find(session.id)).to.deep.equal(touched?.session);
    });

    it("touch has the metadata of now, and not of when the session was read", async () => {
      const stores = given();
      const { sessions } = stores;
      const [changed, same] = [await opened(), await opened()];
      const metadata = { new: 'sécret "' };
      await sessions.updateMetadata(changed.id, metadata, "", "root", context);
      const touched = await Promise.all(
        [changed, same].map((session) => sessions.touch(session, 0, context)),
      );
      for (const [index, { id }] of [changed, same].entries()) {
        expect(touched[index]?.session).to.deep.equal(await find(id));
      }
      expect(touched[0]?.session).to.deep.include({ metadata, metadataEtag: "2" });
    });

    it("touch never moves lastSeenAt backwards", async () => {
      const stores = given();
      const session = await opened();
      await stores.ageSession(session.id, -60_000);
      expect(await stores.sessions.touch(session, 0, context)).to.equal(undefined);
      expect((await find(session.id))?.lastSeenAt).to.equal(session.lastSeenAt + 60_000);
    });

    it("touch changes nothing within the interval", async () => {
      const stores = given();
      const session = await opened();
      await stores.ageSession(session.id, 60_000);
      const before = await find(session.id);
      expect(await stores.sessions.touch(session, 120_000, context)).to.equal(undefined);
      expect(await find(session.id)).to.deep.equal(before);
      expect(await stores.sessions.touch(session, 30_000, context)).not.to.equal(undefined);
    });

    it("revoke ends it, with reason and who, audited", async () => {
      const stores = given();
      const session = await opened();
      const read = await stores.sessions.revoke(session.id, revocation, context);
      expect(read?.session).to.deep.equal({
        ...session,
        revokedAt: read?.now,
        revokeReason: "admin_revoke",
        revokedBy: "root",
      });
      expect(await find(session.id)).to.deep.equal(read?.session);
      expect((await auditOf(stores, session.tenantId)).at(-1)).to.deep.include({
        action: "auth.session_revoked",
        actingActorId: "root",
        callingService: "contract",
        resourceType: "session",
        resourceId: session.id,
        details: { reason: "admin_revoke" },
      });
    });

    it("updateMetadata replaces it and changes the etag, audited without its content", async () => {
      const stores = given();
      const session = await opened();
      const { sessions } = stores;
      const update = (metadata: Record<string, string>, etag: string) =>
        sessions.updateMetadata(session.id, metadata, etag, "root", context);
      const read = await update({ new: "sécret" }, session.metadataEtag);
      const metadataEtag = read?.session.metadataEtag ?? "";
      expect(metadataEtag).not.to.be.oneOf(["", session.metadataEtag]);
      expect(read?.session).to.deep.equal({
        ...session,
        metadata: { new: "sécret" },
        metadataEtag,
      });
      expect(await find(session.id)).to.deep.equal(read?.session);
      expect((await auditOf(stores, session.tenantId)).at(-1)).to.deep.include({
        action: "auth.session_metadata_updated",
        actingActorId: "root",
        resourceId: session.id,
        details: { metadata_etag: metadataEtag },
      });
      expect((await update({}, ""))?.session.metadata).to.deep.equal({});
    });

    it("updateMetadata changes nothing, and says undefined, if the etag is another one", async () => {
      const stores = given();
      const session = await opened();
      const before = [await find(session.id), await auditOf(stores, session.tenantId)];
      for (const etag of ["0", "2", "01", "nonsense"]) {
        const call = stores.sessions.updateMetadata(session.id, {}, etag, "root", context);
        expect(await call, etag).to.equal(undefined);
      }
      expect([await find(session.id), await auditOf(stores, session.tenantId)]).to.deep.equal(
        before,
      );
    });

    it("updateMetadata of one etag at once: one of them replaces it", async () => {
      const { sessions } = given();
      const { id, metadataEtag } = await opened();
      const reads = await Promise.all(
        numbers(10).map((index) =>
          sessions.updateMetadata(id, { by: `${index}` }, metadataEtag, "root", context),
        ),
      );
      const winners = reads.filter((read) => read !== undefined);
      expect(winners).to.have.length(1);
      expect(await find(id)).to.deep.equal(winners[0]?.session);
    });

    it("rotateCsrf gives it the hash, audited", async () => {
      const stores = given();
      const session = await opened();
      const read = await stores.sessions.rotateCsrf(session.id, HASH, "root", context);
      expect(read?.session).to.deep.equal({ ...session, csrfTokenHash: HASH });
      expect(await find(session.id)).to.deep.equal(read?.session);
      expect((await auditOf(stores, session.tenantId)).at(-1)).to.deep.include({
        action: "auth.session_csrf_rotated",
        actingActorId: "root",
        resourceId: session.id,
      });
    });
  });

  const ends: Record<string, (stores: Stores, id: SessionId) => Promise<unknown>> = {
    revoked: (stores, id) =>
      stores.sessions.revoke(id, { reason: "logout", revokedBy: "alice" }, context),
    "idle-expired": (stores, id) => stores.ageSession(id, HOUR),
    "absolute-expired": (stores, id) => stores.ageSession(id, 12 * HOUR),
  };
  const changes: Record<string, (stores: Stores, id: SessionId) => Promise<unknown>> = {
    touch: ({ sessions }, id) => sessions.touch(readOnce(id), 0, context),
    revoke: ({ sessions }, id) => sessions.revoke(id, revocation, context),
    rotate: async (stores, id) => {
      const actor = { tenantId: newTenant(), actorType: "user", actorId: "alice" };
      await stores.signingKeys.insertFirst(firstKey(actor.tenantId), context);
      const outcome = await stores.sessions.rotate(id, rotationOf(actor), context);
      return outcome.kind === "ended" ? undefined : outcome;
    },
    updateMetadata: ({ sessions }, id) => sessions.updateMetadata(id, {}, "", "root", context),
    rotateCsrf: ({ sessions }, id) => sessions.rotateCsrf(id, HASH, "root", context),
  };
  describe("SessionStore: changes to a session that has ended", () => {
    for (const [change, apply] of Object.entries(changes)) {
      for (const [state, end] of Object.entries(ends)) {
        it(`${change} leaves a ${state} one as it is, and says undefined`, async () => {
          const stores = given();
          const { id, tenantId } = await opened();
          await end(stores, id);
          const before = [await find(id), await auditOf(stores, tenantId)];
          expect(await apply(stores, id)).to.equal(undefined);
          expect([await find(id), await auditOf(stores, tenantId)]).to.deep.equal(before);
        });
      }

      it(`${change} says undefined of one that is not there`, async () => {
        const stores = given();
        const { id } = newSession(await tenantWithKey(stores));
        expect(await apply(stores, id)).to.equal(undefined);
        expect(await find(id)).to.equal(undefined);
      });
    }
  });

  describe("SessionStore: rotation", () => {
    const GRACE = { graceMs: HOUR };

    /** Rotates and returns the successor, which there must be. */
    async function rotated(session: Session, facts: Parameters<typeof rotationOf>[1] = {}) {
      const outcome = await given().sessions.rotate(
        session.id,
        rotationOf(session, facts),
        context,
      );
      return outcome.kind === "rotated" ? outcome.session : expect.fail(outcome.kind);
    }

    const successorOf = async ({ id }: Session, options = { ignoreGrace: false }) =>
      (await given().sessions.findSuccessor(id, options, context))?.session;

    it("puts a successor in its place, of the same actor, data and absolute deadline", async () => {
      const stores = given();
      const session = await opened();
      await stores.ageSession(session.id, 60_000);
      const before = (await find(session.id)) as Session;
      const newKeyOfTenant = newKey(session.tenantId);
      await stores.signingKeys.rotate(newKeyOfTenant, "root", context);

      const rotation = rotationOf(session, { signingKeyId: newKeyOfTenant.id });
      const outcome = await stores.sessions.rotate(session.id, rotation, context);

      const { newId: id, csrfTokenHash, signingKeyId } = rotation;
      const after = await find(session.id);
      const now = after?.revokedAt;
      expect(after).to.deep.equal({
        ...before,
        revokedAt: now,
        revokeReason: "rotated",
        revokedBy: "root",
      });
      const successor = { ...before, id, csrfTokenHash, signingKeyId, lastSeenAt: now };
      expect(outcome).to.deep.equal({ kind: "rotated", session: successor, now });
      expect(await find(id)).to.deep.equal(successor);
    });

    it("changes nothing with a key that is not the tenant's active one", async () => {
      const stores = given();
      const session = await opened();
      await stores.signingKeys.rotate(newKey(session.tenantId), "root", context);
      const audit = await auditOf(stores, session.tenantId);
      const foreign = firstKey(await tenantWithKey(stores));
      for (const { id: signingKeyId } of [firstKey(session.tenantId), newKey(session.tenantId)]) {
        const rotation = rotationOf(session, { signingKeyId });
        const outcome = await stores.sessions.rotate(session.id, rotation, context);
        expect(outcome).to.deep.equal({ kind: "key_not_active" });
      }
      const rotation = rotationOf(session, { signingKeyId: foreign.id });
      const { kind } = await stores.sessions.rotate(session.id, rotation, context);
      expect(kind).not.to.equal("rotated");
      expect(await find(session.id)).to.deep.equal(session);
      expect(await auditOf(stores, session.tenantId)).to.deep.equal(audit);
    });

    it("audits both sessions", async () => {
      const stores = given();
      const session = await opened();
      const { id } = await rotated(session, { graceMs: 1500 });
      const both = (await auditOf(stores, session.tenantId)).slice(-2);
      for (const event of both) {
        expect(event).to.include({ actingActorId: "root", callingService: "contract" });
      }
      expect(
        both.map(({ action, resourceId, details }) => [action, resourceId, details]),
      ).to.have.deep.members([
        ["auth.session_revoked", session.id, { reason: "rotated", rotated_to: id }],
        ["auth.session_rotated", id, { rotated_from: session.id, grace_ms: "1500" }],
      ]);
    });

    it("stores a new authentication, never in the future, and keeps what is not given", async () => {
      const session = await opened();
      const authentication = { authLevel: 0, authMethods: undefined, authenticatedAt: 5 };
      const lowered = await rotated(session, { authentication });
      expect(lowered).to.deep.include({
        authLevel: 0,
        authMethods: session.authMethods,
        authenticatedAt: 5,
      });
      const future = (await given().now()) + HOUR;
      const stronger = { authLevel: undefined, authMethods: ["hwk"], authenticatedAt: future };
      const raised = await rotated(lowered, { authentication: stronger });
      expect(raised).to.deep.include({ authLevel: 0, authMethods: ["hwk"] });
      expect(raised.authenticatedAt).to.equal(raised.lastSeenAt);
    });

    it("of calls at once, one succeeds and the others change nothing", async () => {
      const { sessions } = given();
      const session = await opened();
      const outcomes = await Promise.all(
        numbers(10).map(() => sessions.rotate(session.id, rotationOf(session, GRACE), context)),
      );
      const [winner, ...others] = outcomes.filter((outcome) => outcome.kind === "rotated");
      expect(others).to.deep.equal([]);
      expect(await successorOf(session)).to.deep.equal(winner?.session);
      const options = { includeEnded: false, after: undefined, limit: 10 };
      const { items } = await sessions.list(actorOf(session), options, context);
      expect(items).to.deep.equal([winner?.session]);
    });

    it("findSuccessor finds the last of several within their graces, live or ended", async () => {
      const { sessions } = given();
      const first = await opened();
      expect(await successorOf(first), "it is not rotated").to.equal(undefined);
      const second = await rotated(first, GRACE);
      expect(await successorOf(first)).to.deep.equal(second);
      const third = await rotated(second, GRACE);
      expect([await successorOf(first), await successorOf(second)]).to.deep.equal([third, third]);
      await sessions.revoke(third.id, revocation, context);
      expect(await successorOf(first)).to.deep.include({
        id: third.id,
        revokeReason: revocation.reason,
      });
    });

    it("findSuccessor finds none without a grace, and does not get past one without", async () => {
      const first = await opened();
      const second = await rotated(first, GRACE);
      await rotated(second);
      expect(await successorOf(second)).to.equal(undefined);
      expect(await successorOf(first)).to.include({ id: second.id, revokeReason: "rotated" });
    });

    it("findSuccessor finds the last of several whatever their graces, if these are ignored", async () => {
      const ignored = { ignoreGrace: true };
      const first = await opened();
      expect(await successorOf(first, ignored), "it is not rotated").to.equal(undefined);
      const second = await rotated(first);
      const third = await rotated(second, GRACE);
      const fourth = await rotated(third);
      for (const session of [first, second, third]) {
        expect(await successorOf(session, ignored)).to.deep.equal(fourth);
      }
      await given().sessions.revoke(fourth.id, revocation, context);
      const last = { id: fourth.id, revokeReason: revocation.reason };
      expect(await successorOf(first, ignored)).to.deep.include(last);
      expect(await successorOf(fourth, ignored)).to.equal(undefined);
    });

    it("findSuccessor keeps calls at once apart that ignore the grace and that do not", async () => {
      const first = await opened();
      const second = await rotated(first);
      const found = await Promise.all(
        numbers(8).map((index) => successorOf(first, { ignoreGrace: index % 2 === 1 })),
      );
      expect(found).to.deep.equal(numbers(8).map((index) => (index % 2 ? second : undefined)));
    });

    it("endGrace ends one grace, audited, and leaves the successor and other graces alone", async () => {
      const stores = given();
      const first = await opened();
      const second = await rotated(first, GRACE);
      const third = await rotated(second, GRACE);
      const before = await find(second.id);
      await stores.sessions.endGrace(second.id, revocation, context);
      expect(await successorOf(second)).to.equal(undefined);
      expect((await successorOf(first))?.id).to.equal(second.id);
      expect([await find(second.id), await find(third.id)]).to.deep.equal([before, third]);
      expect((await auditOf(stores, first.tenantId)).at(-1)).to.deep.include({
        action: "auth.session_grace_ended",
        actingActorId: "root",
        callingService: "contract",
        resourceType: "session",
        resourceId: second.id,
        details: { reason: "admin_revoke" },
      });
    });

    it("endGrace changes nothing where there is no grace, and audits nothing", async () => {
      const stores = given();
      const first = await opened();
      const second = await rotated(first);
      const third = await rotated(second, { graceMs: 1 });
      const { now } = (await stores.sessions.find(second.id, context)) ?? expect.fail();
      await until("the grace has ended", async () => (await stores.now()) > now);
      const audit = await auditOf(stores, first.tenantId);
      const absent = newSession(first.tenantId);
      for (const { id } of [first, second, third, absent]) {
        await stores.sessions.endGrace(id, revocation, context);
      }
      expect(await auditOf(stores, first.tenantId)).to.deep.equal(audit);
    });

    it("findSuccessor follows eight rotations", async () => {
      const chain = [await opened()];
      for (const _ of numbers(9)) chain.push(await rotated(chain.at(-1) as Session, GRACE));
      expect((await successorOf(chain[0] as Session))?.id).to.equal(chain[8]?.id);
      expect((await successorOf(chain[1] as Session))?.id).to.equal(chain[9]?.id);
    });

    it("findSuccessor keeps the sessions of calls at once apart", async () => {
      const all = await Promise.all(numbers(8).map(() => opened()));
      const successors = await Promise.all(
        all.map((session, index) => (index % 2 ? rotated(session, GRACE) : undefined)),
      );
      const found = await Promise.all(all.map((session) => successorOf(session)));
      expect(found.map((successor) => successor?.id)).to.deep.equal(
        successors.map((session) => session?.id),
      );
    });
  });

  describe("SessionStore: changes to an actor's sessions", () => {
    /** Live sessions, an ended one, and some of others that are nearly the same. */
    async function several() {
      const stores = given();
      const tenantId = await tenantWithKey(stores);
      const live = [await opened(tenantId), await opened(tenantId), await opened(tenantId)];
      const ended = await opened(tenantId);
      await stores.ageSession(ended.id, HOUR);
      const service = newSession(tenantId, { actorType: "service" });
      const others = [
        await opened(tenantId, "bob"),
        (await create(stores, service)).session,
        await opened(await tenantWithKey(stores)),
      ];
      return { stores, live, ended, others, actor: actorOf(live[0] as Session) };
    }

    it("revokeAllForActor ends the live ones but for the one to keep, and counts them", async () => {
      const { stores, live, ended, others, actor } = await several();
      const [kept, ...gone] = live as [Session, ...Session[]];
      const { sessions } = stores;
      const revoke = (keep?: SessionId) =>
        sessions.revokeAllForActor(actor, keep, revocation, context);
      expect(await revoke(kept.id)).to.equal(2);
      for (const { id } of gone) {
        expect(await find(id)).to.deep.include({ revokeReason: "admin_revoke", revokedBy: "root" });
      }
      for (const { id } of [kept, ended, ...others]) {
        expect((await find(id))?.revokedAt).to.equal(undefined);
      }
      expect(await revoke(kept.id), "nothing is left").to.equal(0);
      expect(await revoke()).to.equal(1);
    });

    it("revokeAllForActor audits each session and the whole", async () => {
      const { stores, live, actor } = await several();
      const [kept] = live as [Session];
      await stores.sessions.revokeAllForActor(actor, kept.id, revocation, context);
      const audit = await auditOf(stores, actor.tenantId);
      const each = audit.filter(({ action }) => action === "auth.session_revoked");
      expect(each.map(({ resourceId }) => resourceId)).to.have.members(
        live.slice(1).map(({ id }) => id),
      );
      const whole = audit.filter(({ action }) => action === "auth.sessions_revoked_for_actor");
      expect(whole).to.have.length(1);
      expect(whole[0]).to.deep.include({
        resourceType: "actor",
        resourceId: "alice",
        actingActorId: "root",
        details: {
          reason: "admin_revoke",
          actor_type: "user",
          kept_session_id: kept.id,
          count: "2",
        },
      });
    });

    it("rotateCsrfForActor gives each live one the hash that was made for it", async () => {
      const { stores, live, ended, others, actor } = await several();
      const hashes = new Map<SessionId, Buffer>();
      const mint = (id: SessionId) => {
        const hash = Buffer.alloc(32, hashes.size + 1);
        hashes.set(id, hash);
        return hash;
      };
      const rotate = (max: number) =>
        stores.sessions.rotateCsrfForActor(actor, max, mint, "root", context);
      expect(await rotate(live.length - 1), "more than the most").to.equal(undefined);
      expect(hashes.size).to.equal(0);
      const rotated = (await rotate(live.length)) ?? [];
      const ids = live.map(({ id }) => id);
      expect(rotated.map(({ session }) => session.id)).to.have.members(ids);
      expect([...hashes.keys()]).to.have.members(ids);
      for (const { session } of rotated) {
        expect(session.csrfTokenHash).to.deep.equal(hashes.get(session.id));
        expect(await find(session.id)).to.deep.equal(session);
      }
      for (const { id, csrfTokenHash } of [ended, ...others]) {
        expect((await find(id))?.csrfTokenHash).to.deep.equal(csrfTokenHash);
      }
      const audit = await auditOf(stores, actor.tenantId);
      const actions = audit.map(({ action }) => action);
      expect(actions.filter((action) => action === "auth.session_csrf_rotated")).to.have.length(3);
      expect(actions.at(-1)).to.equal("auth.sessions_csrf_rotated_for_actor");
    });

    it("neither finds anything for an actor without sessions", async () => {
      const { sessions } = given();
      const actor = { tenantId: await tenantWithKey(given()), actorType: "user", actorId: "x" };
      expect(await sessions.revokeAllForActor(actor, undefined, revocation, context)).to.equal(0);
      const mint = () => HASH;
      expect(await sessions.rotateCsrfForActor(actor, 10, mint, "root", context)).to.deep.equal([]);
    });

    it("fault 7: of revocations at once, one ends the session and the others change nothing", async () => {
      const { sessions } = given();
      const { id } = await opened();
      const reads = await Promise.all(
        numbers(10).map((index) =>
          sessions.revoke(id, { reason: `r${index}`, revokedBy: "root" }, context),
        ),
      );
      const winners = reads.filter((read) => read !== undefined);
      expect(winners).to.have.length(1);
      expect(await find(id)).to.deep.equal(winners[0]?.session);
    });
  });

  describe("SessionStore: list", () => {
    it("is newest first, page by page, each once, ended ones on request", async () => {
      const stores = given();
      const tenantId = await tenantWithKey(stores);
      const all: Session[] = [];
      // Two at each instant: the id decides between them.
      const together = await Promise.all(numbers(6).map(() => opened(tenantId)));
      const start = Math.min(...together.map(({ createdAt }) => createdAt));
      for (const [index, { id, createdAt }] of together.entries()) {
        await stores.ageSession(id, createdAt - start + Math.floor(index / 2) * 1000);
        all.push((await find(id)) as Session);
      }
      await opened(tenantId, "bob");
      const [first] = all as [Session];
      await stores.sessions.revoke(first.id, revocation, context);
      const wanted = all
        .toSorted((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1))
        .map(({ id }) => id);

      const pages = async (includeEnded: boolean) => {
        const found: SessionId[] = [];
        let after: { createdAt: number; id: SessionId } | undefined;
        for (;;) {
          const options = { includeEnded, after, limit: 2 };
          const page = await stores.sessions.list(actorOf(first), options, context);
          expect(page.items.length).to.be.at.most(2);
          found.push(...page.items.map(({ id }) => id));
          after = page.items.at(-1);
          if (!page.more) return found;
        }
      };
      expect(await pages(true)).to.deep.equal(wanted);
      expect(await pages(false)).to.deep.equal(wanted.filter((id) => id !== first.id));
    });

    it("gives whole sessions, at the storage's clock, and `more` only if there is", async () => {
      const { sessions } = given();
      const session = await opened();
      const options = { includeEnded: false, after: undefined, limit: 1 };
      const page = await sessions.list(actorOf(session), options, context);
      expect(page.items).to.deep.equal([session]);
      expect(page.more).to.equal(false);
      expect(page.now).to.be.within(session.createdAt, await given().now());
    });
  });
}
