import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { expect } from "chai";
import fc from "fast-check";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { type OpenedSession, openSession } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { denialsOf } from "../support/audited-denials.ts";
import { expectFailure } from "../support/expect-failure.ts";

/** Both ways into the service: the fast path, and Connect. */
const transports: Record<string, (app: TestApp) => Transport> = {
  gRPC: (app) => app.transport,
  "Connect with JSON": (app) =>
    createConnectTransport({ baseUrl: app.url, httpVersion: "1.1", useBinaryFormat: false }),
};

for (const [protocol, transportOf] of Object.entries(transports)) {
  describe(`http_method of Validate, over ${protocol} (A13, F05)`, () => {
    let app: TestApp;
    let own: OpenedSession;
    let others: OpenedSession;
    let check: (request: { httpMethod?: string; csrfToken?: string }) => Promise<unknown>;

    before(async () => {
      app = await startTestApp();
      own = await openSession(app.client);
      others = await openSession(app.client);
      const client = createClient(SessionService, transportOf(app));
      const credential = { case: "cookie", value: own.cookie } as const;
      check = (request) => client.validate({ credential, ...request });
    });
    after(() => app.stop());

    const safe = ["GET", "HEAD", "OPTIONS", "TRACE"];
    const unsafe = [
      ...["POST", "PUT", "PATCH", "DELETE", "CONNECT", "QUERY", "PROPFIND", "M-SEARCH"],
      // Not the safe methods, which are case-sensitive.
      ...["post", "get", "Get", "head", "options", "trace"],
      // What is no method at all.
      ...[
        "GET ",
        " GET",
        "GET\n",
        "GET\0",
        "GET,POST",
        "ＧＥＴ",
        "*",
        "null",
        "__proto__",
        "x".repeat(9999),
      ],
    ];

    for (const httpMethod of safe) {
      it(`${httpMethod} needs no token, but a token that is set is checked`, async () => {
        await check({ httpMethod });
        await check({ httpMethod, csrfToken: own.csrfToken });
        const { csrfToken } = others;
        await expectFailure(check({ httpMethod, csrfToken }), "CSRF_MISMATCH");
        await expectFailure(check({ httpMethod, csrfToken: "" }), "CSRF_MISSING");
      });
    }

    for (const httpMethod of unsafe) {
      it(`${JSON.stringify(httpMethod.slice(0, 20))} needs the session's token`, async () => {
        await expectFailure(check({ httpMethod }), "CSRF_MISSING");
        for (const csrfToken of ["", " ", "\t\n"]) {
          await expectFailure(check({ httpMethod, csrfToken }), "CSRF_MISSING");
        }
        const { csrfToken } = others;
        await expectFailure(check({ httpMethod, csrfToken }), "CSRF_MISMATCH");
        await check({ httpMethod, csrfToken: own.csrfToken });
      });
    }

    it("every other text needs the session's token, too (property)", async () => {
      const method = fc
        .string({ minLength: 1, unit: fc.constantFrom(..."GETHADOPINSRC get-") })
        .filter((text) => !safe.includes(text));
      const property = fc.asyncProperty(method, async (httpMethod) => {
        await expectFailure(check({ httpMethod }), "CSRF_MISSING");
      });
      await fc.assert(property, { numRuns: 50 });
    });

    it("an empty one is INVALID_REQUEST, not the method of which no check is asked", async () => {
      for (const token of [{}, { csrfToken: own.csrfToken }]) {
        const error = await expectFailure(check({ httpMethod: "", ...token }), "INVALID_REQUEST", {
          field: "http_method",
        });
        expect(error.rawMessage).to.equal(
          "http_method must not be empty: give the method of the request, or leave it out",
        );
      }
    });

    it("unset, the token is checked only if it is set", async () => {
      await check({});
      await expectFailure(check({ csrfToken: others.csrfToken }), "CSRF_MISMATCH");
    });

    it("a missing token is audited", async () => {
      const { id, cookie } = await openSession(app.client);
      const credential = { case: "cookie", value: cookie } as const;
      const call = app.client.validate({ credential, httpMethod: "DELETE" });
      await expectFailure(call, "CSRF_MISSING");
      const [denial] = await denialsOf(app, id);
      expect(denial).to.deep.include({ details: { reason: "CSRF_MISSING" } });
    });
  });
}
