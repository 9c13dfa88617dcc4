import { create, toBinary } from "@bufbuild/protobuf";
import { expect } from "chai";
import { SessionLimitDetailSchema } from "../../gen/es/sessiond/v1/error_pb.ts";
import {
  CreateRequestSchema,
  SessionService,
} from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { byCookie, newActor, newTenant, openSession, type TestActor } from "../support/actors.ts";
import { startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { age } from "../support/back-dating.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { createGrpcClients } from "../support/grpc-clients.ts";
import { numbers } from "../support/in-parallel.ts";

const LIMIT = 12;
/** As many as the detail has at most. */
const SHOWN = 10;
/** What libraries of gRPC accept in headers or trailers by default is 8 KiB or more. */
const MAX_TRAILER_BYTES = 4096;

describe("the detail of SESSION_LIMIT_REACHED (F08)", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp({
      env: {
        SESSIOND_MAX_SESSIONS_PER_ACTOR: String(LIMIT),
        SESSIOND_SESSION_LIMIT_POLICY: "reject",
      },
    });
  });
  after(() => app.stop());

  /** As many sessions as are allowed, the oldest first. */
  async function fill(actor: TestActor, facts: Parameters<typeof openSession>[1] = {}) {
    const opened = [];
    for (const index of numbers(LIMIT)) {
      const session = await openSession(app.client, { ...facts, actor });
      await age(app, session.id, 10 * (LIMIT - index));
      opened.push(session);
    }
    return opened;
  }

  async function detailOf(call: Promise<unknown>) {
    const error = await expectFailure(call, "SESSION_LIMIT_REACHED");
    const [detail] = error.findDetails(SessionLimitDetailSchema);
    return detail ?? expect.fail("there is no SessionLimitDetail");
  }

  it("has the limit, the total, and the ten oldest sessions, oldest first", async () => {
    const actor = newActor();
    const facts = { appType: "shop", ipAddress: "192.0.2.7", userAgent: "Browser/1" };
    const opened = await fill(actor, facts);
    const detail = await detailOf(app.client.create({ actor }));
    expect([detail.limit, detail.total]).to.deep.equal([LIMIT, LIMIT]);
    const { sessions: live } = await app.client.list({ actor });
    const oldest = live.toReversed().slice(0, SHOWN);
    expect(oldest[0]?.id).to.equal(opened[0]?.id);
    expect(
      detail.sessions.map(({ $typeName, ...shown }) => shown),
      "as List has them",
    ).to.deep.equal(
      oldest.map(({ id, createdAt, lastSeenAt }) => ({ ...facts, id, createdAt, lastSeenAt })),
    );
  });

  it("has all live sessions of the actor and none of another actor, type or tenant", async () => {
    const actor = newActor();
    const others = [
      newActor(),
      { ...actor, tenantId: newTenant() },
      { ...actor, actorType: "service_account" },
    ];
    for (const other of others) await fill(other);
    const opened = await fill(actor);
    await app.client.create({ actor, preLogin: true });
    const { sessions } = await detailOf(app.client.create({ actor }));
    const own = opened.slice(0, SHOWN).map(({ id }) => id);
    expect(sessions.map(({ id }) => id)).to.deep.equal(own);
  });

  it("has the real total if the limit was lowered, and leaves out the session to replace", async () => {
    const actor = newActor();
    const [first, second] = await fill(actor);
    const lowered = await startReplica(app.database.url, {
      env: { SESSIOND_MAX_SESSIONS_PER_ACTOR: "2", SESSIOND_SESSION_LIMIT_POLICY: "reject" },
    });
    try {
      const replaces = byCookie(first?.cookie ?? "");
      const detail = await detailOf(lowered.client.create({ actor, replaces }));
      expect([detail.limit, detail.total]).to.deep.equal([2, LIMIT - 1]);
      expect(detail.sessions[0]?.id).to.equal(second?.id);
    } finally {
      await lowered.stop();
    }
  });

  it("cuts user agents, and no character in two", async () => {
    const actor = newActor();
    await fill(actor, { userAgent: `a${"😀".repeat(511)}` });
    const { sessions } = await detailOf(app.client.create({ actor }));
    const expected = `a${"😀".repeat(21)}`;
    expect(sessions.map(({ userAgent }) => userAgent)).to.deep.equal(
      numbers(SHOWN).map(() => expected),
    );
  });

  describe("at its largest", () => {
    const actor = newActor();
    before(() =>
      fill(actor, {
        appType: "a".repeat(64),
        ipAddress: numbers(8)
          .map((index) => `abc${index}`)
          .join(":"),
        userAgent: "😀".repeat(512),
      }),
    );

    it("takes at most 4 KiB of the trailers", async () => {
      const error = await expectFailure(app.client.create({ actor }), "SESSION_LIMIT_REACHED");
      const trailer = error.metadata.get("grpc-status-details-bin") ?? "";
      expect(trailer.length).to.be.within(MAX_TRAILER_BYTES / 2, MAX_TRAILER_BYTES);
    });

    for (const client of createGrpcClients()) {
      it(`reaches ${client.name}`, async function () {
        if (!(await client.prepare())) return this.skip();
        try {
          const path = `/${SessionService.typeName}/Create`;
          const request = create(CreateRequestSchema, { actor });
          const message = toBinary(CreateRequestSchema, request);
          const target = new URL(app.url).host;
          const [result] = await client.call([{ target, path, message }]);
          expect([result?.code, result?.reason]).to.deep.equal([
            "FAILED_PRECONDITION",
            "SESSION_LIMIT_REACHED",
          ]);
        } finally {
          await client.cleanUp();
        }
      });
    }
  });
});
