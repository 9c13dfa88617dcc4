import { expect } from "chai";
import pg from "pg";
import { databaseAddress } from "../../src/storage/data-source.ts";
import {
  checkServerState,
  ReadOnlyDatabaseError,
  readTimeline,
} from "../../src/storage/server-checks.ts";

describe("database: where it is", () => {
  const addresses = {
    "postgres://user:canary@db.example/x": "db.example:5432",
    "postgres://user:canary@db.example:6432/x?sslmode=disable": "db.example:6432",
    "postgres://user:canary%40%2F%25@[::1]:5433/x": "[::1]:5433",
    "postgres://user:canary@/x?host=/run/postgresql": "/run/postgresql/.s.PGSQL.5432",
    "postgres://user:canary@%2Frun%2Fpostgresql/x": "/run/postgresql/.s.PGSQL.5432",
    "postgres:///x?host=other.example&port=7&user=user&password=canary": "other.example:7",
  };
  for (const [url, address] of Object.entries(addresses)) {
    it(`is ${address} for ${url}`, () => {
      expect(databaseAddress(url)).to.deep.equal({ address, isUnverifiedTls: false });
    });
  }

  it("is not verified with sslmode=require", () => {
    const { isUnverifiedTls } = databaseAddress("postgres://db.example/x?sslmode=require");
    expect(isUnverifiedTls).to.equal(true);
  });
});

describe("database: the state of its server", () => {
  const good = { version: "15.0", versionNumber: 150_000, isStandby: false, isReadOnly: false };

  it("is accepted from version 15.0 on", () => {
    checkServerState(good);
    checkServerState({ ...good, version: "18.4", versionNumber: 180_004 });
    const old = { ...good, version: "14.99", versionNumber: 140_099 };
    expect(() => checkServerState(old)).to.throw(
      "its version is PostgreSQL 14.99; sessiond needs PostgreSQL 15 or newer",
    );
  });

  it("is not accepted for a standby or a read-only database, which may pass", () => {
    expect(() => checkServerState({ ...good, isStandby: true, isReadOnly: true })).to.throw(
      ReadOnlyDatabaseError,
      /as a standby \(pg_is_in_recovery\(\) is true\).*: connect to the primary/,
    );
    expect(() => checkServerState({ ...good, isReadOnly: true })).to.throw(
      ReadOnlyDatabaseError,
      /default_transaction_read_only is on/,
    );
  });

  it("has no timeline if it refuses to tell, which differs from no answer", async () => {
    const answering = (query: () => Promise<unknown>) =>
      readTimeline({ query } as unknown as pg.ClientBase);
    const file = "0000001A0000000000000001";
    expect(await answering(async () => ({ rows: [{ file }] }))).to.equal(26);
    const refused = new pg.DatabaseError("permission denied", 0, "error");
    expect(await answering(() => Promise.reject(refused))).to.equal(0);
    const silent = new Error("Query read timeout");
    const error = await answering(() => Promise.reject(silent)).catch((thrown: unknown) => thrown);
    expect(error).to.equal(silent);
  });
});
