import { once } from "node:events";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { findProgram } from "../support/programs.ts";
import { parseReport, runH2spec } from "./h2spec.ts";

describe("h2spec", () => {
  it("reads which cases passed, failed and were skipped from a report", () => {
    const report = `<testsuite package="http2/6.3" tests="3">
      <testcase package="http2/6.3" classname="a &#34;quoted&#34; title" time="0.1"></testcase>
      <testcase package="http2/6.3" classname="b" time="1.0">
        <error>GOAWAY Frame
Timeout</error>
      </testcase>
      <testcase package="http2/6.4" classname="c" time="0"><skipped></skipped></testcase>
    </testsuite>`;
    const passed = { failure: undefined, skipped: false };
    expect(parseReport(report)).to.deep.equal([
      { name: 'http2/6.3 a "quoted" title', spec: "http2/6.3/1", ...passed },
      { name: "http2/6.3 b", spec: "http2/6.3/2", ...passed, failure: "GOAWAY Frame\nTimeout" },
      { name: "http2/6.4 c", spec: "http2/6.4/1", ...passed, skipped: true },
    ]);
  });

  it("finds the case that a server fails", async function () {
    if (findProgram("go") === undefined) {
      if (process.env.REQUIRE_H2SPEC === "1") throw new Error("there is no Go");
      this.skip();
    }
    // node:http2 ignores PRIORITY frames, also one that is wrong.
    const server = createServer((_, response) => response.end("ok")).on("sessionError", () => {});
    await once(server.listen(0, "127.0.0.1"), "listening");
    try {
      const { port } = server.address() as AddressInfo;
      const target = { host: "127.0.0.1", port, tls: false };
      const results = await runH2spec(target, { timeoutSeconds: 1, specs: ["http2/6.3/1"] });
      expect(results?.map(({ name }) => name)).to.deep.equal([
        "http2/6.3 Sends a PRIORITY frame with 0x0 stream identifier",
      ]);
      expect(results?.[0]?.failure).to.include("Timeout");
    } finally {
      server.close();
    }
  });
});
