import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import http2 from "node:http2";
import https from "node:https";
import { text } from "node:stream/consumers";
import { create } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { expect } from "chai";
import {
  CreateRequestSchema,
  SessionService,
} from "../../gen/es/sessiond/v1/session_service_pb.ts";
import {
  type CallerAuthentication,
  createCallerAuthentication,
} from "../../src/callers/caller-authentication.ts";
import { namesOf } from "../../src/callers/certificate-names.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { createTestFile, line, newToken, type TestFile, tokenLine } from "../support/callers.ts";
import {
  createAuthority,
  type IssuedCertificate,
  LOCAL_NAMES,
} from "../support/certificate-authority.ts";
import {
  callGrpc,
  failureOf,
  frame,
  sendCall,
  validateBytes,
  validatePath,
  validateRequest,
} from "../support/transport.ts";

const authority = createAuthority("client authority");
const stranger = createAuthority("client authority");
const serverAuthority = createAuthority("server authority");

const gateway = authority.issue({ san: ["uri:spiffe://example.org/ns/edge/sa/gateway"] });
const host = authority.issue({ san: ["dns:other.test", "dns:A.gw.internal"] });
const foreign = authority.issue({ san: ["uri:spiffe://example.org/ns/edge/sa/other"] });
const unsigned = stranger.issue({ san: ["uri:spiffe://example.org/ns/edge/sa/gateway"] });

const lines = [
  line({
    name: "gateway",
    role: "validator",
    certificate_san: "spiffe://example.org/ns/*/sa/gateway",
  }),
  line({ name: "host", certificate_san: "dns:*.gw.internal" }),
];

const ACCEPTED = /session cookie/;
const REFUSED = /did not prove who it is/;

describe("callers with certificates (F01)", () => {
  const token = newToken();
  let file: TestFile;
  let app: TestApp;
  const clients: grpc.Client[] = [];

  before(async () => {
    const { certificate, key } = serverAuthority.issue({ san: LOCAL_NAMES, usage: ["server"] });
    file = await createTestFile(...lines, tokenLine(token));
    app = await startTestApp({
      env: {
        SESSIOND_CALLERS_FILE: file.path,
        SESSIOND_TLS_CERT: certificate,
        SESSIOND_TLS_KEY: key,
        SESSIOND_TLS_CLIENT_CA: authority.certificate,
      },
    });
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });
  after(async () => {
    await app.stop();
    await file.remove();
  });

  function clientWith(certificate?: IssuedCertificate) {
    const ca = Buffer.from(serverAuthority.certificate);
    const credentials = certificate
      ? grpc.credentials.createSsl(
          ca,
          Buffer.from(certificate.key),
          Buffer.from(certificate.certificate),
        )
      : grpc.credentials.createSsl(ca);
    const client = new grpc.Client(`localhost:${new URL(app.url).port}`, credentials);
    clients.push(client);
    return async (authorization?: string) => {
      const metadata = authorization === undefined ? {} : { authorization };
      const { validate } = SessionService.method;
      const call = callGrpc(client, validate, validateRequest("x"), { metadata });
      return (await failureOf<grpc.ServiceError>(call)).details;
    };
  }

  it("are accepted by a SPIFFE ID or a DNS name, on every call of a connection", async () => {
    for (const certificate of [gateway, host]) {
      const call = clientWith(certificate);
      for (let count = 0; count < 3; count++) expect(await call()).to.match(ACCEPTED);
    }
  });

  it("are refused without one, with one that no line matches, and of another authority", async () => {
    expect(await clientWith()()).to.match(REFUSED);
    expect(await clientWith(foreign)()).to.match(REFUSED);
    const details = await clientWith(unsigned)();
    expect(details).not.to.match(ACCEPTED);
  });

  it("have the role of their line", async () => {
    const client = clientWith(gateway);
    expect(await client()).to.match(ACCEPTED);
    const [raw] = clients.slice(-1);
    const newSession = create(CreateRequestSchema);
    const creating = callGrpc(raw as grpc.Client, SessionService.method.create, newSession);
    expect((await failureOf<grpc.ServiceError>(creating)).details).to.match(
      /needs the role issuer/,
    );
  });

  it("are not asked if there is a token: that decides", async () => {
    const call = clientWith(gateway);
    expect(await call(`Bearer ${token}`)).to.match(ACCEPTED);
    expect(await call(`Bearer ${newToken()}`)).to.match(REFUSED);
    expect(await call("")).to.match(REFUSED);
    expect(await call()).to.match(ACCEPTED);
    expect(await clientWith()(`Bearer ${token}`)).to.match(ACCEPTED);
  });

  it("are accepted over HTTP/1.1, and keep-alive ends with a refusal", async () => {
    const post = async (certificate: IssuedCertificate) => {
      const agent = new https.Agent({ keepAlive: true });
      const request = https.request(`https://localhost:${new URL(app.url).port}${validatePath}`, {
        agent,
        method: "POST",
        headers: { "content-type": "application/json" },
        ca: serverAuthority.certificate,
        cert: certificate.certificate,
        key: certificate.key,
      });
      request.end("{}");
      const [response] = await once(request, "response");
      const body = await text(response);
      agent.destroy();
      return { body, connection: response.headers.connection };
    };
    const accepted = await post(host);
    expect(accepted.body).to.match(ACCEPTED);
    expect(accepted.connection).to.equal("keep-alive");
    const refused = await post(foreign);
    expect(refused.body).to.match(REFUSED);
    expect(refused.connection).to.equal("close");
  });

  it("end with their line, on an open connection", async () => {
    const call = clientWith(gateway);
    expect(await call()).to.match(ACCEPTED);
    await file.write(...lines.slice(1), tokenLine(token));
    await app.app.readFiles();
    expect(await call()).to.match(REFUSED);
    await file.write(...lines, tokenLine(token));
    await app.app.readFiles();
    expect(await call()).to.match(ACCEPTED);
  });

  it("end with their own expiry and with that of their line, to the millisecond", async () => {
    const start = Date.now();
    const notAfter = new Date(Math.ceil(start / 1000) * 1000 + 60_000);
    const expires_at = new Date(notAfter.getTime() - 30_000).toISOString();
    const other = await createTestFile(
      line({ name: "short", certificate_san: "dns:a.test", expires_at }),
      line({ name: "long", certificate_san: "dns:*.test" }),
    );
    let now = start;
    const authentication: CallerAuthentication = await createCallerAuthentication({
      config: { file: other.path, certificates: true, jwt: undefined },
      events: { onChange() {}, onError() {} },
      now: () => now,
    });
    const { certificate } = authority.issue({ san: ["dns:a.test"], notAfter });
    const peer = {
      address: "",
      network: "",
      connection: 1,
      certificate: new X509Certificate(certificate),
    };
    const name = () => {
      try {
        const caller = authentication.identify({ rawHeaders: [], peer });
        return caller instanceof Promise ? "a promise" : caller.name;
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(name()).to.equal("short");
    now = Date.parse(expires_at) - 1;
    expect(name()).to.equal("short");
    now += 1;
    expect(name()).to.equal("long");
    now = notAfter.getTime() - 1;
    expect(name()).to.equal("long");
    now += 1;
    expect(name()).to.equal("the certificate has expired");
    await authentication[Symbol.asyncDispose]();
    await other.remove();
  });

  it("make the client connect again when they expire, by a GOAWAY", async () => {
    const brief = authority.issue({
      san: ["dns:a.gw.internal"],
      notAfter: new Date(Date.now() + 5000),
    });
    const session = http2.connect(`https://localhost:${new URL(app.url).port}`, {
      ca: serverAuthority.certificate,
      cert: brief.certificate,
      key: brief.key,
    });
    const goaway = once(session, "goaway");
    await once(session, "connect");
    const call = sendCall(session, {}, frame(validateBytes("x")));
    expect((await call.response).grpcMessage).to.match(ACCEPTED);
    await goaway;
    session.destroy();
  });

  describe("and their names", () => {
    const names = (...san: string[]) =>
      namesOf(new X509Certificate(authority.issue({ san }).certificate));

    it("are all DNS names, and the SPIFFE ID", () => {
      expect(names("dns:a.test", "uri:spiffe://a/b", "ip:127.0.0.1", "dns:b.test")).to.deep.equal({
        dns: ["a.test", "b.test"],
        spiffeId: "spiffe://a/b",
      });
      expect(names()).to.deep.equal({ dns: [], spiffeId: undefined });
    });

    it("are no SPIFFE ID if there are several URIs", () => {
      expect(names("uri:spiffe://a/b", "uri:spiffe://a/c").spiffeId).to.equal(undefined);
    });

    // CVE-2021-44532: names that are put together to a text can contain other names.
    it("are not those that a name pretends to contain", () => {
      for (const evil of [
        "dns:x, DNS:a.test",
        'dns:x", DNS:a.test',
        "uri:http://x/, URI:spiffe://a/b",
        "uri:http://x/,URI:spiffe://a/b",
      ]) {
        const { dns, spiffeId } = names(evil);
        expect(dns, evil).not.to.include("a.test");
        expect(spiffeId, evil).not.to.equal("spiffe://a/b");
      }
    });
  });
});
