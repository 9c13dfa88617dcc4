import { readdir } from "node:fs/promises";
import { expect } from "chai";
import { processExists } from "../../packages/embedded-postgres/pid-file.ts";
import { findProgram } from "../support/programs.ts";
import {
  databaseEnv,
  postmasterOf,
  type Started,
  type StartOptions,
  useSessiond,
} from "../support/sessiond-process.ts";
import { until } from "../support/until.ts";

const START = ["npm", "start"] as const;

describe("sessiond under npm", () => {
  const servers: number[] = [];
  // Before the hook that removes databases and directories.
  afterEach(() => {
    for (const pid of servers.splice(0)) if (processExists(pid)) process.kill(pid, "SIGKILL");
  });
  const sessiond = useSessiond();

  /** Starts it with this command and waits until it serves. */
  async function serve(options: StartOptions) {
    const npm = sessiond.start(options);
    // A terminal has the log on standard output, too.
    const line = await until("it serves", async () => {
      const lines = (npm.stdout + npm.stderr).split(/\r?\n/);
      return lines.find((text) => text.startsWith("{") && text.includes('"serving"'));
    });
    const { pid } = JSON.parse(line) as { pid: number };
    servers.push(pid);
    const untilGone = async () => {
      await until("sessiond has ended", async () => !processExists(pid));
      await npm.ended;
    };
    return { npm, untilGone };
  }

  const withDatabase = async (
    env: Record<string, string> = {},
  ): Promise<Record<string, string>> => ({
    ...databaseEnv(await sessiond.database()),
    ...env,
  });

  /** Stopped in good order, and only once. */
  function expectStopped({ stderr }: Pick<Started, "stderr">): void {
    expect(stderr).to.include('"stopped"');
    expect(stderr).not.to.include("not waiting any longer");
  }

  for (const shell of ["sh", "dash", "bash"]) {
    const path = findProgram(shell);
    (path === undefined ? it.skip : it)(`stops on SIGTERM to npm with ${shell}`, async () => {
      const env = await withDatabase({ npm_config_script_shell: path ?? "" });
      const { npm, untilGone } = await serve({ command: START, env });
      npm.signal("SIGTERM");
      await untilGone();
      expectStopped(npm);
    });
  }

  it("stops the embedded PostgreSQL on SIGTERM to npm", async () => {
    const directory = await sessiond.directory();
    const env = { SESSIOND_DATA_DIR: directory };
    const { npm, untilGone } = await serve({ command: START, env });
    expect(await postmasterOf(directory)).not.to.equal(undefined);
    npm.signal("SIGTERM");
    await untilGone();
    expectStopped(npm);
    expect(await postmasterOf(directory)).to.equal(undefined);
  });

  for (const name of ["SIGHUP", "SIGKILL"] as const) {
    const onLinux = process.platform === "linux" ? it : it.skip;
    onLinux(`stops on ${name} to npm alone, which passes nothing on`, async () => {
      const { npm, untilGone } = await serve({ command: START, env: await withDatabase() });
      npm.signal(name);
      await untilGone();
      expectStopped(npm);
    });
  }

  for (const name of ["SIGINT", "SIGHUP"] as const) {
    it(`stops once on ${name} to npm, shell and sessiond at once`, async () => {
      const env = await withDatabase({ SESSIOND_DRAIN_DELAY: "500ms" });
      const { npm, untilGone } = await serve({ command: START, env });
      process.kill(-npm.pid, name);
      await untilGone();
      expectStopped(npm);
    });
  }

  it("stops on SIGTERM to npm exec, with further processes in between", async () => {
    const script = "sh -c 'node src/main.ts; exit' ; exit";
    const command = ["npm", "exec", "-c", script] as const;
    const { npm, untilGone } = await serve({ command, env: await withDatabase() });
    npm.signal("SIGTERM");
    await untilGone();
    expectStopped(npm);
  });

  // util-linux's; BSD's has other options.
  const script = process.platform === "linux" ? findProgram("script") : undefined;
  for (const what of ["npm start", "node src/main.ts"]) {
    (script === undefined ? it.skip : it)(`stops when the terminal of ${what} closes`, async () => {
      const directory = await sessiond.directory();
      const env = {
        SESSIOND_DATA_DIR: directory,
        SESSIOND_LOG_FORMAT: "json",
        SHELL: "/bin/sh",
      };
      const command = [script ?? "", "--quiet", "--command", what, "/dev/null"] as const;
      const { npm: terminal, untilGone } = await serve({ command, env });
      const postmaster = await postmasterOf(directory);
      expect(postmaster).not.to.equal(undefined);

      terminal.signal("SIGKILL");

      await untilGone();
      expect(await postmasterOf(directory)).to.equal(undefined);
    });
  }

  it("the demo leaves nothing behind on SIGTERM to npm", async () => {
    const directory = await sessiond.directory();
    const demo = sessiond.start({
      command: ["npm", "run", "demo"],
      env: { TMPDIR: directory },
    });
    // npm and Node keep caches there, too.
    const left = async () =>
      (await readdir(directory)).filter((name) => name.startsWith("sessiond-demo-"));
    await demo.says(/Starting sessiond/);
    expect(await left()).to.have.length(1);
    demo.signal("SIGTERM");
    await until("all of it has ended", async () => (await left()).length === 0);
    expect((await demo.ended).stdout).to.include("Interrupted");
  });
});
