import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createAuthority, LOCAL_NAMES } from "../test/support/certificate-authority.ts";

export interface ServerTls {
  /** sessiond's settings. */
  readonly env: Readonly<Record<string, string>>;
  /** The file of the authority, for the load generator. */
  readonly trust: { readonly ca: string };
}

/** Makes an authority and a server's certificate. Writes the authority into the directory. */
export function createServerTls(directory: string): ServerTls {
  const authority = createAuthority();
  const { certificate, key } = authority.issue({ san: LOCAL_NAMES, usage: ["server"] });
  const ca = join(directory, "server-ca.pem");
  writeFileSync(ca, authority.certificate);
  return { env: { SESSIOND_TLS_CERT: certificate, SESSIOND_TLS_KEY: key }, trust: { ca } };
}
