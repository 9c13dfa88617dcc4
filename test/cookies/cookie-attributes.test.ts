import { expect } from "chai";
import { SameSite, type SetCookie } from "../../gen/es/sessiond/v1/session_pb.ts";
import { byCookie, byId, openSession } from "../support/actors.ts";
import { type Replica, startReplica } from "../support/app.ts";
import { setAbsolute } from "../support/back-dating.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { type ParsedSetCookie, parseSetCookie } from "../support/set-cookie-parser.ts";

const TWELVE_HOURS = 12 * 3600;

describe("D: the cookies that a browser gets (ASVS 3.3)", () => {
  let database: TestDatabase;

  before(async () => {
    database = await createTestDatabase();
  });
  after(() => database.drop());

  async function withReplica(
    env: Record<string, string>,
    work: (replica: Replica) => Promise<unknown>,
  ): Promise<void> {
    const replica = await startReplica(database.url, { env });
    try {
      await work(replica);
    } finally {
      await replica.stop();
    }
  }

  /** Parses the header, and has the structured attributes say the same. */
  function parsed(cookie: SetCookie | undefined): ParsedSetCookie {
    const result = parseSetCookie(cookie?.header ?? "");
    const { attributes } = result;
    const sameSites = { Strict: SameSite.STRICT, Lax: SameSite.LAX, None: SameSite.NONE };
    expect({ ...cookie, $typeName: undefined, $unknown: undefined }).to.deep.equal({
      $typeName: undefined,
      $unknown: undefined,
      header: cookie?.header,
      name: result.name,
      value: result.value,
      maxAgeSeconds: Number(attributes.get("max-age")),
      path: attributes.get("path"),
      secure: attributes.has("secure"),
      httpOnly: attributes.has("httponly"),
      sameSite: sameSites[attributes.get("samesite") as keyof typeof sameSites],
    });
    return result;
  }

  const attributesOf = ({ attributes }: ParsedSetCookie) => Object.fromEntries(attributes);

  it("D02: by default: Secure, Lax, Path=/, __Host-, for the absolute timeout", async () => {
    await withReplica({}, async ({ client }) => {
      const { cookie, csrfToken, created } = await openSession(client);
      const [session, csrf, ...others] = created.setCookies.map(parsed);

      expect(others).to.deep.equal([]);
      const common = { path: "/", "max-age": String(TWELVE_HOURS), samesite: "Lax", secure: "" };
      expect(session).to.include({ name: "__Host-session", value: cookie });
      expect(attributesOf(session as ParsedSetCookie)).to.deep.equal({ ...common, httponly: "" });
      expect(csrf).to.include({ name: "__Host-csrf", value: csrfToken });
      // Scripts must be able to read it.
      expect(attributesOf(csrf as ParsedSetCookie)).to.deep.equal(common);
    });
  });

  it("D02: in plain-HTTP development only Secure and the prefix are off", async () => {
    await withReplica({ SESSIOND_COOKIE_SECURE: "false" }, async ({ client }) => {
      const { created } = await openSession(client);
      const [session, csrf] = created.setCookies.map(parsed);

      const common = { path: "/", "max-age": String(TWELVE_HOURS), samesite: "Lax" };
      expect(session?.name).to.equal("session");
      expect(attributesOf(session as ParsedSetCookie)).to.deep.equal({ ...common, httponly: "" });
      expect(csrf?.name).to.equal("csrf");
      expect(attributesOf(csrf as ParsedSetCookie)).to.deep.equal(common);
    });
  });

  for (const sameSite of ["Strict", "Lax", "None"]) {
    it(`D02, A27: SameSite=${sameSite} by SESSIOND_COOKIE_SAME_SITE`, async () => {
      const env = { SESSIOND_COOKIE_SAME_SITE: sameSite.toLowerCase() };
      await withReplica(env, async ({ client }) => {
        const { created } = await openSession(client);
        for (const cookie of created.setCookies.map(parsed)) {
          expect(cookie.attributes.get("samesite")).to.equal(sameSite);
        }
      });
    });
  }

  it("D02: a pre-login session has its own name and its own, shorter Max-Age", async () => {
    await withReplica({}, async ({ client }) => {
      const before = await openSession(client, { preLogin: true });
      const [session, csrf] = before.created.setCookies.map(parsed);
      expect(session?.name).to.equal("__Host-prelogin");
      expect(session?.attributes.get("max-age")).to.equal("600");
      expect(csrf?.attributes.get("max-age")).to.equal("600");

      const login = await openSession(client, { replaces: byCookie(before.cookie) });
      const cookies = login.created.setCookies.map(parsed);
      expect(
        cookies.map(({ name, value, attributes }) => [
          name,
          value !== "",
          attributes.get("max-age"),
        ]),
      ).to.deep.equal([
        ["__Host-session", true, String(TWELVE_HOURS)],
        ["__Host-csrf", true, String(TWELVE_HOURS)],
        ["__Host-prelogin", false, "0"],
      ]);
    });
  });

  it("D02: Revoke clears both cookies, with the attributes that they were set with", async () => {
    await withReplica({}, async ({ client }) => {
      const { cookie, created } = await openSession(client);
      const { setCookies } = await client.revoke({ session: byCookie(cookie) });

      const cleared = setCookies.map(parsed);
      expect(cleared.map(({ name, value }) => [name, value])).to.deep.equal([
        ["__Host-session", ""],
        ["__Host-csrf", ""],
      ]);
      for (const [index, set] of created.setCookies.map(parsed).entries()) {
        const clearing = cleared[index] as ParsedSetCookie;
        expect(attributesOf(clearing)).to.deep.equal({ ...attributesOf(set), "max-age": "0" });
      }
    });
  });

  it("D02: the CSRF cookie of a rotation lasts as long as its session still does", async () => {
    await withReplica({}, async ({ client }) => {
      const { id } = await openSession(client);
      await setAbsolute({ sql: database.sql }, id, 3600);

      const { rotated } = await client.rotateCsrf({
        target: { case: "session", value: byId(id) },
        actingActorId: "admin",
      });

      const cookie = parsed(rotated[0]?.setCookie);
      expect(cookie).to.include({ name: "__Host-csrf", value: rotated[0]?.csrfToken });
      expect(Number(cookie.attributes.get("max-age"))).to.be.within(3590, 3600);
    });
  });

  it("D02: at the longest names that can be configured, no cookie exceeds 4096 bytes", async () => {
    const named = (letter: string) => letter.repeat(256);
    const env = {
      SESSIOND_COOKIE_NAME: named("s"),
      SESSIOND_PRE_LOGIN_COOKIE_NAME: named("p"),
      SESSIOND_CSRF_COOKIE_NAME: named("c"),
    };
    await withReplica(env, async ({ client }) => {
      const login = await openSession(client);
      const before = await openSession(client, { preLogin: true });
      const cookies = [...login.created.setCookies, ...before.created.setCookies].map(parsed);

      expect(cookies.map(({ name }) => name)).to.deep.equal(
        ["s", "c", "p", "c"].map((letter) => `__Host-${named(letter)}`),
      );
      for (const { bytes } of cookies) expect(bytes).to.be.within(263, 4096);
      await client.validate({
        credential: { case: "cookieHeader", value: `a=b; __Host-${named("s")}=${login.cookie}` },
      });
    });
    const tooLong = { SESSIOND_COOKIE_NAME: "s".repeat(257) };
    const outcome = await startReplica(database.url, { env: tooLong }).catch((error) => error);
    expect(outcome).to.be.an("error").with.property("message").includes("SESSIOND_COOKIE_NAME");
  });

  it("D05: no cookie is a refusal like a wrong one, not an error", async () => {
    await withReplica({}, async ({ client }) => {
      const wrong = await expectFailure(
        client.validate({ credential: { case: "cookie", value: "nonsense" } }),
        "INVALID_COOKIE",
      );
      for (const credential of [
        { case: undefined },
        { case: "cookie", value: "" },
        { case: "cookieHeader", value: "" },
        { case: "cookieHeader", value: "theme=dark; lang=en" },
        { case: "cookieHeader", value: "__Host-session=" },
      ] as const) {
        const missing = await expectFailure(client.validate({ credential }), "INVALID_COOKIE");
        expect(missing.message).to.equal(wrong.message);
      }
    });
  });
});
