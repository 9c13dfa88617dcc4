import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { expect } from "chai";
import { startTestApp, type TestApp } from "../support/app.ts";

const example = join(import.meta.dirname, "..", "..", "examples", "backend.ts");

/** The Cookie header that a browser would send. */
function headerOf(cookies: Map<string, string>): string {
  return [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
}

/** Cookies as a browser would keep them. */
function cookiesOf(response: Response): Map<string, string> {
  return new Map(
    response.headers.getSetCookie().map((header) => {
      const [pair = ""] = header.split(";");
      const separator = pair.indexOf("=");
      return [pair.slice(0, separator), pair.slice(separator + 1)];
    }),
  );
}

describe("examples/backend.ts", () => {
  let app: TestApp;
  let backend: ChildProcess;
  let url: string;

  before(async () => {
    app = await startTestApp();
    backend = spawn(process.execPath, [example], {
      env: { SESSIOND_URL: app.url, PORT: "0" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = await new Promise<[Buffer]>((resolve) => {
      backend.stdout?.once("data", (chunk: Buffer) => resolve([chunk]));
    });
    url = line.toString().trim();
  });

  after(async () => {
    const exited = new Promise((resolve) => backend.once("exit", resolve));
    backend.kill();
    await exited;
    await app.stop();
  });

  it("logs in, knows its user, demands the CSRF token, logs out", async () => {
    const form = await fetch(`${url}/login`);
    const [, csrfToken = ""] = /name="csrf_token" value="([^"]+)"/.exec(await form.text()) ?? [];
    const logIn = (fields: Record<string, string>) =>
      fetch(`${url}/login`, {
        method: "POST",
        headers: { cookie: headerOf(cookiesOf(form)) },
        body: new URLSearchParams(fields),
      });
    expect((await logIn({ user: "alice" })).status).to.equal(403);
    const login = await logIn({ user: "alice", csrf_token: csrfToken });
    expect(await login.text()).to.equal("Welcome, alice\n");
    const cookies = cookiesOf(login);
    const cookie = headerOf(cookies);
    const csrf = cookies.get("__Host-csrf") ?? "";

    const me = await fetch(`${url}/me`, { headers: { cookie } });
    expect(await me.text()).to.match(/^You are alice for another \d+ seconds\n$/);

    const post = (path: string, headers: Record<string, string>) =>
      fetch(url + path, { method: "POST", headers: { cookie, ...headers } });
    expect((await post("/change", {})).status).to.equal(403);
    expect((await post("/change", { "x-csrf-token": csrf })).status).to.equal(200);

    const logout = await post("/logout", { "x-csrf-token": csrf });
    expect([...cookiesOf(logout).values()]).to.deep.equal(["", "", ""]);
    expect((await fetch(`${url}/me`, { headers: { cookie } })).status).to.equal(401);
  });

  it("refuses who has no session with 401", async () => {
    expect((await fetch(`${url}/me`)).status).to.equal(401);
  });
});
