import { createClient } from "@connectrpc/connect";
import { expect } from "chai";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/es/health/v1/health_pb.ts";
import {
  byCookie,
  newActor,
  type OpenedSession,
  openSession,
  validate,
} from "../support/actors.ts";
import { type Replica, startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { idle } from "../support/back-dating.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { numbers } from "../support/in-parallel.ts";
import { type HeldTransaction, holdTransaction } from "../support/transaction.ts";
import { until, untilQueuedBehind, waitingCount } from "../support/until.ts";

const CALLERS = 20;
/** Of ten connections, so many may wait for locks. */
const LOCK_WAITS = 2;
const LIMIT = 3;

describe("a row that another transaction has locked (F12)", () => {
  let app: TestApp;
  let held: HeldTransaction;
  let locked: OpenedSession;

  before(async () => {
    app = await startTestApp({
      env: { SESSIOND_TOUCH_INTERVAL: "0s", SESSIOND_MAX_SESSIONS_PER_ACTOR: String(LIMIT) },
    });
  });
  beforeEach(async () => {
    locked = await openSession(app.client);
    held = await holdTransaction(app.database);
    await held.query("SELECT FROM sessions WHERE id = $1 FOR UPDATE", [locked.id]);
  });
  afterEach(() => held.end());
  after(() => app.stop());

  const changes: Record<string, () => Promise<unknown>> = {
    Touch: () => app.client.touch({ session: byCookie(locked.cookie) }),
    Revoke: () => app.client.revoke({ session: byCookie(locked.cookie) }),
    RotateCsrf: () =>
      app.client.rotateCsrf({ target: { case: "session", value: byCookie(locked.cookie) } }),
    UpdateMetadata: () =>
      app.client.updateMetadata({ session: byCookie(locked.cookie), metadata: { key: "value" } }),
    "RotateCsrf of the actor": () =>
      app.client.rotateCsrf({
        target: { case: "actor", value: locked.actor },
        actingActorId: "admin",
      }),
    RevokeAllForActor: () =>
      app.client.revokeAllForActor({
        actor: locked.actor,
        reason: "logout",
        actingActorId: "admin",
      }),
    "Create that replaces": () =>
      app.client.create({ actor: locked.actor, replaces: byCookie(locked.cookie) }),
    "Create that evicts": async () => {
      for (const _ of numbers(LIMIT)) await app.client.create({ actor: locked.actor });
    },
  };
  for (const [name, change] of Object.entries(changes)) {
    it(`holds up ${CALLERS} callers of ${name} on one connection, and no other session`, async () => {
      const waiting = Promise.all(numbers(CALLERS).map(change));
      await untilQueuedBehind(app.sql, held.pid, app);
      await others();
      expect(await waitingCount(app.sql)).to.equal(1);
      await held.commit();
      await waiting;
    });
  }

  it("with others like it, holds up all changes of them on few connections", async () => {
    const rows = await Promise.all(numbers(CALLERS).map(() => openSession(app.client)));
    const ids = rows.map(({ id }) => id);
    await held.query("SELECT FROM sessions WHERE id = ANY ($1) FOR UPDATE", [ids]);
    const waiting = Promise.all(
      rows.map(({ cookie, actor }, index) =>
        index % 2 === 0
          ? app.client.revoke({ session: byCookie(cookie) })
          : app.client.revokeAllForActor({ actor, reason: "logout", actingActorId: "admin" }),
      ),
    );
    await untilQueuedBehind(app.sql, held.pid, app);
    await others();
    await until("few wait", async () => (await waitingCount(app.sql)) <= LOCK_WAITS);
    await held.commit();
    await waiting;
  });

  it("of signing keys, holds up rotations of them on few connections, and no list", async () => {
    const tenants = numbers(CALLERS).map((index) => `tenant-${index}`);
    const actors = tenants.map((tenantId) => newActor({ tenantId }));
    await Promise.all(actors.map((actor) => openSession(app.client, { actor })));
    await held.query("SELECT FROM signing_keys WHERE tenant_id = ANY ($1) FOR UPDATE", [tenants]);
    const waiting = Promise.all(
      tenants.map((tenantId) =>
        app.client.rotateSigningKey({ tenantId, actingActorId: "operator" }),
      ),
    );
    await untilQueuedBehind(app.sql, held.pid, app);
    await others();
    await until("few wait", async () => (await waitingCount(app.sql)) <= LOCK_WAITS);
    expect((await app.client.listSigningKeys({})).signingKeys).not.to.deep.equal([]);
    await held.commit();
    await waiting;
  });

  /** What others do with sessions of their own: all of it succeeds. */
  async function others(): Promise<void> {
    const { client } = app;
    await Promise.all(
      numbers(CALLERS).map(async () => {
        const { actor, cookie } = await openSession(client);
        const session = byCookie(cookie);
        await Promise.all(numbers(5).map(() => validate(client, cookie)));
        await client.touch({ session });
        await client.rotateCsrf({ target: { case: "session", value: session } });
        expect((await client.list({ actor })).sessions).to.have.length(1);
        expect((await client.revoke({ session })).revoked).to.equal(true);
      }),
    );
  }

  /** A call whose deadline passes while it waits for the row; where the machine is too slow, a longer one. */
  async function waitPastDeadline(timeoutMs = 1000): Promise<void> {
    const { actor } = locked;
    const revocation = { actor, reason: "logout", actingActorId: "admin" };
    const call = app.client.revokeAllForActor(revocation, { timeoutMs });
    const outcome = call.catch((error: unknown) => error);
    const waits = untilQueuedBehind(app.sql, held.pid, app).then(() => "waits");
    const first = await Promise.race([waits, outcome]);
    expect(await outcome).to.be.instanceOf(Error);
    if (first !== "waits") await waitPastDeadline(2 * timeoutMs);
  }

  /** Until PostgreSQL has ended the statements, and their connections have been given back. */
  async function untilNothingWaits(): Promise<void> {
    await until(
      "nothing waits",
      async () => (await waitingCount(app.sql)) === 0 && app.lockWaits() === 0,
    );
  }

  it("leaves no statement behind when the caller cancels or its deadline passes", async () => {
    for (const change of ["revoke", "touch"] as const) {
      const session = byCookie(locked.cookie);
      const abort = new AbortController();
      const call = app.client[change]({ session }, { signal: abort.signal });
      const outcome = call.catch((error: unknown) => error);
      await untilQueuedBehind(app.sql, held.pid, app);
      abort.abort();
      await outcome;
      await untilNothingWaits();
    }
    await waitPastDeadline();
    await untilNothingWaits();
  });
});

describe("a row that stays locked", () => {
  let app: TestApp;
  let impatient: Replica;
  let held: HeldTransaction;

  before(async () => {
    app = await startTestApp();
    impatient = await startReplica(app.database.url, {
      env: { SESSIOND_DATABASE_QUEUE_TIMEOUT: "500ms" },
    });
    held = await holdTransaction(app.database);
  });
  after(async () => {
    await held.end();
    await impatient.stop();
    await app.stop();
  });

  it("is waited for until the queue timeout: OVERLOADED, while the process is alive and ready", async () => {
    const { client, transport } = impatient;
    const { id, cookie, actor } = await openSession(app.client);
    const other = await openSession(app.client, { actor: newActor() });
    await idle(app, id, 60);
    await held.query("SELECT FROM sessions WHERE id = $1 FOR UPDATE", [id]);
    const session = byCookie(cookie);
    for (const call of [
      () => client.touch({ session }),
      () => client.revoke({ session }),
      () => client.rotateCsrf({ target: { case: "session", value: session } }),
      () => client.revokeAllForActor({ actor, reason: "logout", actingActorId: "admin" }),
    ]) {
      await expectFailure(call(), "OVERLOADED");
      const health = createClient(Health, transport);
      for (const service of ["", "sessiond.v1.SessionService"]) {
        expect((await health.check({ service })).status).to.equal(Status.SERVING);
      }
    }
    expect((await validate(app.client, other.cookie)).session?.id).to.equal(other.id);
    expect(await waitingCount(app.sql), "no statement is left").to.equal(0);
  });
});
