import { expect } from "chai";
import { decodeJwt, decodeProtectedHeader, errors } from "jose";
import { TokenKeyState } from "../../gen/es/sessiond/v1/session_pb.ts";
import { openSession } from "../support/actors.ts";
import { type Replica, startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { freezeClock } from "../support/frozen-clock.ts";
import { numbers } from "../support/in-parallel.ts";
import { T0 } from "../support/session-fixtures.ts";
import {
  fetchJwks,
  publishedKids,
  TOKENS_ENV,
  tokenFor,
  validateForToken,
  verify,
} from "../support/tokens.ts";
import { holdTransaction } from "../support/transaction.ts";
import { startTwoReplicas, type TwoReplicas } from "../support/two-replicas.ts";
import { until, untilWaiting } from "../support/until.ts";
import { withReplica } from "../support/with-replica.ts";

const acting = { actingActorId: "root" };
const withTokens = { env: TOKENS_ENV };
const MINUTE = 60_000;

const withoutEnd = ({ app }: TwoReplicas) =>
  app.sql<{ id: string }>("SELECT id FROM token_keys WHERE published_until IS NULL");

/** Rotations at once, half of them on each replica. */
function rotateAtOnce({ app, other }: TwoReplicas, count: number) {
  return Promise.all(
    numbers(count).map((index) =>
      (index % 2 ? app : other).client.rotateTokenKey({ ...acting, immediately: index % 3 === 0 }),
    ),
  );
}

function untilPublished(replicas: readonly Pick<Replica, "url">[], kid = "") {
  return Promise.all(
    replicas.map(({ url }) =>
      until("the key is published", async () => (await publishedKids(url)).includes(kid)),
    ),
  );
}

describe("token-key rotation", () => {
  it("leaves one key without an end after 200 at once on two replicas (H07)", async () => {
    const replicas = await startTwoReplicas(withTokens);
    try {
      const rotations = await rotateAtOnce(replicas, 200);
      const made = rotations.map(({ newKey }) => newKey?.id);
      expect(new Set(made).size).to.equal(200);
      const left = await withoutEnd(replicas);
      expect(left).to.have.length(1);
      expect(made).to.include(left[0]?.id);
      const { app, other } = replicas;
      const audited = await app.sql(
        "SELECT resource_id FROM audit_events WHERE action = 'auth.token_key_rotated'",
      );
      expect(audited.map(({ resource_id }) => resource_id)).to.have.members(made);
      // What is signed is verified by what is published, as soon as both have read the keys again.
      await untilPublished([app, other], left[0]?.id);
      const { cookie } = await openSession(app.client);
      for (const [one, two] of [
        [app, other],
        [other, app],
      ] as const) {
        await verify(await tokenFor(one.client, cookie), two.url);
      }
    } finally {
      await replicas.stop();
    }
  });

  it("lets no token be issued meanwhile that is not verified (H07)", async () => {
    const replicas = await startTwoReplicas(withTokens);
    const { app, other } = replicas;
    try {
      let rotating = true;
      const users = numbers(4).map(async (index) => {
        const [here, there] = index % 2 ? [app, other] : [other, app];
        let tokens = 0;
        while (rotating || tokens === 0) {
          const { cookie } = await openSession(here.client);
          await verify(await tokenFor(here.client, cookie), there.url);
          tokens += 1;
        }
        return tokens;
      });
      try {
        for (const _ of numbers(5)) {
          const { newKey } = await app.client.rotateTokenKey(acting);
          await untilPublished([app, other], newKey?.id);
          // As if the rest of the delay had passed: the new key signs.
          await app.sql(
            `UPDATE token_keys SET signs_from = signs_from - interval '10 minutes',
               published_until = published_until - interval '10 minutes'
             WHERE signs_from > now()`,
          );
        }
      } finally {
        rotating = false;
      }
      for (const tokens of await Promise.all(users)) expect(tokens).to.be.at.least(1);
    } finally {
      await replicas.stop();
    }
  });

  it("the control: without the unique index, there is more than one key without an end", async () => {
    const unguarded = await startTwoReplicas(withTokens);
    try {
      await unguarded.app.sql("DROP INDEX token_keys_one_without_end");
      for (const _ of numbers(20)) {
        // They all have to wait for the key without an end, so that they meet.
        const held = await holdTransaction(unguarded.app.database);
        await held.query("SELECT FROM token_keys WHERE published_until IS NULL FOR UPDATE");
        const rotations = rotateAtOnce(unguarded, 20);
        await untilWaiting(unguarded.app.sql, 2);
        await held.commit();
        await rotations;
        if ((await withoutEnd(unguarded)).length > 1) return;
      }
      expect.fail("the rotations did not collide, so that nothing was shown");
    } finally {
      await unguarded.stop();
    }
  });
});

describe("a token key that has leaked", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp(withTokens);
  });
  after(() => app?.stop());

  it("leaves the set at once, with a key that waits, and signs no more, not even a cached token (H08)", async () => {
    const { cookie } = await openSession(app.client);
    const leaked = await tokenFor(app.client, cookie);
    const waiting = (await app.client.rotateTokenKey(acting)).newKey;
    const { newKey, retiredKeys } = await app.client.rotateTokenKey({
      ...acting,
      immediately: true,
    });
    expect(newKey).to.include({ state: TokenKeyState.ACTIVE });
    const leakedKid = decodeProtectedHeader(leaked).kid;
    expect(retiredKeys.map(({ id, state }) => [id, state])).to.deep.equal([
      [waiting?.id, TokenKeyState.RETIRED],
      [leakedKid, TokenKeyState.RETIRED],
    ]);
    expect(await publishedKids(app.url)).to.deep.equal([newKey?.id]);
    const error = await verify(leaked, app.url).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(errors.JWKSNoMatchingKey);
    const token = await tokenFor(app.client, cookie);
    expect(decodeProtectedHeader(token).kid).to.equal(newKey?.id);
    await verify(token, app.url);
  });

  it("is unknown to another replica within a second of its being asked for the set (H08)", () =>
    withReplica(app.database.url, withTokens, async (other) => {
      await fetchJwks(other.url);
      const { newKey } = await app.client.rotateTokenKey({ ...acting, immediately: true });
      await untilPublished([other], newKey?.id);
      expect(await publishedKids(other.url)).to.deep.equal([newKey?.id]);
    }));

  it("is in no log, error or audit, and neither is a token (H08)", async () => {
    const lines: string[] = [];
    const secrets: string[] = [];
    const options = { ...withTokens, onLog: (line: string) => lines.push(line) };
    await withReplica(app.database.url, options, async ({ client }) => {
      const { cookie, id } = await openSession(client);
      secrets.push(await tokenFor(client, cookie));
      await client.rotateTokenKey({ ...acting, immediately: true });
      secrets.push(await tokenFor(client, cookie));
      const refused = validateForToken(client, cookie, { csrfToken: "wrong" });
      lines.push(String(await refused.catch((thrown: unknown) => thrown)));
      await app.sql("DELETE FROM sessions WHERE id = $1", [id]);
      const gone = validateForToken(client, cookie);
      lines.push(JSON.stringify(await gone.catch((thrown: unknown) => thrown)));
    });
    const audit = await app.sql("SELECT * FROM audit_events");
    const everything = lines.join("\n") + JSON.stringify(audit);
    expect(everything).to.include("session_created");
    for (const token of secrets) {
      for (const part of token.split(".").slice(1)) expect(everything).not.to.include(part);
    }
    expect(everything).not.to.match(/"d":|PRIVATE/);
  });
});

describe("the time of tokens", () => {
  let app: TestApp;
  let replica: Replica | undefined;
  before(async () => {
    app = await startTestApp(withTokens);
  });
  afterEach(async () => {
    await replica?.stop();
    replica = undefined;
  });
  after(() => app?.stop());

  for (const aheadMs of [-5 * MINUTE, 0, 5 * MINUTE]) {
    it(`is the database's, with a process's clock ${aheadMs / MINUTE} min ahead (H04, H07)`, async () => {
      const clock = await freezeClock(app.database, T0);
      await app.sql("DELETE FROM token_keys");
      const { now } = Date;
      Date.now = () => T0 + aheadMs;
      try {
        replica = await startReplica(clock.url, withTokens);
        const { cookie } = await openSession(replica.client);
        const first = await tokenFor(replica.client, cookie);
        expect(decodeJwt(first)).to.include({ iat: T0 / 1000, exp: T0 / 1000 + 60 });
        const { newKey } = await replica.client.rotateTokenKey(acting);
        const kidAt = async (ms: number) => {
          await clock.set(T0 + ms);
          return decodeProtectedHeader(await tokenFor((replica as Replica).client, cookie)).kid;
        };
        const old = decodeProtectedHeader(first).kid;
        expect(await kidAt(10 * MINUTE - 1)).to.equal(old);
        expect(await kidAt(10 * MINUTE)).to.equal(newKey?.id);
      } finally {
        Date.now = now;
      }
    });
  }
});
