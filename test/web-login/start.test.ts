import { once } from "node:events";
import https from "node:https";
import { expect } from "chai";
import { startTestApp, type TestApp } from "../support/app.ts";
import { findProgram } from "../support/programs.ts";
import { useSessiond } from "../support/sessiond-process.ts";

const script = "examples/web-login/main.ts";

describe("examples/web-login: its process", () => {
  const processes = useSessiond();

  const withOpenssl = findProgram("openssl") === undefined ? it.skip : it;
  withOpenssl("starts a sessiond of its own, serves TLS, and ends with both", async () => {
    const started = processes.start({ script, args: ["--tls", "--port", "0"] });
    const url = await started.says(/runs at (\S+)\n/);
    expect(url).to.match(/^https:\/\/localhost:\d+$/);
    const request = https.get(`${url}/login`, { rejectUnauthorized: false, agent: false });
    const [response] = await once(request, "response");
    response.resume();
    expect(response.statusCode).to.equal(200);
    expect(response.headers["set-cookie"].join()).to.match(/^__Host-prelogin=.*__Host-csrf=/);
    const { code, stderr } = await started.end("SIGTERM");
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
  });

  describe("with a running sessiond", () => {
    let app: TestApp;
    before(async () => {
      app = await startTestApp({ env: { SESSIOND_COOKIE_SECURE: "false" } });
    });
    after(() => app.stop());

    it("serves plain HTTP", async () => {
      const started = processes.start({ script, args: ["--port", "0", "--sessiond", app.url] });
      const url = await started.says(/runs at (\S+)\n/);
      const response = await fetch(`${url}/login`);
      expect(response.status).to.equal(200);
      expect(response.headers.getSetCookie().join()).to.match(/^prelogin=.*csrf=/);
      expect((await started.end("SIGINT")).code).to.equal(0);
    });
  });

  it("says what is wrong with its options", async () => {
    for (const [args, message] of [
      [["--port", "x"], '--port must be a number from 0 to 65535, not "x"\n'],
      [["--port", "65536"], '--port must be a number from 0 to 65535, not "65536"\n'],
      [["--tsl"], "Unknown option '--tsl'\n"],
      [
        ["--sessiond", "localhost"],
        "the address of sessiond is not a URL: it must be http://host[:port] or https://host[:port]\n",
      ],
    ] as const) {
      const { code, stderr } = await processes.start({ script, args }).ended;
      expect({ code, stderr }).to.deep.equal({ code: 1, stderr: message });
    }
  });
});
