import { expect } from "chai";
import { Authenticator } from "../../src/session/authenticator.ts";
import { BrowserCookies } from "../../src/session/browser-cookies.ts";
import { signCookie } from "../../src/session/cookie.ts";
import { CookieSigner } from "../../src/session/cookie-signer.ts";
import { CsrfRotation } from "../../src/session/csrf-rotation.ts";
import { Denials } from "../../src/session/denials.ts";
import {
  mintSigningKeyId,
  type SessionId,
  type SigningKeyId,
  secureRandomBytes,
} from "../../src/session/ids.ts";
import type { KeyRing } from "../../src/session/key-ring.ts";
import { MacKey } from "../../src/session/mac-key.ts";
import type { Session } from "../../src/session/session.ts";
import { SessionCreation } from "../../src/session/session-creation.ts";
import { SessionRotation } from "../../src/session/session-rotation.ts";
import type { SessionStore } from "../../src/session/session-store.ts";
import { Sessions } from "../../src/session/sessions.ts";
import type { SigningKeys } from "../../src/session/signing-keys.ts";
import { expectReason, rejected } from "../support/expect-reason.ts";
import { numbers } from "../support/in-parallel.ts";
import {
  aSession,
  context,
  cookies,
  SESSION_ID,
  SIGNING_KEY_ID,
  T0,
  timeouts,
} from "../support/session-fixtures.ts";

const ref = { kind: "id", id: SESSION_ID, tenantId: undefined } as const;
const KEY = new MacKey(Buffer.alloc(32, 5));

interface SetUp {
  /** What each reading finds, one after the other; the last one stays. */
  readonly reads?: readonly (Session | undefined)[];
  readonly store?: Partial<SessionStore>;
  readonly signingKeys?: Partial<SigningKeys>;
  readonly keyRing?: Partial<KeyRing>;
}

/** The rules over a store in which other callers come between two steps of a call. */
function setUp({ reads = [aSession()], store = {}, signingKeys = {}, keyRing = {} }: SetUp) {
  const found = [...reads];
  const fake = {
    async find() {
      const session = found.length > 1 ? found.shift() : found[0];
      return session && { session, now: T0 + timeouts.touchIntervalMs };
    },
    ...store,
  } as SessionStore;
  const active = () => ({ id: SIGNING_KEY_ID, key: KEY });
  const cached = () => undefined;
  const ring = { active, cached, ...keyRing } as Partial<KeyRing> as KeyRing;
  const denials = new Denials(undefined, () => 0);
  const shared = {
    store: fake,
    authenticator: new Authenticator({ store: fake, keyRing: ring, timeouts, denials, cookies }),
    browserCookies: new BrowserCookies(cookies),
    cookieSigner: new CookieSigner({ keyRing: ring, signingKeys: signingKeys as SigningKeys }),
    tenants: { required: false },
    random: secureRandomBytes,
  };
  const sessions = new Sessions({
    ...shared,
    denials,
    timeouts,
    bindings: { ip: false, userAgent: false },
    tokens: undefined,
  });
  const sessionCreation = new SessionCreation({
    ...shared,
    timeouts,
    limit: { maxPerActor: 0, policy: "reject" },
    wallClock: () => T0,
  });
  const sessionRotation = new SessionRotation({
    ...shared,
    denials,
    timeouts,
    wallClock: () => T0,
  });
  return { sessions, sessionCreation, csrfRotation: new CsrfRotation(shared), sessionRotation };
}

const revoked = aSession({ revokedAt: T0 + 1, revokeReason: "logout" });

describe("sessions that end between the read and the write", () => {
  it("a touch that comes after a revocation is REVOKED (express-session #632)", async () => {
    const { sessions } = setUp({
      reads: [aSession(), revoked],
      store: { touch: async () => undefined },
    });
    await rejected(sessions.touch(ref, context), "REVOKED");
  });

  it("a touch that comes after the deletion is SESSION_NOT_FOUND", async () => {
    const { sessions } = setUp({
      reads: [aSession(), undefined],
      store: { touch: async () => undefined },
    });
    await rejected(sessions.touch(ref, context), "SESSION_NOT_FOUND");
  });

  describe("by cookie: the session is read again by its id, the cookie not verified again", () => {
    const session = aSession();
    const cookie = signCookie(session.id, session.signingKeyId, KEY);
    const byCookie = { kind: "cookie", cookie, tenantId: undefined } as const;

    /** A touch that changes nothing, after which a read by id finds `current`. */
    async function lostTouch(current: Session | undefined) {
      let verified = 0;
      const { sessions } = setUp({
        reads: [current],
        keyRing: { find: async () => KEY },
        store: {
          touch: async () => undefined,
          findByCookie: async () => {
            verified += 1;
            const now = T0 + timeouts.touchIntervalMs;
            return { now, signingKey: { retiredAt: undefined }, session };
          },
        },
      });
      const outcome = await sessions.touch(byCookie, context).catch((error: unknown) => error);
      expect(verified).to.equal(1);
      return outcome;
    }

    it("a touch that lost to another touch returns the session as it is", async () => {
      const touched = aSession({ lastSeenAt: T0 + timeouts.touchIntervalMs });
      expect(await lostTouch(touched)).to.deep.include({ session: touched, touched: false });
    });

    it("a touch that lost to a revocation is REVOKED", async () => {
      expectReason(await lostTouch(revoked), "REVOKED");
    });

    it("a touch that lost to the deletion is INVALID_COOKIE, as for any cookie without a session", async () => {
      expectReason(await lostTouch(undefined), "INVALID_COOKIE");
    });
  });

  it("a CSRF rotation that comes after a revocation is REVOKED and returns no token", async () => {
    const { csrfRotation } = setUp({
      reads: [aSession(), revoked],
      store: { rotateCsrf: async () => undefined },
    });
    const call = csrfRotation.rotate(
      { target: { kind: "session", session: ref }, actingActorId: "alice" },
      context,
    );
    await rejected(call, "REVOKED");
  });

  it("a CSRF rotation that changed nothing of a live session is STORAGE_UNAVAILABLE", async () => {
    const { csrfRotation } = setUp({ store: { rotateCsrf: async () => undefined } });
    const call = csrfRotation.rotate(
      { target: { kind: "session", session: ref }, actingActorId: "alice" },
      context,
    );
    await rejected(call, "STORAGE_UNAVAILABLE");
  });

  describe("an update of the metadata that changed nothing", () => {
    /** Of a session whose next reading finds `current`. */
    function lostUpdate(current: Session, metadataEtag: string) {
      const { sessions } = setUp({
        reads: [aSession({ metadataEtag: "1" }), current],
        store: { updateMetadata: async () => undefined },
      });
      const command = { session: ref, metadata: {}, metadataEtag, actingActorId: "root" };
      return sessions.updateMetadata(command, context);
    }

    it("is REVOKED if the session has been revoked, whatever the etag", async () => {
      await rejected(lostUpdate(revoked, "1"), "REVOKED");
      await rejected(lostUpdate(revoked, ""), "REVOKED");
    });

    it("is METADATA_ETAG_MISMATCH if another update came first", async () => {
      await rejected(lostUpdate(aSession({ metadataEtag: "2" }), "1"), "METADATA_ETAG_MISMATCH");
    });

    it("is STORAGE_UNAVAILABLE if nothing explains it", async () => {
      await rejected(lostUpdate(aSession({ metadataEtag: "1" }), "1"), "STORAGE_UNAVAILABLE");
      await rejected(lostUpdate(aSession({ metadataEtag: "2" }), ""), "STORAGE_UNAVAILABLE");
    });
  });

  it("a revocation that comes after another one returns that one's reason (D04, fault 7)", async () => {
    const { sessions } = setUp({
      reads: [aSession(), revoked],
      store: { revoke: async () => undefined },
    });
    const call = { session: ref, reason: "admin_revoke", actingActorId: "root" };
    const outcome = await sessions.revoke(call, context);
    expect([outcome.revoked, outcome.session.revokeReason]).to.deep.equal([false, "logout"]);
  });
});

describe("sessions that are rotated between the read and the write", () => {
  const NEXT_ID = SESSION_ID.replace(/.{8}$/, "ffffffff") as SessionId;
  const session = aSession();
  const old = aSession({ revokedAt: T0 + 1, revokeReason: "rotated" });
  const successor = aSession({ id: NEXT_ID });
  const NEXT_KEY = mintSigningKeyId(secureRandomBytes);
  const cookie = signCookie(session.id, session.signingKeyId, KEY);
  const byCookie = { kind: "cookie", cookie, tenantId: undefined } as const;

  /** The first read still finds the session live. Its successor may be changed, and it may not. */
  function rotatedMeanwhile(store: Partial<SessionStore>, followed = true) {
    const now = T0 + timeouts.touchIntervalMs;
    return setUp({
      keyRing: { find: async () => KEY },
      store: {
        find: async (id) => ({ session: id === NEXT_ID ? successor : old, now }),
        findByCookie: async () => ({ now, signingKey: { retiredAt: undefined }, session }),
        findSuccessor: async () => (followed ? { session: successor, now } : undefined),
        ...store,
      },
    });
  }
  const onlyOfSuccessor = async (id: SessionId) =>
    id === NEXT_ID ? { session: successor, now: T0 } : undefined;

  it("a touch by cookie returns the successor", async () => {
    const { sessions } = rotatedMeanwhile({ touch: async () => undefined });
    const outcome = await sessions.touch(byCookie, context);
    expect([outcome.session.id, outcome.touched]).to.deep.equal([NEXT_ID, false]);
  });

  it("a revocation by cookie ends the successor", async () => {
    const { sessions } = rotatedMeanwhile({ revoke: onlyOfSuccessor });
    const command = { session: byCookie, reason: "", actingActorId: "" };
    const outcome = await sessions.revoke(command, context);
    expect([outcome.session.id, outcome.revoked]).to.deep.equal([NEXT_ID, true]);
  });

  it("an update of the metadata by cookie is one of the successor's", async () => {
    const { sessions } = rotatedMeanwhile({ updateMetadata: onlyOfSuccessor });
    const command = { session: byCookie, metadata: {}, metadataEtag: "", actingActorId: "" };
    expect((await sessions.updateMetadata(command, context)).session.id).to.equal(NEXT_ID);
  });

  it("a CSRF rotation by cookie is the successor's", async () => {
    const { csrfRotation } = rotatedMeanwhile({ rotateCsrf: onlyOfSuccessor });
    const target = { kind: "session", session: byCookie } as const;
    const [rotated] = await csrfRotation.rotate({ target, actingActorId: "" }, context);
    expect(rotated?.session.id).to.equal(NEXT_ID);
  });

  it("a revocation ends the successor, also by id and without a grace", async () => {
    for (const given of [ref, byCookie]) {
      const reads = given === ref ? [session, old] : [old];
      const { sessions } = rotatedMeanwhile({
        find: async () => ({ session: reads.shift() as Session, now: T0 }),
        revoke: onlyOfSuccessor,
        findSuccessor: async (_, { ignoreGrace }) =>
          ignoreGrace ? { session: successor, now: T0 } : undefined,
      });
      const command = { session: given, reason: "ban", actingActorId: "root" };
      const outcome = await sessions.revoke(command, context);
      expect([outcome.session.id, outcome.revoked]).to.deep.equal([NEXT_ID, true]);
    }
  });

  it("a revocation ends the last session of a chain that grows meanwhile", async () => {
    const chain = [session.id, ...["a", "b", "c"].map((end) => SESSION_ID.replace(/.$/, end))];
    const revoked: string[] = [];
    const { sessions } = rotatedMeanwhile({
      find: async (id) => ({ session: { ...old, id }, now: T0 }),
      findSuccessor: async (id) => {
        const next = chain[chain.indexOf(id) + 1] as SessionId;
        return { session: aSession({ id: next }), now: T0 };
      },
      revoke: async (id) => {
        revoked.push(id);
        return id === chain[3] ? { session: aSession({ id }), now: T0 } : undefined;
      },
    });
    const command = { session: byCookie, reason: "", actingActorId: "" };
    expect((await sessions.revoke(command, context)).session.id).to.equal(chain[3]);
    expect(revoked).to.deep.equal(chain);
  });

  it("a revocation by id of a session that was rotated before the call ends only its grace", async () => {
    const graces: SessionId[] = [];
    const { sessions } = rotatedMeanwhile({
      revoke: onlyOfSuccessor,
      async endGrace(id) {
        graces.push(id);
      },
    });
    const command = { session: ref, reason: "ban", actingActorId: "root" };
    const outcome = await sessions.revoke(command, context);
    expect([outcome.session, outcome.revoked]).to.deep.equal([old, false]);
    expect(graces).to.deep.equal([old.id]);
  });

  it("other changes by id, and those after the grace, find the old session revoked", async () => {
    for (const [given, followed] of [
      [ref, true],
      [byCookie, false],
    ] as const) {
      const { sessions } = rotatedMeanwhile({ updateMetadata: onlyOfSuccessor }, followed);
      const command = { session: given, metadata: {}, metadataEtag: "", actingActorId: "root" };
      await rejected(sessions.updateMetadata(command, context), "REVOKED");
    }
  });

  const rotation = {
    grace: undefined,
    authLevel: undefined,
    authMethods: [],
    authenticatedAt: undefined,
    actingActorId: "root",
  };

  const ended = async () => ({ kind: "ended" }) as const;

  it("another rotation is REVOKED, also within the grace", async () => {
    for (const followed of [true, false]) {
      const { sessionRotation } = rotatedMeanwhile({ rotate: ended }, followed);
      const call = sessionRotation.rotate({ ...rotation, session: byCookie }, context);
      await rejected(call, "REVOKED");
    }
  });

  it("a rotation that changed nothing of a live session is STORAGE_UNAVAILABLE", async () => {
    const { sessionRotation } = setUp({ store: { rotate: ended } });
    const call = sessionRotation.rotate({ ...rotation, session: ref }, context);
    await rejected(call, "STORAGE_UNAVAILABLE");
  });

  it("a rotation under a key that was retired meanwhile is repeated under the new one", async () => {
    const keys = [SIGNING_KEY_ID, NEXT_KEY];
    const used: string[] = [];
    const { sessionRotation } = setUp({
      keyRing: { readActive: async () => ({ id: NEXT_KEY, key: KEY }) },
      store: {
        async rotate(_, { signingKeyId }) {
          used.push(signingKeyId);
          if (signingKeyId !== NEXT_KEY) return { kind: "key_not_active" };
          return { kind: "rotated", session: { ...successor, signingKeyId }, now: T0 };
        },
      },
    });
    const { cookie } = await sessionRotation.rotate({ ...rotation, session: ref }, context);
    expect(cookie).to.equal(signCookie(NEXT_ID, NEXT_KEY, KEY));
    expect(used).to.deep.equal(keys);
  });

  it("a rotation changes nothing if the tenant's new key cannot be decrypted", async () => {
    const outage = new Error("outage");
    const { sessionRotation } = setUp({
      keyRing: {
        async readActive() {
          throw outage;
        },
      },
      store: { rotate: async () => ({ kind: "key_not_active" }) },
    });
    const call = sessionRotation.rotate({ ...rotation, session: ref }, context);
    expect(await call.catch((error: unknown) => error)).to.equal(outage);
  });
});

describe("sessions: Create", () => {
  const command = {
    actor: { tenantId: "", actorType: "user", actorId: "alice" },
    authentication: { authLevel: 0, authMethods: [], authenticatedAt: undefined },
    attributes: { appType: "", ipAddress: "", userAgent: "", metadata: {} },
    timeouts: { idle: undefined, absolute: undefined },
    preLogin: false,
    replaces: undefined,
  };
  const created = {
    kind: "created",
    session: aSession(),
    now: T0,
    replaced: undefined,
  } as const;

  it("makes a tenant's first key before it stores anything, another process's counts too (A18)", async () => {
    for (const isOther of [false, true]) {
      const steps: string[] = [];
      let made = false;
      const key = { id: SIGNING_KEY_ID, key: KEY };
      const { sessionCreation } = setUp({
        store: {
          async create({ signingKeyId }) {
            steps.push(`stored under ${signingKeyId}`);
            return created;
          },
        },
        signingKeys: {
          async ensureFirst(tenantId) {
            steps.push(`made for ${tenantId}`);
            made = true;
            return !isOther;
          },
        },
        keyRing: {
          active: () => (made && !isOther ? key : undefined),
          readActive: async () => (made ? key : undefined),
        },
      });
      const { cookie } = await sessionCreation.create(command, context);
      expect(cookie.startsWith(`v1.${SESSION_ID}.`)).to.equal(true);
      expect(steps).to.deep.equal(["made for default", `stored under ${SIGNING_KEY_ID}`]);
    }
  });

  it("fails, with nothing stored, if the tenant cannot get a key (A16)", async () => {
    const { sessionCreation } = setUp({
      store: { create: () => expect.fail("it is stored") },
      signingKeys: { ensureFirst: async () => true },
      keyRing: { active: () => undefined, readActive: async () => undefined },
    });
    await rejected(sessionCreation.create(command, context), "INITIAL_SIGNING_KEY_MINT_FAILED");
  });

  it("repeats itself under another key as often as the key has been retired", async () => {
    const keys = numbers(3).map(() => mintSigningKeyId(secureRandomBytes));
    const last = keys.at(-1) as SigningKeyId;
    const used: string[] = [];
    const { sessionCreation } = setUp({
      store: {
        async create({ signingKeyId }) {
          used.push(signingKeyId);
          if (signingKeyId !== last) return { kind: "key_not_active" };
          return { ...created, session: aSession({ signingKeyId }) };
        },
      },
      keyRing: {
        active: () => ({ id: keys[0] as SigningKeyId, key: KEY }),
        readActive: async () => ({ id: keys[used.length] as SigningKeyId, key: KEY }),
      },
    });
    const { cookie } = await sessionCreation.create(command, context);
    expect(cookie).to.equal(signCookie(SESSION_ID, last, KEY));
    expect(used).to.deep.equal(keys);
  });

  it("fails if `replaces` cannot be looked up because of an outage (A29)", async () => {
    const outage = new Error("outage");
    const { sessionCreation } = setUp({
      store: {
        async find() {
          throw outage;
        },
      },
    });
    const call = sessionCreation.create({ ...command, replaces: ref }, context);
    expect(await call.catch((error: unknown) => error)).to.equal(outage);
  });
});
