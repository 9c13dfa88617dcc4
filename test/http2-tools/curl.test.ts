import { expect } from "chai";
import { goPrograms } from "../support/programs.ts";
import { validatePath } from "../support/transport.ts";
import { run, useFiles } from "./run-tool.ts";
import { findTool, LARGE_COOKIE, securities, useToolServer } from "./tool-server.ts";

describe("curl and grpcurl over HTTP/2", () => {
  const servers = useToolServer();
  const file = useFiles();

  for (const security of securities) {
    describe(`curl ${security.name}`, () => {
      let curl = "";
      before(function () {
        curl = findTool("curl") ?? "";
        if (curl === "") this.skip();
      });

      const http2 = security.tls ? "--http2" : "--http2-prior-knowledge";

      async function validate(cookie: string, ...options: readonly string[]) {
        const { url } = await servers.start(security);
        const ca = await file("ca.pem", security.ca ?? "");
        const body = await file("body.json", JSON.stringify({ cookie }));
        const args = ["--silent", "--show-error", http2, "--cacert", ca];
        args.push("--header", "content-type: application/json", "--data-binary", `@${body}`);
        args.push("--write-out", "\n%{http_version} %{http_code}", ...options);
        const { stdout, stderr } = await run(curl, ...args, url + validatePath);
        expect(stderr).to.equal("");
        const at = stdout.lastIndexOf("\n");
        const [version, status] = stdout.slice(at + 1).split(" ");
        return { version, status: Number(status), body: JSON.parse(stdout.slice(0, at)) };
      }

      it("calls", async () => {
        const body = { session: { id: "a" } };
        expect(await validate("a")).to.deep.equal({ version: "2", status: 200, body });
      });

      it("sends and receives a large message", async () => {
        const { status, body } = await validate(LARGE_COOKIE);
        expect(status).to.equal(200);
        expect(body.session.id).to.equal(LARGE_COOKIE);
      });

      it("is refused", async () => {
        const { status, body } = await validate("refuse");
        expect(status).to.equal(401);
        expect(body).to.include({ code: "unauthenticated", message: "revoked" });
      });

      it("is told when its deadline has passed", async () => {
        const { status, body } = await validate("hold", "--header", "connect-timeout-ms: 300");
        expect(status).to.equal(504);
        expect(body).to.include({ code: "deadline_exceeded" });
      });

      if (security.tls === undefined) {
        it("goes on with HTTP/1.1 if it asks for an upgrade to HTTP/2", async () => {
          const body = { session: { id: "a" } };
          expect(await validate("a", "--http2")).to.deep.equal({
            version: "1.1",
            status: 200,
            body,
          });
        });
      }
    });

    describe(`grpcurl ${security.name}`, () => {
      let grpcurl = "";
      before(function () {
        grpcurl = findTool("grpcurl", goPrograms()) ?? "";
        if (grpcurl === "") this.skip();
      });

      async function call(...args: readonly string[]) {
        const { port } = await servers.start(security);
        const ca = await file("ca.pem", security.ca ?? "");
        const credentials = security.tls ? ["-cacert", ca] : ["-plaintext"];
        const [options, method] = [args.slice(0, -1), args.slice(-1)];
        return run(grpcurl, ...credentials, ...options, `localhost:${port}`, ...method);
      }
      const validate = (cookie: string, ...options: readonly string[]) =>
        call(...options, "-d", JSON.stringify({ cookie }), "sessiond.v1.SessionService/Validate");

      it("calls, by what reflection says", async () => {
        const { stdout } = await validate("a");
        expect(JSON.parse(stdout)).to.deep.equal({ session: { id: "a" } });
        expect((await call("list")).stdout).to.include("sessiond.v1.SessionService\n");
      });

      it("watches until its deadline", async () => {
        const { stdout, stderr } = await call("-max-time", "2", "grpc.health.v1.Health/Watch");
        expect(JSON.parse(stdout)).to.deep.equal({ status: "SERVING" });
        expect(stderr).to.include("DeadlineExceeded");
      });

      it("is refused", async () => {
        const { stderr } = await validate("refuse");
        expect(stderr).to.include("Unauthenticated").and.to.include("REVOKED");
      });
    });
  }
});
