import { type Duration, durationFromMs, type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { expect } from "chai";
import type { Session } from "../../gen/es/sessiond/v1/session_pb.ts";
import { timeoutProfileNames, timeoutProfiles } from "../../src/session/profiles.ts";
import { byId, openSession, validate } from "../support/actors.ts";
import type { Replica } from "../support/app.ts";
import { idle } from "../support/back-dating.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { withReplica } from "../support/with-replica.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

describe("configured timeouts", () => {
  let database: TestDatabase;

  before(async () => {
    database = await createTestDatabase();
  });
  after(() => database.drop());

  const withEnv = (env: Record<string, string>, work: (replica: Replica) => Promise<unknown>) =>
    withReplica(database.url, { env }, work);

  function timeoutsOf(session: Session | undefined) {
    const since = (end: Timestamp | undefined, start: Timestamp | undefined) =>
      end && start && timestampMs(end) - timestampMs(start);
    return {
      idle: since(session?.idleExpiresAt, session?.lastSeenAt),
      absolute: since(session?.absoluteExpiresAt, session?.createdAt),
    };
  }

  for (const { env, idleMs, absoluteMs } of [
    { env: {}, idleMs: 30 * MINUTE, absoluteMs: 12 * HOUR },
    { env: { SESSIOND_TIMEOUT_PROFILE: "workday" }, idleMs: 4 * HOUR, absoluteMs: 8 * HOUR },
    {
      env: { SESSIOND_IDLE_TIMEOUT: "4h", SESSIOND_ABSOLUTE_TIMEOUT: "8h" },
      idleMs: 4 * HOUR,
      absoluteMs: 8 * HOUR,
    },
    { env: { SESSIOND_TIMEOUT_PROFILE: "nist-aal2" }, idleMs: HOUR, absoluteMs: 24 * HOUR },
    { env: { SESSIOND_TIMEOUT_PROFILE: "nist-aal3" }, idleMs: 15 * MINUTE, absoluteMs: 12 * HOUR },
    { env: { SESSIOND_TIMEOUT_PROFILE: "remember-me" }, idleMs: 14 * DAY, absoluteMs: 90 * DAY },
  ]) {
    const settings = Object.entries(env).map((pair) => pair.join("="));
    const minutes = `${idleMs / MINUTE} and ${absoluteMs / MINUTE} minutes`;
    it(`are ${minutes}: ${settings.join(" ") || "the defaults"} (A27, B11)`, async () => {
      await withEnv(env, async ({ client }) => {
        const { id, cookie, created } = await openSession(client);
        expect(timeoutsOf(created.session)).to.deep.equal({ idle: idleMs, absolute: absoluteMs });

        await idle(database, id, idleMs / 1000 - 60);
        await validate(client, cookie);
        await idle(database, id, idleMs / 1000);
        await expectFailure(validate(client, cookie), "EXPIRED_IDLE");
      });
    });
  }

  it("do not change those of open sessions (A27)", async () => {
    await withEnv({}, async ({ client }) => {
      const { id } = await openSession(client);
      await withEnv({ SESSIOND_TIMEOUT_PROFILE: "workday" }, async (other) => {
        const { session } = await other.client.get({ session: byId(id) });
        expect(timeoutsOf(session)).to.deep.equal({ idle: 30 * MINUTE, absolute: 12 * HOUR });
      });
    });
  });

  it("bound what Create may ask for by the maxima (A27)", async () => {
    const env = { SESSIOND_MAX_IDLE_TIMEOUT: "2h", SESSIOND_MAX_ABSOLUTE_TIMEOUT: "24h" };
    await withEnv(env, async ({ client }) => {
      const open = (idleMs: number, absoluteMs: number) => {
        const [idleTimeout, absoluteTimeout] = [idleMs, absoluteMs].map(durationFromMs) as [
          Duration,
          Duration,
        ];
        return openSession(client, { idleTimeout, absoluteTimeout });
      };

      const { created } = await open(2 * HOUR, 24 * HOUR);
      expect(timeoutsOf(created.session)).to.deep.equal({ idle: 2 * HOUR, absolute: 24 * HOUR });
      await expectFailure(open(2 * HOUR + 1000, 24 * HOUR), "INVALID_REQUEST", {
        field: "idle_timeout",
      });
      await expectFailure(open(2 * HOUR, 24 * HOUR + 1000), "INVALID_REQUEST", {
        field: "absolute_timeout",
      });
    });
  });

  for (const minutes of [3, 45]) {
    it(`are both ${minutes} minutes before login if configured so (A25, A27)`, async () => {
      await withEnv({ SESSIOND_PRE_LOGIN_TIMEOUT: `${minutes}m` }, async ({ client }) => {
        const { created } = await openSession(client, { preLogin: true });
        const ms = minutes * MINUTE;
        expect(timeoutsOf(created.session)).to.deep.equal({ idle: ms, absolute: ms });
      });
    });
  }

  it("include the time for which a retired key verifies (A11, A27)", async () => {
    const tenantId = "tenant-retention";
    const actor = { tenantId, actorType: "user", actorId: "user" };
    await withEnv({ SESSIOND_SIGNING_KEY_RETENTION: "20h" }, async ({ client }) => {
      const { cookie } = await openSession(client, { actor });
      const { retiredKey } = await client.rotateSigningKey({ tenantId, actingActorId: "admin" });
      expect(
        timestampMs(retiredKey?.verifiesUntil as Timestamp) -
          timestampMs(retiredKey?.retiredAt as Timestamp),
      ).to.equal(20 * HOUR);
      const retire = (hours: number) =>
        database.sql("UPDATE signing_keys SET retired_at = now() - $2::interval WHERE id = $1", [
          retiredKey?.id,
          `${hours} hours`,
        ]);

      await retire(19);
      await validate(client, cookie);
      await retire(20);
      await expectFailure(validate(client, cookie), "SIGNING_KEY_RETIRED");
    });
  });

  it("include the interval within which a second touch is not written (A27, fault 8)", async () => {
    const touchTwice = async (client: Replica["client"], idleSeconds: number) => {
      const { id } = await openSession(client);
      await idle(database, id, idleSeconds);
      const touch = async () => (await client.touch({ session: byId(id) })).touched;
      return [await touch(), await touch()];
    };
    await withEnv({ SESSIOND_TOUCH_INTERVAL: "5m" }, async ({ client }) => {
      expect(await touchTwice(client, 4 * 60)).to.deep.equal([false, false]);
      expect(await touchTwice(client, 5 * 60)).to.deep.equal([true, false]);
    });
    await withEnv({ SESSIOND_TOUCH_INTERVAL: "0s" }, async ({ client }) => {
      expect(await touchTwice(client, 0)).to.deep.equal([true, true]);
    });
    await withEnv({}, async ({ client }) => {
      expect(await touchTwice(client, 15), "30 s by default").to.deep.equal([false, false]);
      expect(await touchTwice(client, 30), "30 s by default").to.deep.equal([true, false]);
    });
  });

  it("include the times of the warnings (A27, B10)", async () => {
    const env = { SESSIOND_IDLE_WARNING: "20m", SESSIOND_ABSOLUTE_WARNING: "0s" };
    await withEnv(env, async ({ client }) => {
      const { id, cookie } = await openSession(client);
      expect((await validate(client, cookie)).expiryWarning).to.equal(false);
      await idle(database, id, 10 * 60);
      expect((await validate(client, cookie)).expiryWarning).to.equal(true);
    });
  });

  for (const { setting, ip, userAgent } of [
    { setting: "SESSIOND_BIND_IP", ip: "IP_MISMATCH", userAgent: undefined },
    { setting: "SESSIOND_BIND_USER_AGENT", ip: undefined, userAgent: "USER_AGENT_MISMATCH" },
  ] as const) {
    it(`stand beside ${setting}, which binds to that only (A14, A15, A27)`, async () => {
      await withEnv({ [setting]: "true" }, async ({ client }) => {
        const { cookie } = await openSession(client, { ipAddress: "192.0.2.1", userAgent: "A/1" });
        const check = (
          reason: typeof ip | typeof userAgent,
          changed: { ipAddress?: string; userAgent?: string },
        ) => {
          const call = client.validate({
            credential: { case: "cookie", value: cookie },
            ...changed,
          });
          return reason === undefined ? call : expectFailure(call, reason);
        };
        await check(ip, { ipAddress: "192.0.2.2" });
        await check(userAgent, { userAgent: "B/1" });
      });
    });
  }

  it("have profiles with the figures of the sources that they name (B11, ASVS 7.1.1, ASVS 7.3)", () => {
    const figures = timeoutProfileNames.map((name) => {
      const { idleMs, absoluteMs, source } = timeoutProfiles[name];
      expect(source, name).to.match(/\.$/);
      expect(idleMs, name).to.be.at.most(absoluteMs);
      return [name, [idleMs, absoluteMs]];
    });
    expect(Object.fromEntries(figures)).to.deep.equal({
      "nist-aal1": [30 * DAY, 30 * DAY],
      "nist-aal2": [HOUR, DAY],
      "nist-aal3": [15 * MINUTE, 12 * HOUR],
      workday: [4 * HOUR, 8 * HOUR],
      "remember-me": [14 * DAY, 90 * DAY],
    });
  });
});
