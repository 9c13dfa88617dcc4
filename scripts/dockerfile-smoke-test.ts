/**
 * A smoke test of the image that needs no Docker engine. Carries out the Dockerfile's instructions
 * with the pinned Node, a directory for each stage's file system; then runs the result on a
 * database: a refused start, a stack trace, the health check, a session, SIGTERM. Commands see the machine around
 * them, so this does not show what the base image brings along. For root on Linux, what runs has no
 * capabilities, and every file system of the disk is read-only to it.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import * as fs from "node:fs/promises";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join, matchesGlob, posix, relative } from "node:path";
import { isDeepStrictEqual } from "node:util";
import packageJson from "../package.json" with { type: "json" };
import { startEmbeddedPostgres } from "../packages/embedded-postgres/index.ts";
import { parseDockerfile, type Stage } from "./dockerfile.ts";
import { assert, installNode, ROOT, registryEnv, useSession } from "./smoke-test.ts";

const START_LIMIT_MS = 60_000;

/** What a stage has made so far. `root` stands for its `/`. */
interface Image {
  readonly root: string;
  readonly env: Record<string, string>;
  workdir: string;
  user: string;
  /** The service's, and that of its metrics. */
  ports: readonly string[];
  readonly args: Record<string, string>;
  readonly labels: Record<string, string>;
  healthCheck: readonly string[];
  entrypoint: readonly string[];
}

/** Where a path of the image is on this machine. */
function locate(image: Image, path = "."): string {
  return join(image.root, posix.resolve(image.workdir, path));
}

async function build(stage: Stage, images: Map<string, Image>, image: Image) {
  const node = packageJson.devDependencies.node;
  assert(stage.image.startsWith(`node:${node}-`), `${stage.image} is not the Node of the tests`);
  await fs.mkdir(image.root);
  for (const { source, keyword, args } of stage.instructions) {
    console.log(`${stage.name}: ${source}`);
    const [first = "", second = ""] = args;
    if (keyword === "COPY") {
      const from = args[0] === undefined ? undefined : images.get(args[0]);
      assert(args[0] === undefined || from !== undefined, `there is no stage ${first}`);
      await copy(from, second.split(" "), image);
    } else if (keyword === "RUN") run(first, image);
    else if (keyword === "ENV") {
      Object.assign(image.env, Object.fromEntries(first.split(" ").map((pair) => pair.split("="))));
    } else if (keyword === "USER") image.user = first;
    else if (keyword === "EXPOSE") image.ports = first.split(" ");
    else if (keyword === "ARG") image.args[first] = second;
    else if (keyword === "LABEL") image.labels[first] = args[2] ?? image.args[second] ?? "";
    else if (keyword === "ENTRYPOINT") image.entrypoint = JSON.parse(first);
    else if (keyword === "HEALTHCHECK") image.healthCheck = JSON.parse(first);
    else if (keyword === "WORKDIR") {
      image.workdir = posix.resolve(image.workdir, first);
      await fs.mkdir(locate(image), { recursive: true });
    } else throw new Error(`${keyword} cannot be carried out`);
  }
}

async function copy(from: Image | undefined, paths: readonly string[], image: Image) {
  const base = from?.root ?? ROOT;
  const ignored = (await fs.readFile(join(ROOT, ".dockerignore"), "utf8")).trim().split("\n");
  const isIncluded = (file: string) =>
    from !== undefined || !ignored.some((pattern) => matchesGlob(relative(base, file), pattern));
  const target = paths.at(-1) ?? "";
  for (const source of paths.slice(0, -1).map((path) => join(base, path))) {
    assert(existsSync(source) && isIncluded(source), `${source} is not in the build context`);
    // A directory's content is copied, and a file goes into a target that ends with a slash.
    const intoTarget = target.endsWith("/") && (await fs.stat(source)).isFile();
    const to = join(locate(image, target), intoTarget ? basename(source) : "");
    await fs.cp(source, to, { recursive: true, filter: isIncluded, verbatimSymlinks: true });
  }
}

function run(command: string, image: Image): void {
  assert(!/(^|[\s='"])\//.test(command), "an absolute path would leave the stage's directory");
  const env = { ...registryEnv(), ...image.args, ...image.env };
  execFileSync("sh", ["-c", command], { cwd: locate(image), env, stdio: "inherit" });
}

/** Without a new mount namespace, files could be written that a container's are not. */
const hasNamespaces =
  process.platform === "linux" && spawnSync("unshare", ["--mount", "true"]).status === 0;

/**
 * Read-only, as with `docker run --read-only --cap-drop=ALL --security-opt=no-new-privileges`. `exec`, so
 * that signals reach the process.
 */
const CONFINED = `uid=$1 gid=$2; shift 2; mount --make-rprivate / && mount -o remount,bind,ro / &&
  exec setpriv --reuid="$uid" --regid="$gid" --clear-groups --inh-caps=-all --bounding-set=-all \
    --no-new-privs -- "$@"`;

/** A command as a container would run it: the program, its arguments and the options of its process. */
function inContainer(image: Image, command: readonly string[], env: Record<string, string> = {}) {
  assert(/^[1-9]\d*:[1-9]\d*$/.test(image.user), `${image.user} is no unprivileged user and group`);
  const [uid = "", gid = ""] = image.user.split(":");
  const options = { cwd: locate(image), env: { ...image.env, ...env } };
  if (hasNamespaces) {
    const args = ["--mount", "sh", "-c", CONFINED, "sh", uid, gid, ...command];
    return { program: "unshare", args, options };
  }
  const [program = "", ...args] = command;
  const user = process.getuid?.() === 0 ? { uid: Number(uid), gid: Number(gid) } : {};
  return { program, args, options: { ...options, ...user } };
}

/** What a command prints, and how it ends. */
function runInContainer(image: Image, command: readonly string[], env?: Record<string, string>) {
  const { program, args, options } = inContainer(image, command, env);
  return spawnSync(program, args, { ...options, encoding: "utf8" });
}

/** Whether the checks below show that nothing is written. */
function checkConfinement(image: Image): void {
  if (!hasNamespaces) {
    console.log("Not confined: that needs root on Linux.");
    return;
  }
  const script = 'try { fs.writeFileSync("probe", "") } catch ({ code }) { console.log(code) }';
  const { stdout } = runInContainer(image, ["node", "-e", script]);
  assert(stdout === "EROFS\n", `a container's process writes: ${stdout}`);
}

function checkLabels(image: Image): void {
  const { description, license, version } = packageJson;
  const expected: Record<string, string> = {
    title: "sessiond",
    description,
    source: "https://github.com/sessiond/sessiond",
    licenses: license,
    version,
    revision: "unknown",
  };
  const labels = Object.fromEntries(
    Object.entries(expected).map(([name, value]) => [`org.opencontainers.image.${name}`, value]),
  );
  assert(isDeepStrictEqual(image.labels, labels), `the labels are ${JSON.stringify(image.labels)}`);
}

function checkContent(image: Image): void {
  const content = readdirSync(locate(image)).sort();
  const expected = ["LICENSE", "dist", "package.json"];
  assert(isDeepStrictEqual(content, expected), `the image contains ${content.join(", ")}`);
}

/** What switches off the refusal to serve callers who are not authenticated. */
const unauthenticated = { SESSIOND_INSECURE_NO_CALLER_AUTHENTICATION: "true" };

/** The image listens on all addresses, so it must not start before somebody has decided who may call. */
function checkRefusal(image: Image): void {
  const { status, stdout, stderr } = runInContainer(image, image.entrypoint);
  console.log(stderr);
  assert(status === 1 && stdout === "", `without settings it ended with ${status}`);
  assert(
    stderr.includes("SESSIOND_CALLERS_FILE") &&
      Object.keys(unauthenticated).every((name) => stderr.includes(name)),
    "the refusal does not name the settings that help",
  );
}

/** Has the settings printed, and a stack trace of the process's exit, which main.ts decides. */
function checkStackTrace(image: Image): void {
  const exit = "const { exit } = process; process.exit = () => { console.error(Error()); exit(); }";
  const preload = `--import=data:text/javascript,${encodeURIComponent(exit)}`;
  const command = [...image.entrypoint, "--print-config"];
  const env = { ...unauthenticated, NODE_OPTIONS: preload };
  const { stdout, stderr } = runInContainer(image, command, env);
  console.log(stderr);
  assert(/\/app\/src\/main\.ts:\d+:\d+/.test(stderr), "a stack trace has no .ts lines");
  const names = ["SESSIOND_PORT", "SESSIOND_METRICS_PORT"];
  const ports = names.map((name) => new RegExp(`^${name} +(\\d+) `, "m").exec(stdout)?.[1]);
  assert(isDeepStrictEqual(ports, image.ports), `EXPOSE ${image.ports} instead of ${ports}`);
}

async function freePort(): Promise<number> {
  const probe = net.createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  await once(probe.close(), "close");
  return port;
}

async function serve(image: Image, databaseUrl: string): Promise<void> {
  const [port, metricsPort] = [await freePort(), await freePort()];
  const env = {
    SESSIOND_DATABASE_URL: databaseUrl,
    SESSIOND_KEY_ENCRYPTION_KEYS: randomBytes(32).toString("base64"),
    SESSIOND_PORT: String(port),
    SESSIOND_METRICS_PORT: String(metricsPort),
    ...unauthenticated,
  };
  const start = (command: readonly string[]) => {
    const { program, args, options } = inContainer(image, command, env);
    return [program, args, { ...options, stdio: "inherit" }] as const;
  };
  const isHealthy = () => spawnSync(...start(image.healthCheck)).status === 0;
  const service = spawn(...start(image.entrypoint));
  const exited = once(service, "exit");
  try {
    const deadline = performance.now() + START_LIMIT_MS;
    while (!isHealthy()) {
      await new Promise(setImmediate);
      assert(service.exitCode === null, `it ended with ${service.exitCode}`);
      assert(performance.now() < deadline, `not healthy after ${START_LIMIT_MS / 1000} s`);
    }
    await useSession(`http://127.0.0.1:${port}`);
    const ready = await fetch(`http://127.0.0.1:${metricsPort}/readyz`);
    assert(ready.ok, `/readyz answers ${ready.status}`);
    service.kill("SIGTERM");
    const [code, signal] = await exited;
    assert(code === 0, `it ended with ${code ?? signal} after SIGTERM`);
    assert(!isHealthy(), "the health check succeeds without a service");
  } finally {
    service.kill("SIGKILL");
    await exited;
  }
}

const directory = await fs.mkdtemp(join(await fs.realpath(tmpdir()), "sessiond-image-"));
try {
  await fs.chmod(directory, 0o755);
  const PATH = await installNode(directory);
  const images = new Map<string, Image>();
  const source = await fs.readFile(join(ROOT, "Dockerfile"), "utf8");
  for (const stage of parseDockerfile(source)) {
    const empty = { workdir: "/", user: "root", ports: [], healthCheck: [], entrypoint: [] };
    const root = join(directory, stage.name);
    const image = { root, env: { PATH }, args: {}, labels: {}, ...empty };
    await build(stage, images, image);
    images.set(stage.name, image);
  }
  const image = [...images.values()].at(-1);
  assert(image !== undefined, "the Dockerfile has no stage");
  checkContent(image);
  checkLabels(image);
  checkConfinement(image);
  checkRefusal(image);
  checkStackTrace(image);
  const dataDirectory = join(directory, "data");
  const postgres = await startEmbeddedPostgres({ dataDirectory, ephemeral: true });
  await serve(image, postgres.url).finally(() => postgres.stop());
  console.log("The image serves.");
} finally {
  await fs.rm(directory, { recursive: true, force: true });
}
