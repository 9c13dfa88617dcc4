import { expect } from "chai";
import fc from "fast-check";
import { findCookie } from "../../src/session/cookie-header.ts";
import { type OpenedSession, openSession, validate } from "../support/actors.ts";
import type { SessionClient } from "../support/app.ts";
import { type BadInputApp, itRefuses, startBadInputApp } from "../support/bad-input.ts";
import { expectFailure } from "../support/expect-failure.ts";

const NAME = "__Host-session";

/** A Cookie header around a genuine cookie's value. */
type Headers = Readonly<Record<string, (cookie: string) => string>>;

describe("Cookie header", () => {
  let app: BadInputApp;
  let session: OpenedSession;
  let preLogin: string;

  before(async () => {
    app = await startBadInputApp();
    session = await openSession(app.client);
    preLogin = (await app.client.create({ preLogin: true })).cookie;
  });
  after(() => app.stop());

  const validateHeader = (client: SessionClient, value: string) =>
    client.validate({ credential: { case: "cookieHeader", value } });

  const accepted: Headers = {
    alone: (c) => `${NAME}=${c}`,
    "between others": (c) => `a=b; ${NAME}=${c}; c=d`,
    "between others without blanks": (c) => `a=b;${NAME}=${c};c=d`,
    "between empty parts": (c) => `; ;${NAME}=${c};;`,
    "after a part without an equals sign": (c) => `junk; ${NAME}=${c}`,
    "with blanks and tabs around it": (c) => ` \t${NAME} \t=  ${c}  ; a=1`,
    "beside other spellings of its name (CVE-2023-29019)": (c) =>
      `__host-session=x; __HOST-session=x; __Host-Session=x; %5F_Host-session=x; ${NAME}=${c}`,
  };
  for (const [where, header] of Object.entries(accepted)) {
    it(`accepts a genuine cookie ${where} (A17)`, async () => {
      const found = await validateHeader(app.client, header(session.cookie));
      expect(found.session?.id).to.equal(session.id);
    });
  }

  const withoutCookie: Headers = {
    "that is empty": () => "",
    "of a semicolon": () => ";",
    "of 20,000 semicolons": () => ";".repeat(20_000),
    "without the cookie": () => "theme=dark; lang=en",
    "with an empty cookie": () => `${NAME}=`,
    "with the name alone": () => NAME,
    "with the pre-login cookie only": () => `__Host-prelogin=${preLogin}`,
  };
  const repeated: Headers = {
    "with the same value twice": (c) => `${NAME}=${c}; ${NAME}=${c}`,
    "with the same value twice around another cookie": (c) => `${NAME}=${c}; x=1; ${NAME}=${c}`,
    "with the same value three times": (c) => `${NAME}=${c};${NAME}=${c};${NAME}=${c}`,
    "with another value first": (c) => `${NAME}=x; ${NAME}=${c}`,
    "with another value last": (c) => `${NAME}=${c}; ${NAME}=x`,
    "with the name twice, once empty": (c) => `${NAME}=; ${NAME}=${c}`,
  };
  // To a browser these are other names, so that a neighbouring host may set them in spite of the
  // __Host- prefix.
  const respelled: Headers = {
    "with the name in lower case": (c) => `__host-session=${c}`,
    "with the prefix in upper case": (c) => `__HOST-session=${c}`,
    "with the name in upper case": (c) => `__HOST-SESSION=${c}`,
    "with one letter of the name in upper case": (c) => `__Host-Session=${c}`,
    "with an underscore percent-encoded": (c) => `%5F_Host-session=${c}`,
    "with the hyphen percent-encoded": (c) => `__Host%2Dsession=${c}`,
    "with a no-break space before the name": (c) => `\u00a0${NAME}=${c}`,
    "with an en quad before the name": (c) => `\u2000${NAME}=${c}`,
    "with an ideographic space before the name": (c) => `\u3000${NAME}=${c}`,
    "with a byte-order mark before the name": (c) => `\ufeff${NAME}=${c}`,
    "with a vertical tab before the name": (c) => `\v${NAME}=${c}`,
    "with a no-break space after the name": (c) => `${NAME}\u00a0=${c}`,
  };
  const malformed: Headers = {
    "with the name without prefix": (c) => `session=${c}`,
    "with a longer prefix": (c) => `__Host-${NAME}=${c}`,
    "with a character before the name": (c) => `x${NAME}=${c}`,
    "with a character after the name": (c) => `${NAME}x=${c}`,
    "with the prefix of another kind": (c) => `__Secure-session=${c}`,
    "without a name": (c) => c,
    "with an empty name": (c) => `=${c}`,
    "with the value in quotes": (c) => `${NAME}="${c}"`,
    "with the value percent-encoded": (c) => `${NAME}=${c.replaceAll(".", "%2E")}`,
    "with commas between cookies": (c) => `a=b, ${NAME}=${c}`,
    "with the name inside a value": (c) => `a=${NAME}=${c}`,
    "with CRLF after the value": (c) => `${NAME}=${c}\r\n`,
    "with NUL in the name": (c) => `${NAME}\0=${c}`,
  };
  const refused = (id: string, headers: Headers) =>
    Object.entries(headers).map(([what, header]) => ({
      what: `a Cookie header ${what} (${id})`,
      call: (client: SessionClient) => validateHeader(client, header(session.cookie)),
      reason: "INVALID_COOKIE" as const,
      message: "the session cookie is missing or not valid",
    }));
  itRefuses(
    () => app,
    [
      {
        what: "a request without a cookie or header (D05)",
        call: (client) => client.validate({}),
        reason: "INVALID_COOKIE",
        message: "the session cookie is missing or not valid",
      },
      ...refused("D05", withoutCookie),
      ...refused("A17, cookie tossing: CVE-2023-29019", { ...repeated, ...respelled }),
      ...refused("A17", malformed),
    ],
  );

  it("refuses a name that is there twice, for either cookie (CVE-2023-29019)", async () => {
    for (const name of [NAME, "__Host-prelogin"]) {
      const value = `${NAME}=${session.cookie}; ${name}=a; ${name}=b`;
      const ref = { case: "cookieHeader", value } as const;
      await expectFailure(app.client.touch({ session: { ref } }), "INVALID_COOKIE");
    }
    await validate(app.client, session.cookie);
  });

  it("names the session in every call that takes a session", async () => {
    const { client } = app;
    const { id, cookie, csrfToken, actor } = await openSession(client);
    const ref = { case: "cookieHeader", value: `a=b; ${NAME}=${cookie}` } as const;
    const named = { ref };

    expect((await client.get({ session: named })).session?.id).to.equal(id);
    expect((await client.validateCsrf({ session: named, csrfToken })).session?.id).to.equal(id);
    expect((await client.touch({ session: named })).session?.id).to.equal(id);
    const [listed] = (await client.list({ actor, current: named })).sessions;
    expect(listed?.current).to.equal(true);
    const { rotated } = await client.rotateCsrf({ target: { case: "session", value: named } });
    expect(rotated[0]?.sessionId).to.equal(id);
    // As with a cookie value, the caller acts for the session's actor.
    const { session: ended } = await client.revoke({ session: named });
    expect([ended?.revokeReason, ended?.revokedBy]).to.deep.equal(["logout", actor.actorId]);
  });
});

describe("Cookie header: properties", () => {
  // What RFC 6265 allows in names and values, and the blank that follows a semicolon.
  const token = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,20}$/);
  const value = fc.stringMatching(/^[!#-+\--:<-[\]-~]{0,40}$/);
  const other = fc.tuple(
    token.filter((name) => name !== NAME),
    value,
  );

  it("finds the one cookie among any others", () => {
    fc.assert(
      fc.property(fc.array(other), value, fc.array(other), (before, own, after) => {
        const pairs = [...before, [NAME, own] as const, ...after];
        const header = pairs.map(([name, text]) => `${name}=${text}`).join("; ");
        expect(findCookie(header, NAME)).to.equal(own);
      }),
    );
  });

  it("finds nothing among others, and any two of the name ambiguous", () => {
    fc.assert(
      fc.property(fc.array(other), value, value, (others, one, two) => {
        const header = others.map(([name, text]) => `${name}=${text}`).join("; ");
        expect(findCookie(header, NAME)).to.equal(undefined);
        const twice = `${NAME}=${one}; ${header}; ${NAME}=${two}`;
        expect(findCookie(twice, NAME)).to.equal("ambiguous");
      }),
    );
  });

  it("does not throw for any text", () => {
    const part = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom(NAME, "=", ";", " "));
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const header = parts.join("");
        const found = findCookie(header, NAME);
        if (found !== undefined && found !== "ambiguous") expect(header).to.include(found);
      }),
    );
  });
});
