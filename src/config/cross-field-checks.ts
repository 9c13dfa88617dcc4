import type { EnvReader } from "./env-reader.ts";
import { checkExposure } from "./exposure.ts";
import { howToMakeKey, isKeyOfCertificate } from "./key-parsers.ts";

/** Checks the settings that depend on each other, and adds what is wrong to the reader's problems. */
export function checkCrossField(reader: EnvReader): void {
  checkPorts(reader);
  checkTls(reader);
  checkCallers(reader);
  checkExposure(reader);
  checkExtAuthz(reader);
  checkDatabase(reader);
  checkVault(reader);
  checkTokens(reader);
  checkTimeouts(reader);
  checkCookies(reader);
}

function checkPorts(reader: EnvReader): void {
  const [port, metricsPort] = ["SESSIOND_PORT", "SESSIOND_METRICS_PORT"] as const;
  const used = reader.get(port);
  reader.check(
    [port, metricsPort],
    used === 0 || reader.get(metricsPort) !== used,
    `${metricsPort} and ${port} are both ${used}: metrics need a port of their own`,
  );
}

function checkTls(reader: EnvReader): void {
  const [cert, key] = ["SESSIOND_TLS_CERT", "SESSIOND_TLS_KEY"] as const;
  if (reader.isSet(cert) !== reader.isSet(key)) {
    const [present, missing] = reader.isSet(cert) ? [cert, key] : [key, cert];
    reader.problems.push(
      `${present} is set without ${missing}: set both for TLS (each also as a file, ` +
        `${missing}_FILE), or neither for plain HTTP`,
    );
  }
  const [certificatePem, keyPem] = [reader.get(cert), reader.get(key)];
  reader.check(
    [cert, key],
    !certificatePem || !keyPem || isKeyOfCertificate(certificatePem, keyPem),
    `${cert} and ${key} (hidden) do not belong together: the key must be the certificate's`,
  );

  const [ca, clientCertificate] = [
    "SESSIOND_TLS_CLIENT_CA",
    "SESSIOND_TLS_CLIENT_CERTIFICATE",
  ] as const;
  if (reader.isSet(ca) && !reader.isSet(cert) && !reader.isSet(key)) {
    reader.problems.push(
      `${ca} is set without ${cert} and ${key}: clients can show certificates over TLS only`,
    );
  }
  if (reader.isSet(clientCertificate) && !reader.isSet(ca)) {
    reader.problems.push(
      `${clientCertificate} is set without ${ca}: set the authorities that certificates are verified by`,
    );
  }
}

function checkCallers(reader: EnvReader): void {
  const [jwks, file] = ["SESSIOND_JWT_JWKS", "SESSIOND_CALLERS_FILE"] as const;
  const rules = ["SESSIOND_JWT_ISSUER", "SESSIOND_JWT_AUDIENCE"] as const;
  for (const needed of [...rules, file] as const) {
    reader.check(
      [jwks, needed],
      reader.get(jwks) === undefined || reader.get(needed) !== undefined,
      `${jwks} needs ${needed}, which is not set: JWTs are accepted only of one issuer, for one ` +
        "audience, and of the subjects in the callers file",
    );
  }
  for (const rule of [...rules, "SESSIOND_JWT_ALGORITHMS"] as const) {
    reader.check(
      [jwks, rule],
      !reader.isSet(rule) || reader.get(jwks) !== undefined,
      `${rule} has no effect without ${jwks}, which is not set`,
    );
  }
}

function checkExtAuthz(reader: EnvReader): void {
  const [audience, header] = [
    "SESSIOND_EXT_AUTHZ_TOKEN_AUDIENCE",
    "SESSIOND_EXT_AUTHZ_TOKEN_HEADER",
  ] as const;
  reader.check(
    [audience, header],
    !reader.isSet(header) || reader.get(audience) !== undefined,
    `${header} has no effect without ${audience}, which is not set`,
  );
  const audiences = "SESSIOND_TOKEN_AUDIENCES";
  const wanted = reader.get(audience);
  reader.check(
    [audience, audiences],
    wanted === undefined || (reader.get(audiences) ?? []).includes(wanted),
    `${audience} (${wanted}) must be one of ${audiences}, for which tokens are issued`,
  );
  const csrfHeader = "SESSIOND_EXT_AUTHZ_CSRF_HEADER";
  reader.check(
    [header, csrfHeader],
    reader.get(header) !== reader.get(csrfHeader),
    `${reader.describe(header)} and ${reader.describe(csrfHeader)} must be different names`,
  );
}

function checkDatabase(reader: EnvReader): void {
  const [url, keys] = ["SESSIOND_DATABASE_URL", "SESSIOND_KEY_ENCRYPTION_KEYS"] as const;
  const provider = "SESSIOND_KEY_ENCRYPTION_PROVIDER";
  // Without a URL, the key is generated and kept in the data directory.
  reader.check(
    [url, keys, provider],
    reader.get(url) === undefined ||
      reader.get(keys) !== undefined ||
      reader.get(provider) !== "local",
    `${url} (hidden) needs ${keys}, which is not set: signing keys are stored encrypted; ` +
      `${howToMakeKey}, and give every replica the same`,
  );

  const [poolSize, workers] = ["SESSIOND_DATABASE_POOL_SIZE", "SESSIOND_WORKERS"] as const;
  reader.check(
    [poolSize, workers],
    reader.get(poolSize) >= 2 * reader.get(workers),
    `${reader.describe(poolSize)} must be at least twice ${reader.describe(workers)}: ` +
      "each worker needs two database connections",
  );
}

const VAULT_SETTINGS = [
  "SESSIOND_KEY_ENCRYPTION_VAULT_ADDRESS",
  "SESSIOND_KEY_ENCRYPTION_VAULT_KEY",
  "SESSIOND_KEY_ENCRYPTION_VAULT_TOKEN_FILE",
] as const;

function checkVault(reader: EnvReader): void {
  const provider = "SESSIOND_KEY_ENCRYPTION_PROVIDER";
  const isWanted = reader.get(provider) === "vault-transit";
  const present = VAULT_SETTINGS.find((name) => reader.isSet(name));
  const missing = VAULT_SETTINGS.filter((name) => !reader.isSet(name)).join(" and ");
  reader.check(
    [provider],
    missing === "" || (present === undefined && !isWanted),
    `${isWanted ? reader.describe(provider) : present} needs ${missing}, which is not set: Vault needs ` +
      "an address, the name of a key and a token file",
  );
}

function checkTokens(reader: EnvReader): void {
  const [issuer, audiences] = ["SESSIOND_TOKEN_ISSUER", "SESSIOND_TOKEN_AUDIENCES"] as const;
  const hasIssuer = reader.get(issuer) !== undefined;
  reader.check(
    [issuer, audiences],
    !hasIssuer || (reader.get(audiences) ?? []).length > 0,
    `${issuer} needs ${audiences}, which is not set: a token is for one of the audiences that are named there`,
  );
  const others = [
    audiences,
    "SESSIOND_TOKEN_ALGORITHM",
    "SESSIOND_TOKEN_LIFETIME",
    "SESSIOND_TOKEN_KEY_PUBLISH_DELAY",
  ] as const;
  for (const other of others) {
    reader.check(
      [issuer, other],
      hasIssuer || !reader.isSet(other),
      `${other} has no effect without ${issuer}, which is not set`,
    );
  }
}

const RELATIONS = {
  "must not be longer than": (a: number, b: number) => a <= b,
  "must be shorter than": (a: number, b: number) => a < b,
  "must be at least": (a: number, b: number) => a >= b,
};

const TIMEOUT_RULES = [
  ["SESSIOND_IDLE_TIMEOUT", "must not be longer than", "SESSIOND_ABSOLUTE_TIMEOUT"],
  ["SESSIOND_IDLE_TIMEOUT", "must not be longer than", "SESSIOND_MAX_IDLE_TIMEOUT"],
  ["SESSIOND_ABSOLUTE_TIMEOUT", "must not be longer than", "SESSIOND_MAX_ABSOLUTE_TIMEOUT"],
  ["SESSIOND_TOUCH_INTERVAL", "must be shorter than", "SESSIOND_IDLE_TIMEOUT"],
  ["SESSIOND_IDLE_WARNING", "must be shorter than", "SESSIOND_IDLE_TIMEOUT"],
  ["SESSIOND_ABSOLUTE_WARNING", "must be shorter than", "SESSIOND_ABSOLUTE_TIMEOUT"],
  ["SESSIOND_SIGNING_KEY_RETENTION", "must be at least", "SESSIOND_MAX_ABSOLUTE_TIMEOUT"],
  ["SESSIOND_SIGNING_KEY_RETENTION", "must be at least", "SESSIOND_PRE_LOGIN_TIMEOUT"],
] as const;

function checkTimeouts(reader: EnvReader): void {
  for (const [a, relation, b] of TIMEOUT_RULES) {
    const reason = a.endsWith("RETENTION") ? ": otherwise a rotation would end sessions" : "";
    reader.check(
      [a, b],
      RELATIONS[relation](reader.get(a), reader.get(b)),
      `${reader.describe(a)} ${relation} ${reader.describe(b)}${reason}`,
    );
  }
}

function checkCookies(reader: EnvReader): void {
  reader.check(
    ["SESSIOND_COOKIE_SAME_SITE", "SESSIOND_COOKIE_SECURE"],
    reader.get("SESSIOND_COOKIE_SAME_SITE") !== "none" || reader.get("SESSIOND_COOKIE_SECURE"),
    "SESSIOND_COOKIE_SAME_SITE (none) needs SESSIOND_COOKIE_SECURE (false) to be true: " +
      "browsers drop such cookies otherwise",
  );

  const names = [
    "SESSIOND_COOKIE_NAME",
    "SESSIOND_PRE_LOGIN_COOKIE_NAME",
    "SESSIOND_CSRF_COOKIE_NAME",
  ] as const;
  for (const [index, name] of names.entries()) {
    for (const other of names.slice(index + 1)) {
      reader.check(
        [name, other],
        reader.get(name) !== reader.get(other),
        `${reader.describe(name)} and ${reader.describe(other)} must be different names`,
      );
    }
  }
}
