import { expect } from "chai";
import { newActor, openSession } from "../support/actors.ts";
import { type Replica, startReplica } from "../support/app.ts";
import {
  type BadInputApp,
  itRefuses,
  startBadInputApp,
  withoutTrace,
} from "../support/bad-input.ts";
import { expectFailure } from "../support/expect-failure.ts";

describe("bad input: user agent and IP address", () => {
  let app: BadInputApp;
  /** Takes larger messages than the default. */
  let roomy: Replica;
  const bound = { SESSIOND_BIND_IP: "true", SESSIOND_BIND_USER_AGENT: "true" };

  before(async () => {
    app = await startBadInputApp(bound);
    const env = { ...bound, SESSIOND_MAX_MESSAGE_BYTES: "4MiB" };
    roomy = await startReplica(app.database.url, { env });
  });
  after(async () => {
    await roomy?.stop();
    await app.stop();
  });

  const userAgents: Record<string, [sent: string, kept: string]> = {
    "of 256 bytes": ["a".repeat(256), "a".repeat(256)],
    "of 512 characters": ["a".repeat(512), "a".repeat(512)],
    "of 513 characters": ["a".repeat(513), "a".repeat(512)],
    "of 8 KB": ["a".repeat(8192), "a".repeat(512)],
    "of 1 MB": ["a".repeat(1_000_000), "a".repeat(512)],
    "of 300 astral characters, which are more than 512 UTF-16 units": [
      "😀".repeat(300),
      "😀".repeat(300),
    ],
    "of 512 astral characters": ["😀".repeat(512), "😀".repeat(512)],
    "of 600 astral characters": ["😀".repeat(600), "😀".repeat(512)],
    "whose 512th character is astral": [`${"a".repeat(511)}😀z`, `${"a".repeat(511)}😀`],
    "whose 513th character is astral": [`${"a".repeat(512)}😀`, "a".repeat(512)],
    "whose astral characters lie across each even place": [
      `a${"😀".repeat(600)}`,
      `a${"😀".repeat(511)}`,
    ],
    "of a combined character that is cut": [`${"a".repeat(511)}e\u0301`, `${"a".repeat(511)}e`],
    "with control characters": ["a\r\n\tb\u001b[0m\u009b", "a\ufffd\ufffd\ufffdb\ufffd[0m\ufffd"],
    "with NUL": ["a\0", "a\ufffd"],
    "of NUL alone": ["\0", "\ufffd"],
    "with NUL beyond what is kept": [`${"a".repeat(600)}\0`, "a".repeat(512)],
    "of UTF-8 that was decoded as Latin-1": ["Caf\u00c3\u0089", "Caf\u00c3\ufffd"],
    "that is blank": ["  ", "  "],
  };
  for (const [what, [sent, kept]] of Object.entries(userAgents)) {
    it(`logs in with a user agent ${what}, and keeps 512 characters (B02, Hanko #2877)`, async () => {
      const { cookie, created } = await openSession(roomy.client, { userAgent: sent });
      // Cut in the same way, so that the binding does not refuse the very browser.
      const credential = { case: "cookie", value: cookie } as const;
      const { session } = await roomy.client.validate({ credential, userAgent: sent });

      expect(created.session?.userAgent).to.equal(kept);
      expect(session?.userAgent).to.equal(kept);
      expect(kept.isWellFormed()).to.equal(true);
    });
  }

  it("a user agent of 1 MB is too large a message by default", async () => {
    await withoutTrace(app, async () => {
      const call = app.client.create({ actor: newActor(), userAgent: "a".repeat(1_000_000) });
      await expectFailure(call, "REQUEST_TOO_LARGE");
    });
  });

  it("the binding accepts what an older version stored with control characters", async () => {
    const userAgent = "Browser\t1.0";
    const { id, cookie } = await openSession(app.client, { userAgent });
    await app.sql("UPDATE sessions SET user_agent = $2 WHERE id = $1", [id, userAgent]);
    const credential = { case: "cookie", value: cookie } as const;

    await app.client.validate({ credential, userAgent });
    const other = app.client.validate({ credential, userAgent: "Browser\t1.1" });
    await expectFailure(other, "USER_AGENT_MISMATCH");
  });

  const badAddresses: Record<string, string> = {
    "IPv4 with a port": "192.0.2.1:8080",
    "IPv6 with a port": "[2001:db8::1]:8080",
    "IPv6 in brackets": "[2001:db8::1]",
    "IPv6 with a zone": "fe80::1%eth0",
    "IPv6 with an empty zone": "fe80::1%",
    "a forwarded-for list": "192.0.2.1, 192.0.2.2",
    "a forwarded-for list without blank": "192.0.2.1,192.0.2.2",
    "a Forwarded element": "for=192.0.2.1",
    "a network": "192.0.2.0/24",
    "IPv4 in octal": "0300.0.2.1",
    "IPv4 with leading zeros": "192.000.002.001",
    "IPv4 in hexadecimal": "0xc0.0.2.1",
    "IPv4 as one number": "3221225985",
    "IPv4 of three parts": "192.0.513",
    "IPv4 of five parts": "192.0.2.1.1",
    "IPv4 with a dot at its end": "192.0.2.1.",
    "IPv4 with a part of 256": "192.0.2.256",
    "IPv4 with a negative part": "192.0.2.-1",
    "IPv4 in fullwidth digits": "１９２.0.2.1",
    "IPv6 of nine groups": "1:2:3:4:5:6:7:8:9",
    "IPv6 with two gaps": "2001::db8::1",
    "IPv6 with a group of five digits": "2001:db8::00001",
    "IPv6-mapped octal": "::ffff:0300.0.2.1",
    "a blank": " ",
    "a blank before it": " 192.0.2.1",
    "a line feed after it": "192.0.2.1\n",
    "NUL after it": "192.0.2.1\0",
    "a host name": "localhost",
    unknown: "unknown",
    "60 KB": "1".repeat(60_000),
  };
  const message = "ip_address must be one IPv4 or IPv6 address without port or zone";
  itRefuses(
    () => app,
    Object.entries(badAddresses).flatMap(([what, ipAddress]) => [
      {
        what: `an address at Create that is ${what}`,
        call: (client) => client.create({ actor: newActor(), ipAddress }),
        field: "ip_address",
        message,
      },
      {
        what: `an address at Validate that is ${what}`,
        call: (client) => client.validate({ ipAddress }),
        field: "ip_address",
        message,
      },
    ]),
  );
});
