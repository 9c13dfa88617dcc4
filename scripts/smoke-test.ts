/** What the smoke tests of the image and of the npm package share. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs/promises";
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "..");

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

/** Makes a directory with the pinned node and this machine's npm, and returns a PATH with it. */
export async function installNode(directory: string): Promise<string> {
  const bin = join(directory, "bin");
  await fs.mkdir(bin);
  await fs.copyFile(join(ROOT, "node_modules/node/bin/node"), join(bin, "node"));
  await fs.chmod(join(bin, "node"), 0o755);
  for (const name of ["npm", "npx"]) {
    const path = execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim();
    await fs.symlink(await fs.realpath(path), join(bin, name));
  }
  return `${bin}:/usr/local/bin:/usr/bin:/bin`;
}

/** This machine's settings of the registry, for npm in an otherwise clean environment. */
export function registryEnv(): Record<string, string | undefined> {
  const names = /^(HOME|npm_config_(registry|cache|userconfig)|NODE_EXTRA_CA_CERTS|.*_proxy)$/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => names.test(name)));
}

/** Opens a session and validates it, over Connect's JSON. */
export async function useSession(url: string): Promise<void> {
  const call = async (method: string, request: object): Promise<string> => {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify(request);
    const target = `${url}/sessiond.v1.SessionService/${method}`;
    return (await fetch(target, { method: "POST", headers, body })).text();
  };
  const created = await call("Create", { actor: { actorType: "user", actorId: "alice" } });
  const validated = await call("Validate", { cookie: JSON.parse(created).cookie });
  assert(JSON.parse(validated).session?.actorId === "alice", `Validate answers ${validated}`);
}
