import { expect } from "chai";
import { frame, validateBytes, validatePath } from "../support/transport.ts";
import { run, useFiles } from "./run-tool.ts";
import {
  findTool,
  LARGE_COOKIE,
  refusedMessage,
  securities,
  useToolServer,
} from "./tool-server.ts";

const GRPC = ["-H", "content-type: application/grpc", "-H", "te: trailers"];
const CALLS = 2000;

describe("nghttp and h2load", () => {
  const servers = useToolServer();
  const file = useFiles();
  let nghttp = "";
  let h2load = "";

  before(function () {
    nghttp = findTool("nghttp") ?? "";
    h2load = findTool("h2load") ?? "";
    if (nghttp === "" || h2load === "") this.skip();
  });

  for (const security of securities) {
    describe(security.name, () => {
      /** Calls Validate, and returns what nghttp says of each frame. */
      async function validate(message: Uint8Array, ...options: readonly string[]) {
        const { url } = await servers.start(security);
        const body = await file("body", frame(message));
        const args = ["--verbose", "--no-verify-peer", "--null-out", "--data", body];
        const { stdout, code } = await run(
          nghttp,
          ...args,
          ...GRPC,
          ...options,
          url + validatePath,
        );
        expect(code).to.equal(0);
        return stdout;
      }

      const variants = {
        "as usual": [],
        "with padding": ["--padding=255"],
        "with the headers in several frames": ["--continuation"],
        "with trailers of its own": ["--trailer=x-checksum: 1"],
        "with tables of headers that shrink and grow": [
          "--header-table-size=0",
          "--header-table-size=8192",
        ],
        "without a table of headers": ["--header-table-size=0"],
        "with a window of one byte": ["--window-bits=1"],
        "several times at once": ["--multiply=20"],
      };
      for (const [how, options] of Object.entries(variants)) {
        it(`gets an answer ${how}`, async () => {
          const said = await validate(validateBytes("a"), ...options);
          expect(said).to.match(/:status.*: 200/);
          expect(said).to.match(/grpc-status.*: 0/);
          expect(said).not.to.include("RST_STREAM");
        });
      }

      it("gets a large answer within its windows", async () => {
        const message = validateBytes(LARGE_COOKIE);
        const said = await validate(message, "--window-bits=10", "--connection-window-bits=16");
        expect(said).to.match(/grpc-status.*: 0/);
        expect(said).not.to.include("RST_STREAM");
      });

      it("is refused", async () => {
        expect(await validate(refusedMessage)).to.match(/grpc-status.*: 16/);
      });

      it("makes many calls at once", async () => {
        const server = await servers.start(security);
        const body = await file("body", frame(validateBytes("a")));
        const load = ["-n", String(CALLS), "-c", "10", "-m", "32", "-d", body];
        const { stdout, code } = await run(h2load, ...load, ...GRPC, server.url + validatePath);
        expect(code).to.equal(0);
        expect(stdout).to.include(
          `requests: ${CALLS} total, ${CALLS} started, ${CALLS} done, ${CALLS} succeeded, 0 failed, 0 errored, 0 timeout`,
        );
        expect(server.calls).to.equal(CALLS);
      });
    });
  }
});
