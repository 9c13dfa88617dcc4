/** Carries out a page of docs/clients/ as its reader would. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Command,
  countCommands,
  matchesShown,
  PageError,
  type Step,
  stepsIn,
} from "./page.ts";

/** For the slowest step, which downloads and compiles a framework. */
const STEP_LIMIT_MS = 15 * 60_000;
const POLL_INTERVAL_MS = 100;

export interface PageOptions {
  /** An empty directory: the reader's project. */
  readonly directory: string;
  /** A directory for what the steps hand on to each other. */
  readonly scratch: string;
  readonly env: NodeJS.ProcessEnv;
  /** The port to use instead of each that the page names. */
  readonly ports: Readonly<Record<string, number>>;
  /** The port that the page's own application serves, as the page names it. */
  readonly applicationPort: string;
}

export interface PageResult {
  readonly commands: number;
  readonly files: number;
  readonly seconds: number;
}

interface Process {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly closed: Promise<unknown>;
}

/** A process of its own group, with what it prints to both streams in the order that it comes. */
function start(script: string, { directory, env }: PageOptions): Process {
  const child = spawn("bash", ["-euo", "pipefail", "-c", script], {
    cwd: directory,
    env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  return { child, output: () => output, closed: once(child, "close") };
}

async function stop({ child, closed }: Process): Promise<void> {
  const signal = (name: NodeJS.Signals) => {
    try {
      process.kill(-(child.pid as number), name);
    } catch {
      // The group has ended.
    }
  };
  signal("SIGTERM");
  const killer = setTimeout(() => signal("SIGKILL"), 10_000);
  await closed;
  clearTimeout(killer);
}

/** Runs a script to its end and returns what it printed. */
async function run(script: string, options: PageOptions): Promise<string> {
  const started = start(script, options);
  const killer = setTimeout(() => stop(started), STEP_LIMIT_MS);
  await started.closed;
  clearTimeout(killer);
  const { exitCode, signalCode } = started.child;
  if (exitCode === 0) return started.output();
  throw new PageError(`ended with ${exitCode ?? signalCode}:\n${lastLines(started.output())}`);
}

/** As much of an output as a reader looks at. */
function lastLines(output: string): string {
  return output.trimEnd().split("\n").slice(-100).join("\n");
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Waits until the application of a background step accepts connections. */
async function served(started: Process, port: number): Promise<void> {
  const deadline = performance.now() + STEP_LIMIT_MS;
  while (!(await accepts(port))) {
    const { exitCode, signalCode } = started.child;
    if (exitCode !== null || signalCode !== null || performance.now() > deadline) {
      throw new PageError(`does not listen on port ${port}:\n${lastLines(started.output())}`);
    }
    await sleep(POLL_INTERVAL_MS);
  }
}

/** Runs the commands in one shell, and compares the output of each with what the page shows. */
async function runConsole(commands: readonly Command[], wrap: Wrap, options: PageOptions) {
  const boundary = "--- end of the output ---";
  // As at a prompt: a command that fails does not end the shell, and errors are shown, too.
  const script = commands.map(({ command }) => `${command}\necho; echo '${boundary}'`).join("\n");
  const output = await run(wrap(`set +e\nexec 2>&1\n${script}\nset -e`), options);
  const outputs = output.split(`\n${boundary}\n`);
  for (const [index, { command, expected }] of commands.entries()) {
    const found = outputs[index] ?? "";
    if (!matchesShown(found, expected)) {
      throw new PageError(`$ ${command}\nprinted\n${found}\ninstead of\n${expected}`);
    }
  }
}

type Wrap = (script: string) => string;

/**
 * Carries out the steps of a page, in order, in one directory. What a step exports is in the
 * environment of those after it, as in one terminal.
 *
 * @throws {PageError} with the line of the step that fails
 */
export async function runPage(markdown: string, options: PageOptions): Promise<PageResult> {
  const { directory, scratch, ports, applicationPort } = options;
  const environment = JSON.stringify(join(scratch, "environment.sh"));
  const wrap = (script: string) =>
    `if [ -f ${environment} ]; then . ${environment}; fi\n${script}\nexport -p > ${environment}`;
  const replaced = Object.entries(ports).reduce(
    (text, [shown, used]) => text.replace(new RegExp(`\\b${shown}\\b`, "g"), String(used)),
    markdown,
  );
  const steps = stepsIn(replaced);
  const began = performance.now();
  let background: Process | undefined;

  async function carryOut(step: Step): Promise<void> {
    if (step.kind === "file") {
      const path = join(directory, step.path);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, step.content);
    } else if (step.kind === "console") {
      await runConsole(step.commands, wrap, options);
    } else if (step.background) {
      // It takes the port of the one before.
      if (background !== undefined) await stop(background);
      background = start(wrap(step.script), options);
      await served(background, ports[applicationPort] ?? Number(applicationPort));
    } else {
      await run(wrap(step.script), options);
    }
  }

  try {
    for (const step of steps) {
      await carryOut(step).catch((error) => {
        if (!(error instanceof PageError)) throw error;
        const serving =
          background === undefined ? "" : `\nThe application:\n${lastLines(background.output())}`;
        throw new PageError(`line ${step.line}: ${error.message}${serving}`);
      });
    }
  } finally {
    if (background !== undefined) await stop(background);
  }
  const commands = steps.map((step) => {
    if (step.kind === "shell") return countCommands(step.script);
    return step.kind === "console" ? step.commands.length : 0;
  });
  return {
    commands: commands.reduce((sum, count) => sum + count, 0),
    files: steps.filter(({ kind }) => kind === "file").length,
    seconds: (performance.now() - began) / 1000,
  };
}
