import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect } from "chai";
import { Progress } from "../../src/cli/progress.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { runCommand } from "../support/command-line.ts";
import { findProgram } from "../support/programs.ts";
import { databaseEnv } from "../support/sessiond-process.ts";

/** Progress on an output that keeps what is written, by a clock that the test sets. */
function progressOn(isTerminal: boolean, quiet = false) {
  const written: string[] = [];
  const clock = { now: 0 };
  const output = {
    note: (text: string) => written.push(text),
    options: { isTerminal, columns: () => (isTerminal ? 20 : undefined), hasColors: false },
  };
  return { written, clock, progress: new Progress(output, { clock: () => clock.now, quiet }) };
}

describe("progress of commands (L04)", () => {
  it("is one line on a terminal, which is replaced and taken away", () => {
    const { written, clock, progress } = progressOn(true);
    progress.update("1 event");
    clock.now = 99;
    progress.update("too soon");
    clock.now = 100;
    progress.update("2 events, more than the width");
    progress.clear();
    progress.clear();
    expect(written).to.deep.equal([
      "\r\u001b[K1 event",
      "\r\u001b[K2 events, more than",
      "\r\u001b[K",
    ]);
  });

  it("is a line every 10 s elsewhere, and none for what takes less", () => {
    const { written, clock, progress } = progressOn(false);
    for (clock.now = 0; clock.now <= 25_000; clock.now += 100) progress.update(`${clock.now} ms`);
    progress.clear();
    expect(written).to.deep.equal(["10000 ms\n", "20000 ms\n"]);
  });

  it("is not written with --quiet", () => {
    for (const isTerminal of [true, false]) {
      const { written, clock, progress } = progressOn(isTerminal, true);
      clock.now = 60_000;
      progress.update("1 event");
      progress.clear();
      expect(written).to.deep.equal([]);
    }
  });

  describe("of a real command", () => {
    let app: TestApp;
    before(async () => {
      app = await startTestApp();
    });
    after(() => app.stop());

    it("is on standard error only", async () => {
      const env = { SESSIOND_CLI_ADDRESS: app.url, ...databaseEnv(app.database) };
      const notes: string[] = [];
      const onStderr = (text: string) => void notes.push(text);
      const { stdout } = await runCommand(["doctor"], { env, terminal: 80, onStderr });
      expect(stdout).to.include("configuration\n").and.not.include("checking");
      expect(notes[0]).to.equal("\r\u001b[Kchecking configuration");
      expect(notes.at(-1)).to.equal("\r\u001b[K");
    });

    const script = findProgram("script");
    (script === undefined ? it.skip : it)("is drawn on a real terminal", async () => {
      // script(1) runs a command on a terminal of its own, and writes what the terminal gets.
      const main = join(import.meta.dirname, "../../src/main.ts");
      const command = `stty cols 70; exec ${process.execPath} ${main} doctor`;
      const env = { ...process.env, SESSIOND_CLI_ADDRESS: app.url, ...databaseEnv(app.database) };
      const child = spawn(script as string, ["-qec", command, "/dev/null"], { env });
      let text = "";
      child.stdout.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      await once(child, "close");
      expect(text).to.include("\u001b[Kchecking configuration");
      expect(text).to.match(/\d+ problems?, \d+ warnings?\r\n$/);
    });
  });
});
