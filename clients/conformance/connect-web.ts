import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { CHROMIUM_FLAGS } from "../../test/support/chromium.ts";
import { type CallAnswer, type CallRequest, NO_RAW_JSON, type Stub } from "./clients.ts";
import { PAGE_ORIGIN } from "./page-origin.ts";
import { startSameOriginProxy } from "./same-origin-proxy.ts";

/** What the script of the page defines. */
interface Page {
  callSessiond(request: CallRequest): Promise<CallAnswer>;
}

/** A page in a headless browser that calls sessiond with connect-web. */
export async function startConnectWebStub(program: string, sessiondUrl: string) {
  await using stack = new AsyncDisposableStack();
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, "connect-web-page.ts")],
    bundle: true,
    write: false,
    format: "iife",
    target: "es2022",
  });
  const proxy = await startSameOriginProxy(outputFiles[0]?.text ?? "");
  stack.defer(() => proxy.close());
  const profile = await mkdtemp(join(tmpdir(), "sessiond-chromium-"));
  stack.defer(() => rm(profile, { recursive: true, force: true }));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: program,
    headless: true,
    // As root, Chromium needs it.
    args: [
      ...CHROMIUM_FLAGS,
      "--no-sandbox",
      `--host-resolver-rules=MAP ${new URL(PAGE_ORIGIN).host}:80 ${new URL(proxy.url).host}`,
    ],
    // They would end this process before it has cleaned up.
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
  stack.defer(() => context.close());
  const page = await context.newPage();
  await page.goto(PAGE_ORIGIN);
  const stub: Stub = {
    name: "connect-web",
    lacks: {
      retry: "connect-web has no retry",
      defaultDeadline: "connect-web has no deadline by default",
      browserStatus: "the page is in the browser already",
      tls: "the browser decides about TLS",
      rawJson: NO_RAW_JSON,
      sendsOnce:
        "the browser itself sends a request again if a connection that it has used before is cut",
    },
    async call({ url = sessiondUrl, ...call }) {
      const request = JSON.stringify({ ...call, url: `${PAGE_ORIGIN}${proxy.pathTo(url)}` });
      const answer = await page.evaluate(async (text) => {
        const { callSessiond } = globalThis as unknown as Page;
        return JSON.stringify(await callSessiond(JSON.parse(text)));
      }, request);
      return JSON.parse(answer);
    },
  };
  const running = stack.move();
  return { stub, stop: () => running.disposeAsync() };
}
