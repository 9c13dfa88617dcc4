import { expect } from "chai";
import type { AuditEntry } from "../../src/session/audit.ts";
import { Authenticator } from "../../src/session/authenticator.ts";
import type { CallContext } from "../../src/session/call-context.ts";
import { signCookie } from "../../src/session/cookie.ts";
import { Denials } from "../../src/session/denials.ts";
import type { TenantId } from "../../src/session/ids.ts";
import type { KeyRing } from "../../src/session/key-ring.ts";
import { MacKey } from "../../src/session/mac-key.ts";
import type { Session } from "../../src/session/session.ts";
import type { SessionRef } from "../../src/session/session-ref.ts";
import type { CookieLookup, SessionStore } from "../../src/session/session-store.ts";
import { rejected } from "../support/expect-reason.ts";
import {
  aSession,
  context,
  cookies,
  SESSION_ID,
  SIGNING_KEY_ID,
  T0,
  TENANT,
  timeouts,
} from "../support/session-fixtures.ts";

const KEY = new MacKey(Buffer.alloc(32, 5));
const COOKIE = signCookie(SESSION_ID, SIGNING_KEY_ID, KEY);
const EXPIRED_KEY = { retiredAt: T0 - timeouts.keyRetentionMs };

interface Storage {
  readonly cookieLookup?: Partial<CookieLookup>;
  readonly session?: Session | undefined;
}

function setUp({ cookieLookup = {}, session }: Storage) {
  const asked: string[] = [];
  const audit: AuditEntry[] = [];
  const store: Pick<SessionStore, "find" | "findByCookie"> = {
    async find() {
      asked.push("find");
      return session && { session, now: T0 };
    },
    async findByCookie() {
      asked.push("findByCookie");
      const found = { now: T0, signingKey: { retiredAt: undefined }, session: aSession() };
      return { ...found, ...cookieLookup };
    },
  };
  const keyRing: Pick<KeyRing, "cached" | "find"> = {
    cached: () => undefined,
    async find() {
      asked.push("key");
      return KEY;
    },
  };
  const denials = new Denials({ record: (entry) => audit.push(entry) }, () => 0);
  const authenticator = new Authenticator({
    store: store as SessionStore,
    keyRing: keyRing as KeyRing,
    timeouts,
    denials,
    cookies,
  });
  return { authenticator, asked, audit };
}

function byCookie(cookie = COOKIE, tenantId?: TenantId): SessionRef {
  return { kind: "cookie", cookie, tenantId };
}

const byId: SessionRef = { kind: "id", id: SESSION_ID, tenantId: undefined };

describe("authenticator", () => {
  it("reads the key, then the row (A02)", async () => {
    const { authenticator, asked, audit } = setUp({});
    const { session } = await authenticator.findLive(byCookie(), context);
    expect(session.id).to.equal(SESSION_ID);
    expect(asked).to.deep.equal(["key", "findByCookie"]);
    expect(audit).to.deep.equal([]);
  });

  it("reads nothing for a malformed cookie (ASVS 9.1)", async () => {
    const { authenticator, asked } = setUp({});
    for (const cookie of ["", "v2", COOKIE.slice(0, -1), COOKIE.replace("v1", "v99")]) {
      await rejected(authenticator.find(byCookie(cookie), context), "INVALID_COOKIE");
    }
    expect(asked).to.deep.equal([]);
  });

  it("reads no row for a forged MAC, and audits nothing (ASVS 9.1)", async () => {
    const { authenticator, asked, audit } = setUp({});
    const forged = signCookie(SESSION_ID, SIGNING_KEY_ID, new MacKey(Buffer.alloc(32)));
    await rejected(authenticator.find(byCookie(forged), context), "INVALID_COOKIE");
    expect(asked).to.deep.equal(["key"]);
    expect(audit, "anyone could fill the audit with these").to.deep.equal([]);
  });

  it("accepts a key to the end of its retention (A10)", async () => {
    const signingKey = { retiredAt: EXPIRED_KEY.retiredAt + 1 };
    const { authenticator } = setUp({ cookieLookup: { signingKey } });
    await authenticator.findLive(byCookie(), context);
  });

  it("refuses a key past its retention, and audits it only if its session is still there (A11)", async () => {
    for (const [session, audited] of [
      [aSession(), ["SIGNING_KEY_RETIRED"]],
      [undefined, []],
    ] as const) {
      const { authenticator, audit } = setUp({
        cookieLookup: { signingKey: EXPIRED_KEY, session },
      });
      await rejected(authenticator.find(byCookie(), context), "SIGNING_KEY_RETIRED");
      expect(audit.map(({ details }) => details.reason)).to.deep.equal(audited);
    }
  });

  it("refuses a genuine cookie without a row (ASVS 7.2.1)", async () => {
    const { authenticator } = setUp({ cookieLookup: { session: undefined } });
    await rejected(authenticator.find(byCookie(), context), "INVALID_COOKIE");
  });

  it("refuses another tenant's session as INVALID_COOKIE, and audits it (ASVS 8.2.2)", async () => {
    const { authenticator, audit } = setUp({});
    await authenticator.find(byCookie(COOKIE, TENANT), context);
    const foreign = authenticator.find(byCookie(COOKIE, "other" as TenantId), context);
    await rejected(foreign, "INVALID_COOKIE");
    expect(audit.map(({ tenantId }) => tenantId)).to.deep.equal([TENANT]);
  });

  it("finds no session of a tenant that the caller may not act on, and audits nothing (ASVS 8.2.2)", async () => {
    const { authenticator, audit } = setUp({ session: aSession() });
    const other: CallContext = { ...context, tenants: new Set(["other" as TenantId]) };
    await rejected(authenticator.find(byCookie(), other), "INVALID_COOKIE");
    await rejected(authenticator.find(byId, other), "SESSION_NOT_FOUND");
    expect(audit).to.deep.equal([]);

    const own: CallContext = { ...context, tenants: new Set([TENANT]) };
    for (const ref of [byCookie(), byId]) await authenticator.find(ref, own);
  });
});

describe("authenticator: sessions that have ended", () => {
  const cases = [
    ["A06", "EXPIRED_IDLE", { lastSeenAt: T0 - timeouts.idleMs }],
    ["A07", "EXPIRED_ABSOLUTE", { absoluteExpiresAt: T0, lastSeenAt: T0 - timeouts.idleMs }],
    ["A08", "REVOKED", { revokedAt: T0, absoluteExpiresAt: T0 }],
  ] as const;
  for (const [id, reason, facts] of cases) {
    it(`finds a session that is ${reason}, but not as a live one (${id})`, async () => {
      const { authenticator, audit } = setUp({ session: aSession(facts) });
      await authenticator.find(byId, context);
      expect(audit).to.deep.equal([]);
      await rejected(authenticator.findLive(byId, context), reason);
      expect(audit.map(({ details }) => details.reason)).to.deep.equal([reason]);
    });
  }
});
