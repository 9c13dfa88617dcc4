import { readFile } from "node:fs/promises";
import { Code, ConnectError } from "@connectrpc/connect";

/** How long a token that was read is used. An issuer renews a file long before its token expires. */
const REUSED_FOR_MS = 1000;

/** The token of a file, which is read again in time. A file that was not usable is read at once. */
export function tokenOfFile(path: string): () => Promise<string> {
  let token: Promise<string> | undefined;
  let readAt = 0;
  return () => {
    const now = performance.now();
    if (token === undefined || now - readAt >= REUSED_FOR_MS) {
      readAt = now;
      const reading = read(path);
      token = reading;
      reading.catch(() => {
        if (token === reading) token = undefined;
      });
    }
    return token;
  };
}

/** @throws ConnectError UNAUTHENTICATED, which names the file but not its content */
async function read(path: string): Promise<string> {
  let content: string;
  try {
    content = await readFile(path, "utf8");
  } catch (cause) {
    throw unusable(`the token file ${path} cannot be read`, cause);
  }
  const token = content.trim();
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  const what = token === "" ? "is empty" : "must have nothing but one token of visible ASCII";
  throw unusable(`the token file ${path} ${what}`);
}

function unusable(message: string, cause?: unknown): ConnectError {
  return new ConnectError(message, Code.Unauthenticated, undefined, undefined, cause);
}
