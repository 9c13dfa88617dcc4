/**
 * What a middleware adds to a bare Validate: `node bench/middleware.ts [language/app …]`, such as
 * `typescript/express`. The applications are those of the conformance runners in
 * `clients/<language>/conformance`, all against one sessiond. The bare calls are made by the TypeScript
 * client, so only its applications are comparable. In each round, blocks of three kinds of
 * requests take turns, one request at a time on one connection: Validate itself, `GET /me`, which
 * requires a session, and a path that the application does not have, which is the cost of its HTTP.
 * Ratios and differences are those of the same round; the median of the rounds counts.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Agent, request as httpRequest } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { createTestSessiond, type TestSessiond } from "../clients/typescript/src/testing.ts";
import { median } from "./statistics.ts";

const CLIENTS = join(import.meta.dirname, "..", "clients");

interface Application {
  readonly name: string;
  readonly url: string;
  stop(): Promise<void>;
}

/** The mean time of a request in each kind of blocks of one round, in milliseconds. */
interface Round {
  readonly validate: number;
  readonly me: number;
  readonly http: number;
}

async function startApplication(name: string, sessiondUrl: string): Promise<Application> {
  // The names of applications may have slashes, such as net/http.
  const [language = "", ...rest] = name.split("/");
  const app = rest.join("/");
  const directory = join(CLIENTS, language, "conformance");
  await succeeds(spawn(join(directory, "build"), { stdio: ["ignore", 2, 2] }));
  const runner = spawn(join(directory, "run"), {
    env: { ...process.env, SESSIOND_URL: sessiondUrl },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(runner, "exit");
  const [line] = await Promise.race([
    once(createInterface(runner.stdout), "line"),
    ended.then(([code]) => Promise.reject(new Error(`the runner of ${language} ended: ${code}`))),
  ]);
  const { apps } = JSON.parse(line) as { apps: Record<string, string> };
  const url = apps[app];
  const stop = async () => {
    runner.stdin.end();
    await ended;
  };
  if (url !== undefined) return { name, url, stop };
  await stop();
  throw new Error(`${language} has no application ${app}, but ${Object.keys(apps).join(", ")}`);
}

async function succeeds(child: ChildProcess): Promise<void> {
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`${child.spawnfile} ended with ${code}`);
}

/** Logs in through the form and returns the Cookie header. */
async function logIn(url: string): Promise<string> {
  const page = await fetch(`${url}/login`);
  const { csrfToken } = (await page.json()) as { csrfToken: string };
  const login = await fetch(`${url}/login`, {
    method: "POST",
    headers: { cookie: cookiesOf(page) },
    body: new URLSearchParams({ user: "alice", csrf_token: csrfToken }),
  });
  if (!login.ok) throw new Error(`the login was answered with ${login.status}`);
  return cookiesOf(login);
}

function cookiesOf(response: Response): string {
  return response.headers
    .getSetCookie()
    .map((cookie) => cookie.split(";")[0] ?? "")
    .filter((pair) => !pair.endsWith("="))
    .join("; ");
}

/** Requests one after the other on one connection, which must all be answered with the status. */
function createGet(url: string, cookie: string, agent: Agent) {
  return (path: string, status: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const options = { agent, headers: { cookie } };
      const request = httpRequest(`${url}${path}`, options, (response) => {
        response.resume().once("error", reject);
        if (response.statusCode === status) response.once("end", resolve);
        else reject(new Error(`${path} was answered with ${response.statusCode}`));
      });
      request.once("error", reject).end();
    });
}

async function meanMs(count: number, send: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  for (let sent = 0; sent < count; sent++) await send();
  return (performance.now() - start) / count;
}

async function measure(
  { url }: Application,
  sessiond: TestSessiond,
  { rounds, count }: { readonly rounds: number; readonly count: number },
): Promise<Round[]> {
  const cookie = await logIn(url);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const get = createGet(url, cookie, agent);
  const credential = { case: "cookieHeader", value: cookie } as const;
  const browser = { ipAddress: "127.0.0.1", userAgent: "" };
  const kinds = [
    ["validate", () => sessiond.client.validate({ credential, touch: true, ...browser })],
    ["me", () => get("/me", 200)],
    ["http", () => get("/absent", 404)],
  ] as const;
  const results: Round[] = [];
  // The first round warms up. Each begins with another kind.
  for (let round = 0; round <= rounds; round++) {
    const result = { validate: 0, me: 0, http: 0 };
    for (let turn = 0; turn < kinds.length; turn++) {
      const [kind, send] = kinds[(round + turn) % kinds.length] as (typeof kinds)[number];
      result[kind] = await meanMs(count, send);
    }
    if (round > 0) results.push(result);
  }
  agent.destroy();
  return results;
}

function report(name: string, rounds: readonly Round[]): void {
  const of = (figure: (round: Round) => number) => median(rounds.map(figure))?.toFixed(3);
  console.log(
    [
      name,
      `Validate ${of(({ validate }) => validate)} ms`,
      `GET /me ${of(({ me }) => me)} ms: ${of(({ me, validate }) => me / validate)} times`,
      `${of(({ me, validate }) => me - validate)} ms more`,
      `of these, ${of(({ http }) => http)} ms for HTTP without the middleware, and ${of(
        ({ me, validate, http }) => me - validate - http,
      )} ms for the middleware`,
    ].join(", "),
  );
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "15" },
    count: { type: "string", default: "300" },
  },
});
const names = positionals.length > 0 ? positionals : ["typescript/express"];
const size = { rounds: Number(values.rounds), count: Number(values.count) };
await using sessiond = await createTestSessiond({ cookieSecure: false });
for (const name of names) {
  const application = await startApplication(name, sessiond.url);
  try {
    report(name, await measure(application, sessiond, size));
  } finally {
    await application.stop();
  }
}
