import { randomBytes } from "node:crypto";
import { expect } from "chai";
import { openSession, validate } from "../support/actors.ts";
import { databaseEnv, useSessiond } from "../support/sessiond-process.ts";
import { until } from "../support/until.ts";

const BROKEN = "an idle database connection broke";

describe("sessiond as a process: database connections", () => {
  const sessiond = useSessiond();

  it("serves as a role that owns its database and may do nothing else", async () => {
    const admin = await sessiond.database();
    const name = `own_${randomBytes(6).toString("hex")}`;
    await admin.sql(`CREATE ROLE ${name} LOGIN PASSWORD 'secret'`);
    await admin.sql(`CREATE DATABASE ${name} OWNER ${name} TEMPLATE template0`);
    try {
      const url = new URL(admin.url);
      url.username = name;
      url.password = "secret";
      url.pathname = `/${name}`;
      const serving = await sessiond.serve({ env: databaseEnv({ url: url.href }) });
      const { cookie } = await openSession(serving.client);
      await validate(serving.client, cookie);
      await serving.end("SIGTERM");
    } finally {
      await admin.sql(`DROP DATABASE ${name} WITH (FORCE)`);
      await admin.sql(`DROP ROLE ${name}`);
    }
  });

  it("logs one short line when an idle one breaks, without the driver's client", async () => {
    const database = await sessiond.database();
    const serving = await sessiond.serve({ env: databaseEnv(database) });
    await database.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'sessiond'`,
    );
    await until("it is logged", async () => serving.stderr.includes(BROKEN));
    const { stderr } = await serving.end("SIGTERM");
    const lines = stderr.split("\n").filter((line) => line.includes(BROKEN));
    for (const line of lines) {
      expect(line.length, line).to.be.below(400);
      expect(JSON.parse(line)).to.include({ code: "57P01" });
    }
    expect(stderr).not.to.match(/processID|secretKey/);
  });
});
