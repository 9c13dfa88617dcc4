import { expect } from "chai";
import { databaseHostUrls, databaseUrlProblem } from "../../src/config/database-url.ts";
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
    ["target_session_attrs=standby", /target_session_attrs must be read-write: sessiond writes/],
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

  it("may have several hosts, of which the one that accepts writes is used (P05)", () => {
    const query = "sslmode=verify-full&target_session_attrs=read-write";
    for (const [url, urls] of [
      [
        `postgres://u:canary%2C@a:5432,b:5433,[::1]/x?${query}`,
        [
          `postgres://u:canary%2C@a:5432/x?${query}`,
          `postgres://u:canary%2C@b:5433/x?${query}`,
          `postgres://u:canary%2C@[::1]/x?${query}`,
        ],
      ],
      [
        "postgres://u@/x?host=/run/a,/run/b&port=5432,5433&target_session_attrs=primary",
        [
          "postgres://u@/x?host=%2Frun%2Fa&port=5432&target_session_attrs=primary",
          "postgres://u@/x?host=%2Frun%2Fb&port=5433&target_session_attrs=primary",
        ],
      ],
      [
        "postgres://a,b/x?port=5433&target_session_attrs=read-write",
        [
          "postgres://a/x?port=5433&target_session_attrs=read-write",
          "postgres://b/x?port=5433&target_session_attrs=read-write",
        ],
      ],
      ["postgres://a/x?target_session_attrs=any", ["postgres://a/x?target_session_attrs=any"]],
    ] as const) {
      expect(databaseUrlProblem(url), url).to.equal(undefined);
      expect(databaseHostUrls(url)).to.deep.equal(urls);
    }
  });

  it("must say with several hosts that it wants the one that accepts writes (P05)", () => {
    for (const url of [
      "postgres://a,b/x",
      "postgres://user:canary@a:5432,b:5432/x?target_session_attrs=any",
      "postgres:///x?host=a,b&target_session_attrs=prefer-standby",
    ]) {
      const problem = databaseUrlProblem(url);
      expect(problem).to.match(/target_session_attrs must be read-write: sessiond writes/);
      expect(problem).not.to.match(SECRETS);
    }
  });

  it("must name each of several hosts, with one port for all or one for each (P05)", () => {
    const query = "?target_session_attrs=read-write";
    for (const [url, problem] of [
      [`postgres://user:canary@a,/x${query}`, /one of its hosts has no name/],
      [`postgres://user:canary@:5432,b/x${query}`, /one of its hosts has no name/],
      [`postgres:///x${query}&host=a,,b`, /one of its hosts has no name/],
      [`postgres:///x${query}&host=a,b&port=1,2,3`, /one port, or as many as there are hosts/],
      [`postgres://a,b/x${query}&host=c&host=d`, /its parameter host is there twice/],
      [`postgres://user:canary@a,b:port/x${query}`, /must be a postgres:/],
    ] as const) {
      expect(databaseUrlProblem(url), url).to.match(problem).and.not.to.match(SECRETS);
    }
  });
});
