import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { expect } from "chai";

const PRINT_LAUNCHERS = `
  import { launchersOf } from "./src/launcher.ts";
  console.log(JSON.stringify(launchersOf("start")));`;

/** What a process takes for the launchers that npm and it have in between; it is a child of this one. */
async function launchersOfChild(detached: boolean): Promise<readonly number[]> {
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", PRINT_LAUNCHERS], {
    env: { npm_lifecycle_event: "start" },
    stdio: ["ignore", "pipe", "inherit"],
    detached,
  });
  return JSON.parse(await text(child.stdout));
}

describe("the launchers of a process that npm has started", () => {
  it("begin with its parent", async () => {
    expect(await launchersOfChild(false)).to.deep.equal([process.pid]);
  });

  (process.platform === "linux" ? it : it.skip)(
    "are none if it is in a POSIX session of its own, as under a supervisor",
    async () => {
      expect(await launchersOfChild(true)).to.deep.equal([]);
    },
  );
});
