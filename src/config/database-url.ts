import { closestMatch } from "leven";

/** The parameters of a database URL that have an effect. */
const KNOWN = [
  "sslmode",
  "sslrootcert",
  "sslcert",
  "sslkey",
  "sslnegotiation",
  "application_name",
  "options",
  "host",
  "port",
  "user",
  "password",
  "target_session_attrs",
];

/** What the host that sessiond connects to must be, in libpq's words. Both are the same here. */
const WRITABLE = ["read-write", "primary"];

const leaveOut = "leave it out";
const connectTimeout = "set SESSIOND_DATABASE_CONNECT_TIMEOUT instead";
const statementTimeout = "set SESSIOND_DATABASE_STATEMENT_TIMEOUT instead";
const poolSize = "set SESSIOND_DATABASE_POOL_SIZE instead";
const queueTimeout = "set SESSIOND_DATABASE_QUEUE_TIMEOUT instead";

/** What to do instead, for parameters of libpq, other drivers and hosted databases. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  ssl: "use sslmode instead, such as sslmode=verify-full",
  uselibpqcompat: `${leaveOut}: sslmode always has libpq's meaning`,
  channel_binding: `${leaveOut}; sslmode=verify-full verifies the server`,
  gssencmode: leaveOut,
  fallback_application_name: "use application_name instead",
  dbname: "the database's name is the path of the URL",
  database: "the database's name is the path of the URL",
  schema: "use options=-c%20search_path%3D<schema> instead",
  pgbouncer: "set SESSIOND_DATABASE_PREPARED_STATEMENTS=false instead",
  connect_timeout: connectTimeout,
  connection_timeout: connectTimeout,
  statement_timeout: statementTimeout,
  query_timeout: statementTimeout,
  max: poolSize,
  pool_size: poolSize,
  connection_limit: poolSize,
  pool_timeout: queueTimeout,
  keepalives: `${leaveOut}: TCP keepalive is always on`,
};

/** What to do instead, for values of sslmode that are refused or not libpq's. */
const SSL_MODES: Readonly<Record<string, string>> = {
  allow: "it may connect in plain text",
  prefer: "it may connect in plain text",
  "no-verify": "its usual name is require",
};
const ACCEPTED_SSL_MODES = ["disable", "require", "verify-ca", "verify-full"];

const FORM =
  "it must be a postgres:// or postgresql:// URL, such as " +
  "postgres://user:password@host:5432/database";
const ENCODE =
  "in user and password, percent-encode special characters: " +
  "% as %25, @ as %40, / as %2F, # as %23, ? as %3F, : as %3A";

/**
 * What is wrong with the URL of the database, and what would be right; undefined if nothing is. It
 * contains nothing of user and password, also if an unencoded character of the password moves a part
 * of it into the host, the path or a parameter.
 *
 * pg accepts more: it ignores parameters that it does not know, and reads its own meaning into some
 * values of sslmode.
 */
export function databaseUrlProblem(text: string): string | undefined {
  if (/[\s\p{Cc}]/u.test(text)) {
    return "it contains a space or a line break: percent-encode a space as %20";
  }
  // Only user and password can contain an @, before the last one. What comes after it is not secret.
  const authority = /^[^:/?#]+:\/\/([^/?#]*)/.exec(text)?.[1] ?? "";
  const hasCredentials = authority.includes("@");
  const isAmbiguous = authority.split("@").length > 2 || text.split("@").length > 2;
  if (isAmbiguous || (text.includes("@") && !hasCredentials) || text.includes("#")) {
    return `${FORM}; ${ENCODE}`;
  }
  if (!isDecodable(text)) return `it has a % that begins no percent-encoded character; ${ENCODE}`;
  const urls = databaseHostUrls(text);
  const problem = hostsProblem(text, urls.length);
  if (problem !== undefined) return problem;
  return urls.every(isUrl) ? parametersProblem(partsOf(text).parameters) : `${FORM}; ${ENCODE}`;
}

/**
 * The URL of each host that the URL names, in its order. They differ in nothing else. As in libpq, several
 * hosts are separated by commas, before the path or in the parameter `host`, each with its port or all with
 * the same one.
 */
export function databaseHostUrls(text: string): readonly string[] {
  const { scheme, credentials, hosts, path, parameters } = partsOf(text);
  const names = parameters.get("host")?.split(",") ?? hosts.split(",");
  if (names.length === 1) return [text];
  const ports = parameters.get("port")?.split(",");
  return names.map((name, index) => {
    const own = new URLSearchParams(parameters);
    if (parameters.has("host")) own.set("host", name);
    if (ports !== undefined) own.set("port", ports[ports.length === 1 ? 0 : index] ?? "");
    const authority = parameters.has("host") ? hosts : name;
    return `${scheme}${credentials}${authority}${path}?${own}`;
  });
}

/** The parts of a URL that may name several hosts, which the platform's parser refuses. */
function partsOf(text: string) {
  const pattern = /^(\w+:\/\/)?([^@/?]*@)?([^/?]*)([^?]*)(.*)$/;
  const parts = pattern.exec(text) ?? [];
  const [, scheme = "", credentials = "", hosts = "", path = "", query = ""] = parts;
  return { scheme, credentials, hosts, path, parameters: new URLSearchParams(query) };
}

function hostsProblem(text: string, count: number): string | undefined {
  const { hosts, parameters } = partsOf(text);
  const names = (parameters.get("host") ?? hosts).split(",");
  if (count > 1 && names.some((name) => /^(:|$)/.test(name))) {
    return "one of its hosts has no name: several are separated by one comma, as in host1:5432,host2:5432";
  }
  const ports = parameters.get("port")?.split(",") ?? [];
  if (ports.length > 1 && ports.length !== count) {
    return "its parameter port must have one port, or as many as there are hosts";
  }
  const attributes = parameters.get("target_session_attrs") ?? (count > 1 ? "" : "any");
  if (WRITABLE.includes(attributes) || (count === 1 && attributes === "any")) return undefined;
  return "its parameter target_session_attrs must be read-write: sessiond writes sessions and audit events";
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

function isUrl(text: string): boolean {
  // With a Unix socket, there may be a user and no host.
  const url = URL.parse(text.replace(/@(?=\/)/, "@localhost"));
  return url !== null && /^postgres(ql)?:$/.test(url.protocol);
}

function parametersProblem(parameters: URLSearchParams): string | undefined {
  for (const name of parameters.keys()) {
    if (Object.hasOwn(ELSEWHERE, name)) {
      return `its parameter ${name} is not supported: ${ELSEWHERE[name]}`;
    }
    if (!KNOWN.includes(name)) return unknown(name, parameters.has("password"));
    if (parameters.getAll(name).length > 1) return `its parameter ${name} is there twice`;
    if (parameters.get(name) === "") return `its parameter ${name} has no value`;
  }
  return sslProblem(parameters);
}

function unknown(name: string, hasPassword: boolean): string {
  const known = `The known ones are ${KNOWN.join(", ")}`;
  // What follows an unencoded & of the password looks like a name.
  if (hasPassword) {
    return `it has an unknown parameter: in the password, percent-encode & as %26. ${known}`;
  }
  if (!/^\w{1,40}$/.test(name)) return `it has an unknown parameter: ${known}`;
  const nearest = closestMatch(name.toLowerCase(), KNOWN);
  return `its parameter ${name} is not known: did you mean ${nearest}? ${known}`;
}

function sslProblem(parameters: URLSearchParams): string | undefined {
  const mode = parameters.get("sslmode") ?? undefined;
  if (mode !== undefined && !ACCEPTED_SSL_MODES.includes(mode)) {
    const why = Object.hasOwn(SSL_MODES, mode) ? ` (${SSL_MODES[mode]})` : "";
    return (
      `its sslmode must not be ${JSON.stringify(mode.slice(0, 40))}${why}: use verify-full, or ` +
      "verify-ca (any host name), require (encrypted, but any server), disable (plain text)"
    );
  }
  const isOff = mode === undefined || mode === "disable";
  for (const name of ["sslrootcert", "sslcert", "sslkey", "sslnegotiation"]) {
    if (isOff && parameters.has(name)) return `its ${name} needs TLS: set sslmode=verify-full`;
  }
  if (parameters.has("sslcert") !== parameters.has("sslkey")) {
    return "it must have both or neither of sslcert and sslkey, the client's certificate and its key";
  }
  if (parameters.get("sslrootcert") === "system") {
    return "its sslrootcert must name a file: without it, the well-known authorities are trusted";
  }
  if (mode === "verify-ca" && !parameters.has("sslrootcert")) {
    return "its sslmode=verify-ca needs sslrootcert, the file of the certificate authority";
  }
  const negotiation = parameters.get("sslnegotiation") ?? "postgres";
  if (negotiation !== "postgres" && negotiation !== "direct") {
    return "its sslnegotiation must be postgres or direct";
  }
  return undefined;
}
