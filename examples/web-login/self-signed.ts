import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/**
 * Makes a certificate for localhost with openssl, valid for a day. Its key is kept in memory only.
 *
 * @throws Error if openssl is not installed
 */
export async function selfSignedCertificate(): Promise<Certificate> {
  const directory = await mkdtemp(join(tmpdir(), "web-login-"));
  const certFile = join(directory, "cert.pem");
  const keyFile = join(directory, "key.pem");
  const request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 1";
  const names = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1";
  const subject = ["-subj", "/CN=localhost", "-addext", names];
  try {
    await promisify(execFile)("openssl", [
      ...request.split(" "),
      ...subject,
      ...["-out", certFile, "-keyout", keyFile],
    ]);
    return { cert: await readFile(certFile, "utf8"), key: await readFile(keyFile, "utf8") };
  } catch (cause) {
    throw new Error("openssl could not make a certificate: is it installed?", { cause });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
