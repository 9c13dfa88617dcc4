import { type IncomingMessage, request } from "node:http";
import type { Attack, Target } from "../attack.ts";

/** What a page of another site can have a browser send, also if its name resolves to loopback. */
const pages: readonly Readonly<Record<string, string>>[] = [
  { host: "evil.example:8480", "content-type": "application/json" },
  { host: "evil.example", origin: "http://evil.example", "content-type": "application/json" },
  { host: "127.0.0.1", origin: "https://evil.example", "content-type": "application/json" },
  { host: "127.0.0.1", origin: "null", "content-type": "application/json" },
  { host: "127.0.0.1", "sec-fetch-site": "cross-site", "content-type": "application/json" },
  ...["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"].map(
    (type) => ({ host: "127.0.0.1", origin: "https://evil.example", "content-type": type }),
  ),
  // The names of an address in loopback that is no longer one.
  { host: "127.0.0.1.evil.example", "content-type": "application/json" },
  { host: "localhost.evil.example", "content-type": "application/json" },
];

async function send(
  { host, port }: Target,
  headers: Readonly<Record<string, string>>,
): Promise<{ status: number; headers: NodeJS.Dict<string | string[]> }> {
  const path = "/sessiond.v1.SessionService/Create";
  const body = JSON.stringify({ actor: { actorType: "user", actorId: "visitor" } });
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  request({ host, port, path, method: "POST", headers, agent: false }, resolve)
    .once("error", reject)
    .end(body);
  const response = await promise;
  const { statusCode: status = 0 } = response;
  response.resume();
  return { status, headers: response.headers };
}

export const attacks: readonly Attack[] = [
  {
    name: "rebinding",
    shows: "web pages cannot use the browser of a developer who runs sessiond: they get 403",
    async run(target) {
      const failures: string[] = [];
      let internal = 0;
      for (const page of pages) {
        const { status, headers } = await send(target, page);
        if (status >= 500) internal += 1;
        if (status !== 403) {
          failures.push(`${JSON.stringify(page)} is answered with ${status}`);
        }
        if ("access-control-allow-origin" in headers) failures.push("an answer has CORS headers");
      }
      const own = { host: "localhost", "content-type": "application/json" };
      const { status } = await send(target, own);
      if (status !== 200) failures.push(`the control is answered with ${status}`);
      const inputs = { tried: pages.length, internal };
      return { summary: `${pages.length} kinds of requests of pages`, failures, inputs };
    },
  },
];
