import { expect } from "chai";
import { databaseUrlProblem } from "../../src/config/database-url.ts";
import { expectProblem, keyOf } from "./helpers.ts";

/** Parts of a password that no message may have. */
const SECRETS = /canary|secret/;

describe("the URL of the database", () => {
  it("may have any parameter that works, an IPv6 address or a Unix socket", () => {
    for (const url of [
      "postgres://db/x",
      "postgresql://user@db:5432/x",
      "postgres://user:canary@[::1]:5432/x",
      "postgres://user:canary@/x?host=/var/run/postgresql",
      "postgres:///x?host=/var/run/postgresql&port=5433&user=u&password=canary",
      "postgres://user:canary@%2Fvar%2Frun%2Fpostgresql/x",
      "postgres://user:%25%40%2F%23%3F%3A@db/x",
      "postgres://db/x?sslmode=disable",
      "postgres://db/x?sslmode=require",
      "postgres://db/x?sslmode=verify-ca&sslrootcert=/ca.pem",
      "postgres://db/x?sslmode=verify-full&sslcert=c.pem&sslkey=k.pem&sslnegotiation=direct",
      "postgres://db/x?application_name=sessiond-eu&options=-c%20search_path%3Dsessiond",
    ]) {
      expect(databaseUrlProblem(url), url).to.equal(undefined);
    }
  });

  it("says how to percent-encode, without a part of the password", () => {
    for (const url of [
      "postgres://user:canary%@db/x",
      "postgres://user:canary%zzsecret@db/x",
      "postgres://user:canary%ffsecret@db/x",
      "postgres://user:canary@secret@db/x",
      "postgres://user:canary@secret/secret@db/x",
      "postgres://user:canary/secret@db/x",
      "postgres://user:12/secret@db/x",
      "postgres://user:canary?secret@db/x",
      "postgres://user:12?secret@db/x",
      "postgres://user:12?secret=1@db/x",
      "postgres://user:canary#secret@db/x",
      "postgres://user:12#secret@db/x",
      "postgres://user:canary[secret/x",
      "postgres://db/x?password=canary@secret",
    ]) {
      const problem = databaseUrlProblem(url);
      expect(problem, url).to.include("% as %25, @ as %40, / as %2F, # as %23, ? as %3F");
      expect(problem, url).not.to.match(SECRETS);
    }
  });

  it("does not quote what follows an unencoded & of the password", () => {
    const problem = databaseUrlProblem("postgres://db/x?user=u&password=canary&secret");
    expect(problem).to.include("in the password, percent-encode & as %26");
    expect(problem).not.to.match(SECRETS);
  });

  it("has no space or line break", () => {
    for (const space of [" ", "\n", "\t", "\u00a0", "\0"]) {
      const problem = databaseUrlProblem(`postgres://user:canary${space}secret@db/x`);
      expect(problem).to.include("percent-encode a space as %20");
      expect(problem).not.to.match(SECRETS);
    }
  });

  const problems: readonly (readonly [query: string, problem: RegExp])[] = [
    ["sslmod=require", /its parameter sslmod is not known: did you mean sslmode\? .* sslrootcert,/],
    ["SSLMODE=require", /its parameter SSLMODE is not known: did you mean sslmode\?/],
    ["ssl%20mode=canary", /it has an unknown parameter: The known ones are sslmode,/],
    ["__proto__=1", /its parameter __proto__ is not known/],
    ["sslmode=disable&sslmode=require", /its parameter sslmode is there twice/],
    ["sslmode=", /its parameter sslmode has no value/],
    [
      "sslmode=prefer",
      /sslmode must not be "prefer" \(it may connect in plain text\): use verify-/,
    ],
    ["sslmode=allow", /sslmode must not be "allow" \(it may connect in plain text\)/],
    ["sslmode=no-verify", /sslmode must not be "no-verify" \(its usual name is require\)/],
    ["sslmode=verify_full", /sslmode must not be "verify_full": use verify-full/],
    ["sslmode=constructor", /sslmode must not be "constructor": use/],
    ["sslmode=verify-ca", /sslmode=verify-ca needs sslrootcert/],
    ["sslrootcert=/ca.pem", /its sslrootcert needs TLS: set sslmode=verify-full/],
    ["sslmode=disable&sslnegotiation=direct", /its sslnegotiation needs TLS/],
    ["sslmode=require&sslcert=/c.pem", /both or neither of sslcert and sslkey/],
    ["sslmode=verify-full&sslrootcert=system", /sslrootcert must name a file/],
    ["sslmode=verify-full&sslnegotiation=tls", /sslnegotiation must be postgres or direct/],
    ["ssl=true", /parameter ssl is not supported: use sslmode/],
    ["connect_timeout=10", /connect_timeout .* SESSIOND_DATABASE_CONNECT_TIMEOUT/],
    ["statement_timeout=10", /statement_timeout .* SESSIOND_DATABASE_STATEMENT_TIMEOUT/],
    ["connection_limit=5", /connection_limit .* SESSIOND_DATABASE_POOL_SIZE/],
    ["pgbouncer=true", /pgbouncer .* SESSIOND_DATABASE_PREPARED_STATEMENTS=false/],
    ["target_session_attrs=read-write", /target_session_attrs .* leave it out/],
  ];
  for (const [query, problem] of problems) {
    it(`must not have ?${query}`, () => {
      const found = databaseUrlProblem(`postgres://user:canary@db/x?${query}`);
      expect(found).to.match(problem);
      expect(found).not.to.match(SECRETS);
    });
  }

  it("is checked when the configuration is loaded", () => {
    expectProblem(
      {
        SESSIOND_DATABASE_URL: "postgres://user:canary@db/x?sslmod=require",
        SESSIOND_KEY_ENCRYPTION_KEYS: keyOf(1),
      },
      "SESSIOND_DATABASE_URL (hidden): its parameter sslmod is not known: did you mean sslmode?",
    );
  });

  it("names one host", () => {
    for (const url of [
      "postgres://a,b/x",
      "postgres://user:canary@a:5432,b:5432/x",
      "postgres:///x?host=a,b",
    ]) {
      expect(databaseUrlProblem(url)).to.match(/several hosts: name one/);
    }
  });
});
