import type { EnvReader } from "./env-reader.ts";
import { isLoopback } from "./loopback.ts";

/**
 * Who may reach sessiond, and read what callers send: nobody who should not (`protected`), anybody on
 * the network (`unauthenticated`), or nobody without credentials, which anybody on the path can read
 * (`plain-text`).
 */
export type Exposure = "protected" | "unauthenticated" | "plain-text";

export function exposureOf(reader: EnvReader): Exposure {
  if (isLoopback(reader.get("SESSIOND_HOST"))) return "protected";
  if (reader.get("SESSIOND_CALLERS_FILE") === undefined) return "unauthenticated";
  return reader.get("SESSIOND_TLS_CERT") === undefined ? "plain-text" : "protected";
}

/** Refuses what is exposed, unless a setting says that this is known. */
export function checkExposure(reader: EnvReader): void {
  const exposure = exposureOf(reader);
  const [open, plain] = [
    "SESSIOND_INSECURE_NO_CALLER_AUTHENTICATION",
    "SESSIOND_INSECURE_PLAIN_TEXT_CREDENTIALS",
  ] as const;
  const host = `${reader.describe("SESSIOND_HOST")} is not a loopback address`;

  reader.check(
    ["SESSIOND_HOST", "SESSIOND_CALLERS_FILE", open],
    exposure !== "unauthenticated" || reader.get(open),
    `${host}, and callers are not authenticated, so everyone who can connect could log in as anyone: ` +
      "set SESSIOND_CALLERS_FILE (`sessiond create-token` makes a credential), or set SESSIOND_HOST to " +
      `127.0.0.1, or set ${open}=true if only your backends can connect`,
  );
  reader.check(
    ["SESSIOND_HOST", "SESSIOND_CALLERS_FILE", "SESSIOND_TLS_CERT", "SESSIOND_TLS_KEY", plain],
    exposure !== "plain-text" || reader.get(plain),
    `${host}, and there is no TLS, so everyone on the way could read the callers' credentials: set ` +
      `SESSIOND_TLS_CERT and SESSIOND_TLS_KEY, or set ${plain}=true if a proxy or service mesh ` +
      "encrypts the connections",
  );
  reader.check(
    ["SESSIOND_CALLERS_FILE", open],
    !reader.get(open) || reader.get("SESSIOND_CALLERS_FILE") === undefined,
    `${open} (true) contradicts SESSIOND_CALLERS_FILE, which authenticates callers: unset one of them`,
  );
}
