import { expect } from "chai";
import { SameSite, type SetCookie } from "../../gen/es/sessiond/v1/session_pb.ts";
import { byCookie, byId, openSession } from "../support/actors.ts";
import { type SessionClient, startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { setAbsolute } from "../support/back-dating.ts";
import { secondsSince } from "../support/seconds-since.ts";
import { type ParsedSetCookie, parseSetCookie } from "../support/set-cookie-parser.ts";
import { withReplica } from "../support/with-replica.ts";

const TWELVE_HOURS = 12 * 3600;

describe("Set-Cookie", () => {
  let app: TestApp;

  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());

  const withEnv = (
    env: Record<string, string>,
    work: (client: SessionClient) => Promise<unknown>,
  ) => withReplica(app.database.url, { env }, ({ client }) => work(client));

  /** Parses the header, and expects the structured attributes to say the same. */
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

  /** The headers, each of which has to agree with its structured attributes. */
  function headersOf(cookies: readonly SetCookie[]): string[] {
    return cookies.map((cookie) => {
      parsed(cookie);
      return cookie.header;
    });
  }

  const secure = { prefix: "__Host-", end: "; Secure", sameSite: "Lax" };
  for (const { title, env, prefix, end, sameSite } of [
    {
      title: "is Secure, Lax, of Path=/ and __Host- by default (D02, ASVS 3.3)",
      env: {},
      ...secure,
    },
    {
      title: "lacks only Secure and the prefix in plain-HTTP development (D02)",
      env: { SESSIOND_COOKIE_SECURE: "false" },
      prefix: "",
      end: "",
      sameSite: "Lax",
    },
    ...["Strict", "Lax", "None"].map((sameSite) => ({
      title: `has SameSite=${sameSite} by SESSIOND_COOKIE_SAME_SITE (D02, A27)`,
      env: { SESSIOND_COOKIE_SAME_SITE: sameSite.toLowerCase() },
      ...secure,
      sameSite,
    })),
  ]) {
    it(title, async () => {
      await withEnv(env, async (client) => {
        const { cookie, csrfToken, created } = await openSession(client);
        const common = `; Path=/; Max-Age=${TWELVE_HOURS}; SameSite=${sameSite}`;
        expect(headersOf(created.setCookies)).to.deep.equal([
          `${prefix}session=${cookie}${common}; HttpOnly${end}`,
          // Without HttpOnly: scripts must be able to read it.
          `${prefix}csrf=${csrfToken}${common}${end}`,
        ]);
      });
    });
  }

  it("has another name and a shorter Max-Age before login (D02, A25)", async () => {
    const before = await openSession(app.client, { preLogin: true });
    const common = "; Path=/; Max-Age=600; SameSite=Lax";
    expect(headersOf(before.created.setCookies)).to.deep.equal([
      `__Host-prelogin=${before.cookie}${common}; HttpOnly; Secure`,
      `__Host-csrf=${before.csrfToken}${common}; Secure`,
    ]);

    const login = await openSession(app.client, { replaces: byCookie(before.cookie) });
    const [session, csrf, ...cleared] = headersOf(login.created.setCookies);
    const attributes = `Path=/; Max-Age=${TWELVE_HOURS}; SameSite=Lax`;
    expect(session).to.equal(`__Host-session=${login.cookie}; ${attributes}; HttpOnly; Secure`);
    expect(csrf).to.equal(`__Host-csrf=${login.csrfToken}; ${attributes}; Secure`);
    expect(cleared).to.deep.equal([
      "__Host-prelogin=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly; Secure",
    ]);
  });

  it("clears both cookies on Revoke, with the attributes that they were set with (D02)", async () => {
    const { cookie } = await openSession(app.client);
    const { setCookies } = await app.client.revoke({ session: byCookie(cookie) });
    expect(headersOf(setCookies)).to.deep.equal([
      "__Host-session=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly; Secure",
      "__Host-csrf=; Path=/; Max-Age=0; SameSite=Lax; Secure",
    ]);
  });

  it("gives the CSRF cookie of a rotation the session's remaining time (D02)", async () => {
    const { id } = await openSession(app.client);
    const start = performance.now();
    await setAbsolute(app, id, 3600);

    const { rotated } = await app.client.rotateCsrf({
      target: { case: "session", value: byId(id) },
      actingActorId: "admin",
    });

    const cookie = parsed(rotated[0]?.setCookie);
    expect(cookie).to.include({ name: "__Host-csrf", value: rotated[0]?.csrfToken });
    const least = Math.floor(3600 - secondsSince(start));
    expect(Number(cookie.attributes.get("max-age"))).to.be.within(least, 3600);
  });

  it("stays within 4096 bytes at the longest names (D02, ASVS 3.3.5)", async () => {
    const name = (letter: string) => letter.repeat(256);
    const env = {
      SESSIOND_COOKIE_NAME: name("s"),
      SESSIOND_PRE_LOGIN_COOKIE_NAME: name("p"),
      SESSIOND_CSRF_COOKIE_NAME: name("c"),
    };
    await withEnv(env, async (client) => {
      const login = await openSession(client);
      const before = await openSession(client, { preLogin: true });
      const cookies = [...login.created.setCookies, ...before.created.setCookies].map(parsed);

      expect(cookies.map(({ name }) => name)).to.deep.equal(
        ["s", "c", "p", "c"].map((letter) => `__Host-${name(letter)}`),
      );
      for (const { bytes } of cookies) expect(bytes).to.be.within(263, 4096);
      await client.validate({
        credential: { case: "cookieHeader", value: `a=b; __Host-${name("s")}=${login.cookie}` },
      });
    });
    const env257 = { SESSIOND_COOKIE_NAME: "s".repeat(257) };
    const outcome = await startReplica(app.database.url, { env: env257 }).catch((error) => error);
    expect(outcome).to.be.an("error").with.property("message").includes("SESSIOND_COOKIE_NAME");
  });
});
