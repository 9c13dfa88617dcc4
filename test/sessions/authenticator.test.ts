import { expect } from "chai";
import type { AuditEntry } from "../../src/session/audit.ts";
import { Authenticator } from "../../src/session/authenticator.ts";
import { signCookie } from "../../src/session/cookie.ts";
import { Denials } from "../../src/session/denials.ts";
import { SessionError } from "../../src/session/errors.ts";
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
  readonly key?: () => typeof KEY | undefined;
  readonly cookieLookup?: Partial<CookieLookup>;
  readonly session?: Session | undefined;
}

function setUp({ key = () => KEY, cookieLookup = {}, session }: Storage) {
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
  const keyRing: Pick<KeyRing, "find"> = {
    async find() {
      asked.push("key");
      return key();
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

describe("authenticator: by cookie", () => {
  it("A02: asks for the key, then for the row", async () => {
    const { authenticator, asked, audit } = setUp({});
    const { session } = await authenticator.findLive(byCookie(), context);
    expect(session.id).to.equal(SESSION_ID);
    expect(asked).to.deep.equal(["key", "findByCookie"]);
    expect(audit).to.deep.equal([]);
  });

  it("ASVS 9.1: asks nothing for a cookie whose form is off", async () => {
    const { authenticator, asked } = setUp({});
    for (const cookie of ["", "v2", COOKIE.slice(0, -1), COOKIE.replace("v1", "v99")]) {
      await rejected(authenticator.find(byCookie(cookie), context), "INVALID_COOKIE");
    }
    expect(asked).to.deep.equal([]);
  });

  it("ASVS 9.1: reads no row for a forged MAC", async () => {
    const { authenticator, asked, audit } = setUp({});
    const forged = signCookie(SESSION_ID, SIGNING_KEY_ID, new MacKey(Buffer.alloc(32)));
    await rejected(authenticator.find(byCookie(forged), context), "INVALID_COOKIE");
    expect(asked).to.deep.equal(["key"]);
    expect(audit, "anyone could fill the audit with these").to.deep.equal([]);
  });

  it("A09: tells a key that does not exist from an outage", async () => {
    const absent = setUp({ key: () => undefined });
    await rejected(absent.authenticator.find(byCookie(), context), "SIGNING_KEY_NOT_FOUND");
    const outage = setUp({
      key: () => {
        throw new SessionError("STORAGE_UNAVAILABLE");
      },
    });
    await rejected(outage.authenticator.find(byCookie(), context), "STORAGE_UNAVAILABLE");
  });

  it("A09: believes the row, not the memory, that a key is gone", async () => {
    const { authenticator } = setUp({
      cookieLookup: { signingKey: undefined, session: undefined },
    });
    await rejected(authenticator.find(byCookie(), context), "SIGNING_KEY_NOT_FOUND");
  });

  it("A10, A11: accepts a key in its retention and refuses it past that", async () => {
    const retired = setUp({
      cookieLookup: { signingKey: { retiredAt: EXPIRED_KEY.retiredAt + 1 } },
    });
    await retired.authenticator.findLive(byCookie(), context);
    const expired = setUp({ cookieLookup: { signingKey: EXPIRED_KEY } });
    await rejected(expired.authenticator.find(byCookie(), context), "SIGNING_KEY_RETIRED");
    expect(expired.audit.map(({ details }) => details.reason)).to.deep.equal([
      "SIGNING_KEY_RETIRED",
    ]);
    const gone = setUp({ cookieLookup: { signingKey: EXPIRED_KEY, session: undefined } });
    await rejected(gone.authenticator.find(byCookie(), context), "SIGNING_KEY_RETIRED");
    expect(gone.audit).to.deep.equal([]);
  });

  it("ASVS 7.2.1: refuses a genuine cookie without a row", async () => {
    const { authenticator } = setUp({ cookieLookup: { session: undefined } });
    await rejected(authenticator.find(byCookie(), context), "INVALID_COOKIE");
  });

  it("ASVS 8.2.2: refuses another tenant's session like a wrong cookie, and audits it", async () => {
    const { authenticator, audit } = setUp({});
    await authenticator.find(byCookie(COOKIE, TENANT), context);
    const foreign = authenticator.find(byCookie(COOKIE, "other" as TenantId), context);
    await rejected(foreign, "INVALID_COOKIE");
    expect(audit.map(({ tenantId }) => tenantId)).to.deep.equal([TENANT]);
  });
});

describe("authenticator: by id", () => {
  it("finds the session, and refuses one that is not there or of another tenant", async () => {
    const there = setUp({ session: aSession() }).authenticator;
    expect((await there.find(byId, context)).session.id).to.equal(SESSION_ID);
    await there.find({ ...byId, tenantId: TENANT }, context);
    const foreign = there.find({ ...byId, tenantId: "other" as TenantId }, context);
    await rejected(foreign, "SESSION_NOT_FOUND");
    await rejected(setUp({}).authenticator.find(byId, context), "SESSION_NOT_FOUND");
  });
});

describe("authenticator: live sessions", () => {
  const cases = [
    ["A06", "EXPIRED_IDLE", { lastSeenAt: T0 - timeouts.idleMs }],
    ["A07", "EXPIRED_ABSOLUTE", { absoluteExpiresAt: T0, lastSeenAt: T0 - timeouts.idleMs }],
    ["A08", "REVOKED", { revokedAt: T0, absoluteExpiresAt: T0 }],
  ] as const;
  for (const [id, reason, facts] of cases) {
    it(`${id}: refuses with ${reason}, audited, what may still be found`, async () => {
      const { authenticator, audit } = setUp({ session: aSession(facts) });
      await authenticator.find(byId, context);
      expect(audit).to.deep.equal([]);
      await rejected(authenticator.findLive(byId, context), reason);
      expect(audit.map(({ details }) => details.reason)).to.deep.equal([reason]);
    });
  }
});
