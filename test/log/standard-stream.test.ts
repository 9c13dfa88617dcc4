import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { standardStreamWriter } from "../../src/log/standard-stream.ts";
import { findProgram } from "../support/programs.ts";
import { until } from "../support/until.ts";

const MODULE = join(import.meta.dirname, "../../src/log/standard-stream.ts");
const script = findProgram("script");

describe("standardStreamWriter", () => {
  let directory: string;
  let child: ChildProcess | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "sessiond-test-"));
  });
  afterEach(async () => {
    if (child !== undefined) {
      child.kill("SIGKILL");
      await once(child, "close");
      child = undefined;
    }
    await rm(directory, { recursive: true, force: true });
  });

  /** Writes to an open file as if it were standard error. */
  function writeTo(fd: number, text: string): Promise<Error | undefined> {
    const write = standardStreamWriter({ fd, isTTY: false } as never);
    return new Promise((resolve) => {
      write(Buffer.from(text), (error) => resolve(error ?? undefined));
    });
  }

  it("appends to a file", async () => {
    const path = join(directory, "log");
    const fd = openSync(path, "a");
    try {
      for (const line of ["1\n", "2\n"]) expect(await writeTo(fd, line)).to.equal(undefined);
    } finally {
      closeSync(fd);
    }
    expect(readFileSync(path, "utf8")).to.equal("1\n2\n");
  });

  // A device of Linux that is always full.
  (existsSync("/dev/full") ? it : it.skip)("says that a disk is full", async () => {
    const fd = openSync("/dev/full", "w");
    try {
      expect(await writeTo(fd, "1\n")).to.include({ code: "ENOSPC" });
    } finally {
      closeSync(fd);
    }
  });

  (script === undefined ? it.skip : it)(
    "does not block on a terminal that stands still",
    async () => {
      const done = join(directory, "done");
      const program = join(directory, "program.ts");
      await writeFile(
        program,
        `import { writeFileSync } from "node:fs";
       import { standardStreamWriter } from ${JSON.stringify(MODULE)};
       const write = standardStreamWriter(process.stderr);
       if (process.stderr.isTTY) {
         write(Buffer.alloc(4 * 1024 * 1024, "x\\n"), () => {});
         setImmediate(() => writeFileSync(${JSON.stringify(done)}, "done"));
       }`,
      );
      // It gives the program a terminal, whose output it cannot pass on: nobody reads the pipe.
      const args = ["-qec", `${process.execPath} ${program}`, "/dev/null"];
      child = spawn(script as string, args, { stdio: ["ignore", "pipe", "ignore"] });
      await until("the program goes on", async () => existsSync(done));
    },
  );
});
