/**
 * Plays the Dockerfile without a Docker engine, and shows that what comes out of it serves. Each
 * stage gets a directory that stands for its file system, with the pinned runtime of node_modules
 * in place of the image's and the npm of this machine. The result is started on a database, asked
 * for its health and for a session, and stopped.
 *
 * What it does not show: that the image exists and what its Linux brings along. Commands run in
 * the stage's directory but see the machine around it, so absolute paths in them are refused.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs/promises";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { SessionService } from "../gen/es/sessiond/v1/session_service_pb.ts";
import packageJson from "../package.json" with { type: "json" };
import { loadConfig } from "../src/config/config.ts";
import { startEmbeddedPostgres } from "../src/storage/embedded-postgres.ts";
import { createTestDatabase } from "../test/support/database.ts";
import {
  commandOf,
  DockerfileError,
  environmentOf,
  type Instruction,
  ignores,
  parseDockerfile,
  type Stage,
} from "./dockerfile.ts";

const CONTEXT = path.join(import.meta.dirname, "..");
const READY_MS = 20_000;

/** A stage that has been played: what of it later stages and a container see. */
interface Played {
  /** Stands for `/`. */
  readonly root: string;
  workingDirectory: string;
  readonly env: Record<string, string>;
  user: string | undefined;
  exposed: string | undefined;
  healthCheck: readonly string[] | undefined;
  entrypoint: readonly string[] | undefined;
}

interface Machine {
  readonly directory: string;
  /** Where the pinned runtime and npm are. */
  readonly bin: string;
  readonly version: string;
  readonly stages: Map<string, Played>;
  readonly ignored: readonly string[];
}

type Environment = Readonly<Record<string, string>>;

function check(holds: boolean, complaint: string): void {
  if (!holds) throw new Error(complaint);
}

async function prepare(directory: string): Promise<Machine> {
  const bin = path.join(directory, "bin");
  await fs.mkdir(bin);
  const node = path.join(bin, "node");
  await fs.copyFile(path.join(CONTEXT, "node_modules/node/bin/node"), node);
  await fs.chmod(node, 0o755);
  const version = execFileSync(node, ["--version"], { encoding: "utf8" }).trim().slice(1);
  const [, least = ""] = /^>=([\d.]+)$/.exec(packageJson.engines.node) ?? [];
  check(least !== "", `engines ${packageJson.engines.node} is not understood`);
  check(
    version.localeCompare(least, "en", { numeric: true }) >= 0,
    `the pinned runtime ${version} does not satisfy engines ${packageJson.engines.node}`,
  );
  const npm = execFileSync("sh", ["-c", "command -v npm"], { encoding: "utf8" }).trim();
  // It is a script for the `node` on PATH, which is the pinned one then.
  await fs.symlink(await fs.realpath(npm), path.join(bin, "npm"));
  const ignored = await fs.readFile(path.join(CONTEXT, ".dockerignore"), "utf8");
  return { directory, bin, version, stages: new Map(), ignored: ignored.split("\n") };
}

async function playStage(machine: Machine, stage: Stage): Promise<Played> {
  const [, tag = ""] = /^node:(\d+\.\d+\.\d+)(?:-[\w.-]+)?$/.exec(stage.image) ?? [];
  check(tag === machine.version, `${stage.image} is not the pinned runtime ${machine.version}`);
  const root = path.join(machine.directory, stage.name);
  await fs.mkdir(root);
  const played: Played = {
    root,
    workingDirectory: "/",
    env: {},
    user: undefined,
    exposed: undefined,
    healthCheck: undefined,
    entrypoint: undefined,
  };
  for (const instruction of stage.instructions) {
    console.log(`   ${instruction.source}`);
    await play(machine, played, instruction);
  }
  machine.stages.set(stage.name, played);
  return played;
}

async function play(machine: Machine, played: Played, instruction: Instruction): Promise<void> {
  const { line, keyword, text, flags } = instruction;
  const known: Record<string, readonly string[]> = {
    COPY: ["from"],
    HEALTHCHECK: ["interval", "timeout", "start-period", "start-interval", "retries"],
  };
  for (const flag of flags.keys()) {
    if (!known[keyword]?.includes(flag)) {
      throw new DockerfileError(line, `${keyword} --${flag} is not played`);
    }
  }
  switch (keyword) {
    case "WORKDIR":
      played.workingDirectory = path.posix.resolve(played.workingDirectory, text);
      await fs.mkdir(inside(played), { recursive: true });
      return;
    case "COPY":
      return copy(machine, played, instruction);
    case "RUN":
      return run(machine, played, instruction);
    case "ENV":
      Object.assign(played.env, environmentOf(instruction));
      return;
    case "USER":
      played.user = text;
      return;
    case "EXPOSE":
      played.exposed = text;
      return;
    case "HEALTHCHECK": {
      const [, command = ""] = /^CMD\s+(.*)$/.exec(text) ?? [];
      if (command === "") throw new DockerfileError(line, "only HEALTHCHECK CMD is played");
      played.healthCheck = playable(instruction, commandOf(instruction, command));
      return;
    }
    case "ENTRYPOINT":
      played.entrypoint = playable(instruction, commandOf(instruction));
      return;
    default:
      throw new DockerfileError(line, `${keyword} is not played`);
  }
}

/** Where a path of the stage is on this machine. */
function inside(played: Played, to = "."): string {
  return path.join(played.root, path.posix.resolve(played.workingDirectory, to));
}

async function copy(machine: Machine, played: Played, instruction: Instruction): Promise<void> {
  const { line, text, flags } = instruction;
  const words = text.split(/\s+/);
  const target = words.pop() ?? "";
  const from = flags.get("from");
  const stage = from === undefined ? undefined : machine.stages.get(from);
  if (from !== undefined && stage === undefined) {
    throw new DockerfileError(line, `there is no stage ${from} before this one`);
  }
  const base = stage === undefined ? CONTEXT : stage.root;
  const filter = (file: string) =>
    stage !== undefined || !ignores(machine.ignored, path.relative(CONTEXT, file) || ".");
  for (const word of words) {
    const source = path.join(base, word);
    if (/[*?[\]]/.test(word) || !filter(source)) {
      throw new DockerfileError(line, `${word} is a pattern or is left out by .dockerignore`);
    }
    const isDirectory = (await fs.stat(source)).isDirectory();
    // Of a directory its content is copied, and a file goes into a target that ends with a slash.
    const into = isDirectory || !(target.endsWith("/") || words.length > 1);
    const to = into
      ? inside(played, target)
      : path.join(inside(played, target), path.basename(word));
    await fs.mkdir(isDirectory ? to : path.dirname(to), { recursive: true });
    await fs.cp(source, to, { recursive: true, filter, verbatimSymlinks: true });
  }
}

/** Refuses what would reach out of the stage's directory. */
function playable({ line }: Instruction, command: readonly string[]): readonly string[] {
  const [program = "", ...args] = command;
  const outside = program === "/bin/sh" ? /(^|[\s='"])\// : /^\//;
  const reaching = (program === "/bin/sh" ? args.slice(1) : command).find((arg) =>
    outside.test(arg),
  );
  if (reaching !== undefined) {
    throw new DockerfileError(line, `absolute paths cannot be played: ${reaching}`);
  }
  return command;
}

async function run(machine: Machine, played: Played, instruction: Instruction): Promise<void> {
  const [program = "", ...args] = playable(instruction, commandOf(instruction));
  // How to reach the registry is the machine's own business, as is npm's cache.
  const own = Object.entries(process.env).filter(([name]) =>
    /^(HOME|TMPDIR|npm_config_(registry|cache|userconfig)|NODE_EXTRA_CA_CERTS|.*_proxy)$/i.test(
      name,
    ),
  );
  const env = { ...Object.fromEntries(own), ...environmentIn(machine, played) };
  const child = spawn(program, args, { cwd: inside(played), env, stdio: "inherit" });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new DockerfileError(instruction.line, `RUN ended with ${code}`);
}

function environmentIn(machine: Machine, played: Played): Record<string, string> {
  const system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  return { PATH: `${machine.bin}:${system}`, ...played.env };
}

/** Root has to be somebody else for this; everybody else stays who they are. */
function unprivileged(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(execFileSync("id", [flag, "nobody"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

async function checkDependencies(app: string): Promise<void> {
  const { devDependencies, optionalDependencies } = packageJson;
  for (const name of Object.keys({ ...devDependencies, ...optionalDependencies })) {
    const found = await fs.stat(path.join(app, "node_modules", name)).catch(() => undefined);
    check(found === undefined, `the result contains ${name}, which production does not need`);
  }
}

async function sizeOf(directory: string): Promise<number> {
  const entries = await fs.readdir(directory, { recursive: true, withFileTypes: true });
  const sizes = entries.map(async (entry) =>
    entry.isFile() ? (await fs.stat(path.join(entry.parentPath, entry.name))).size : 0,
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

interface Database {
  readonly url: string;
  stop(): Promise<void>;
}

async function startDatabase(directory: string): Promise<Database> {
  if (process.env.SESSIOND_TEST_SERVER_URL !== undefined) {
    const database = await createTestDatabase({ empty: true });
    return { url: database.url, stop: () => database.drop() };
  }
  const dataDirectory = path.join(directory, "data");
  return startEmbeddedPostgres({ dataDirectory, ephemeral: true });
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function runToEnd(command: readonly string[], cwd: string, env: Environment) {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { cwd, env, ...unprivileged(), stdio: "inherit" });
  const [code] = (await once(child, "exit")) as [number | null];
  return code;
}

/** Waits until its health check passes; asks for it, as an engine does. */
async function untilHealthy(service: ChildProcess, healthy: () => Promise<boolean>): Promise<void> {
  const givesUpAt = performance.now() + READY_MS;
  while (!(await healthy())) {
    check(service.exitCode === null, `the ENTRYPOINT ended with ${service.exitCode}`);
    check(performance.now() < givesUpAt, `not healthy after ${READY_MS / 1000} s`);
  }
}

async function useSession(url: string): Promise<void> {
  const sessionManager = new Http2SessionManager(url);
  const transport = createGrpcTransport({ baseUrl: url, sessionManager });
  const client = createClient(SessionService, transport);
  const actor = { actorType: "user", actorId: "alice" };
  const { cookie } = await client.create({ actor });
  const { session } = await client.validate({ credential: { case: "cookie", value: cookie } });
  check(session?.actorId === actor.actorId, "the session is not the one that was opened");
  sessionManager.abort();
}

async function serve(machine: Machine, played: Played): Promise<void> {
  const { entrypoint, healthCheck, user, exposed } = played;
  if (entrypoint === undefined) throw new Error("the last stage has no ENTRYPOINT");
  if (healthCheck === undefined) throw new Error("the last stage has no HEALTHCHECK");
  check(user !== undefined && !/^(root|0)(:|$)/.test(user), "the last stage runs as root");
  const { port: usualPort } = loadConfig({}).server;
  check(exposed === String(usualPort), `EXPOSE ${exposed} is not the default port ${usualPort}`);

  const database = await startDatabase(machine.directory);
  try {
    const port = await freePort();
    const env = {
      ...environmentIn(machine, played),
      SESSIOND_DATABASE_URL: database.url,
      SESSIOND_KEY_ENCRYPTION_KEYS: randomBytes(32).toString("base64"),
      SESSIOND_PORT: String(port),
    };
    const cwd = inside(played);
    const [program = "", ...args] = entrypoint;
    const service = spawn(program, args, { cwd, env, ...unprivileged(), stdio: "inherit" });
    const exited = once(service, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
    try {
      const healthy = async () => (await runToEnd(healthCheck, cwd, env)) === 0;
      await untilHealthy(service, healthy);
      await useSession(`http://127.0.0.1:${port}`);
      service.kill("SIGTERM");
      const [code, signal] = await exited;
      check(code === 0, `it ended with ${code ?? signal} after SIGTERM`);
      check(!(await healthy()), "the health check passes without a service");
    } finally {
      service.kill("SIGKILL");
      await exited;
    }
  } finally {
    await database.stop();
  }
}

const directory = await fs.mkdtemp(path.join(await fs.realpath(tmpdir()), "sessiond-image-"));
try {
  // The service runs as somebody else.
  await fs.chmod(directory, 0o755);
  const machine = await prepare(directory);
  const source = await fs.readFile(path.join(CONTEXT, "Dockerfile"), "utf8");
  let result: Played | undefined;
  for (const stage of parseDockerfile(source)) {
    console.log(`== Stage ${stage.name}, from ${stage.image}`);
    result = await playStage(machine, stage);
  }
  if (result === undefined) throw new Error("the Dockerfile has no stage");
  console.log("== The result");
  const app = inside(result);
  await checkDependencies(app);
  await serve(machine, result);
  const megabytes = async (of: string) => ((await sizeOf(of)) / 1e6).toFixed(1);
  const [all, modules] = [await megabytes(app), await megabytes(path.join(app, "node_modules"))];
  console.log(
    `== It serves: ${all} MB on top of ${machine.version}'s image, ${modules} MB of it node_modules`,
  );
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await fs.rm(directory, { recursive: true, force: true });
}
