import { Code, ConnectError, createClient, createContextKey } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { expect } from "chai";
import * as v1 from "../../gen/es/grpc/reflection/v1/reflection_pb.ts";
import { Health } from "../../gen/es/health/v1/health_pb.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import type { Authentication, CallCredentials } from "../../src/server/authentication.ts";
import type { ObservedCall } from "../../src/server/call-observer.ts";
import { sendBytes } from "../support/exchange.ts";
import { failureOf } from "../support/expect-failure.ts";
import { useFastPathPairs } from "../support/fast-path-pair.ts";
import {
  cookieOf,
  frame,
  postJson,
  type StartOptions,
  validateRequest,
} from "../support/transport.ts";
import { until } from "../support/until.ts";

const contextKey = createContextKey("nobody");

/** Knows the name in the header `x-name`, and refuses callers without one. */
function nameOf({ rawHeaders }: CallCredentials): string {
  const names = rawHeaders.filter((_, index) => rawHeaders[index - 1]?.toLowerCase() === "x-name");
  if (names.length === 0) throw new ConnectError("who are you?", Code.Unauthenticated);
  return names.join("+");
}

const later = () => new Promise<void>((resolve) => setImmediate(resolve));

const kinds: Record<string, Authentication<string>> = {
  "at once": { contextKey, authenticate: nameOf },
  later: { contextKey, authenticate: (call) => later().then(() => nameOf(call)) },
};

describe("authentication", () => {
  const pairs = useFastPathPairs();

  const service: StartOptions["service"] = {
    validate: (request, { values }) => ({
      session: { id: `${values.get(contextKey)} ${cookieOf(request)}` },
    }),
  };

  for (const [when, authentication] of Object.entries(kinds)) {
    describe(`with a result ${when}, on the fast path and with Connect`, () => {
      it("tells the handler who calls", async () => {
        const pair = await pairs.pair(() => ({ service, authentication }));
        const { body } = await pairs.compare(pair, { headers: { "x-name": "shop" } });
        expect(Buffer.from(body, "hex").toString("latin1")).to.include("shop a");
      });

      it("gets repeated headers one by one", async () => {
        const pair = await pairs.pair(() => ({ service, authentication }));
        const { body } = await pairs.compare(pair, { headers: { "x-name": ["a", "b"] } });
        expect(Buffer.from(body, "hex").toString("latin1")).to.include("a+b a");
      });

      it("refuses a call, and calls no handler", async () => {
        const pair = await pairs.pair(() => ({ service, authentication }));
        const refused = await pairs.compare(pair);
        expect(refused.error).to.include({ code: Code.Unauthenticated, message: "who are you?" });
        expect(refused.body).to.equal("");
        expect(pair.fastPath.servedBy.concat(pair.connect.servedBy)).to.deep.equal([]);
      });

      it("refuses before the message is decoded", async () => {
        const pair = await pairs.pair(() => ({ service, authentication }));
        const send = sendBytes(frame(Buffer.from([255])));
        expect((await pairs.compare(pair, { send })).error?.code).to.equal(Code.Unauthenticated);
        const known = await pairs.compare(pair, { send, headers: { "x-name": "shop" } });
        expect(known.error?.code).to.equal(Code.InvalidArgument);
      });

      it("tells the observer who called, also if the call failed", async () => {
        const calls: ObservedCall[] = [];
        const observer = {
          observesSuccess: true,
          callEnded: (call: ObservedCall) => calls.push(call),
        };
        const pair = await pairs.pair(() => ({ service, authentication, observer }));
        const send = sendBytes(frame(Buffer.from([255])));
        await pairs.compare(pair, { headers: { "x-name": "shop", "x-request-id": "1" } });
        await pairs.compare(pair, { send, headers: { "x-name": "shop", "x-request-id": "1" } });
        await until("all are observed", async () => calls.length === 4);
        expect(calls.map(({ values }) => values?.get(contextKey))).to.deep.equal(
          Array(4).fill("shop"),
        );
      });

      it("tells the observer why a call was refused, with the cause", async () => {
        const calls: ObservedCall[] = [];
        const observer = {
          observesSuccess: false,
          callEnded: (call: ObservedCall) => calls.push(call),
        };
        const cause = new Error("the cause");
        const refuse = () => {
          throw new ConnectError("no", Code.PermissionDenied, undefined, undefined, cause);
        };
        const refusing =
          when === "later"
            ? { contextKey, authenticate: () => later().then(refuse) }
            : { contextKey, authenticate: refuse };
        const pair = await pairs.pair(() => ({ service, observer, authentication: refusing }));
        await pairs.compare(pair, { headers: { "x-request-id": "1" } });
        await until("both are observed", async () => calls.length === 2);
        for (const { error } of calls) expect(error).to.include({ code: 7, cause });
      });

      it("takes anything but a ConnectError for a defect, whose text nobody sees", async () => {
        const defect = () => {
          throw new Error("secret");
        };
        const pair = await pairs.pair(() => ({
          service,
          authentication: { contextKey, authenticate: defect },
        }));
        const { error } = await pairs.compare(pair);
        expect(error).to.include({ code: Code.Internal, message: "internal error" });
      });

      it("refuses over HTTP/1.1, gRPC-Web and the streaming form of Connect", async () => {
        const { server } = (await pairs.pair(() => ({ service, authentication }))).connect;
        const response = await postJson(server, "{}");
        expect(response.status).to.equal(401);
        expect(await response.json()).to.include({ message: "who are you?" });
        const named = await postJson(server, "{}", { headers: { "X-Name": "shop" } });
        expect(await named.json()).to.deep.equal({ session: { id: "shop " } });

        const web = createClient(SessionService, grpcWeb(server.url));
        const refused = await failureOf(web.validate(validateRequest("a")));
        expect(refused.code).to.equal(Code.Unauthenticated);
      });

      it("calls no handler of a refused stream", async () => {
        let started = 0;
        const pair = await pairs.pair(() => ({
          authentication,
          routes: (router) => {
            router.service(Health, {
              async *watch() {
                started += 1;
                yield {};
              },
            });
            router.service(v1.ServerReflection, {
              async *serverReflectionInfo() {
                started += 1;
                yield {};
              },
            });
          },
        }));
        for (const httpVersion of ["1.1", "2"] as const) {
          const transport = createConnectTransport({
            baseUrl: pair.connect.server.url,
            httpVersion,
          });
          const watching = createClient(Health, transport).watch({});
          const first = watching[Symbol.asyncIterator]().next();
          expect((await failureOf(first)).code).to.equal(Code.Unauthenticated);
        }
        const transport = createConnectTransport({
          baseUrl: pair.connect.server.url,
          httpVersion: "2",
        });
        async function* none() {}
        const reflecting = createClient(v1.ServerReflection, transport).serverReflectionInfo(
          none(),
        );
        const first = reflecting[Symbol.asyncIterator]().next();
        expect((await failureOf(first)).code).to.equal(Code.Unauthenticated);
        expect(started).to.equal(0);
      });
    });
  }

  it("fails a call whose authentication takes longer than its deadline", async () => {
    const never = { contextKey, authenticate: () => new Promise<string>(() => {}) };
    const { fastPath } = await pairs.pair((unaryFastPath) =>
      unaryFastPath ? { service, authentication: never } : { service },
    );
    const client = pairs.grpcClient(fastPath.server);
    const error = await new Promise<{ code: number }>((resolve) => {
      client.makeUnaryRequest(
        "/sessiond.v1.SessionService/Validate",
        () => Buffer.alloc(0),
        (bytes) => bytes,
        {},
        { deadline: Date.now() + 50 },
        (failure) => resolve(failure as { code: number }),
      );
    });
    expect(error.code).to.equal(Code.DeadlineExceeded);
  });

  it("knows the address of a peer, one object for each connection", async () => {
    const seen: CallCredentials["peer"][] = [];
    const authentication: Authentication<string> = {
      contextKey,
      authenticate({ peer }) {
        seen.push(peer);
        return "";
      },
    };
    const pair = await pairs.pair(() => ({ service, authentication }));
    for (const compared of [pair.fastPath, pair.connect]) {
      seen.length = 0;
      const first = await pairs.http2(compared.server);
      const second = await pairs.http2(compared.server);
      for (const session of [first, first, second]) {
        const stream = session.request({
          ":method": "POST",
          ":path": "/sessiond.v1.SessionService/Validate",
          "content-type": "application/grpc",
          te: "trailers",
        });
        stream.end(frame(Buffer.alloc(0)));
        await stream.toArray();
      }
      expect(seen.map(({ address }) => address)).to.deep.equal(Array(3).fill("127.0.0.1"));
      expect(seen[0]).to.equal(seen[1]);
      expect(seen[0]).not.to.equal(seen[2]);
      expect(seen[0]?.certificate).to.equal(undefined);
    }
  });
});

function grpcWeb(baseUrl: string) {
  return createGrpcWebTransport({ baseUrl, httpVersion: "1.1" });
}
