import { generateKeyPairSync, hash, randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { exportJWK, SignJWT } from "jose";
import { createAuthority, LOCAL_NAMES } from "../test/support/certificate-authority.ts";
import {
  type BurstComparison,
  type BurstSample,
  burstRatios,
  burstsTable,
  levelsOf,
  measureBursts,
  type Variant,
} from "./bursts.ts";
import type { Context } from "./context.ts";
import type { Fixture } from "./fixture.ts";
import { evaluateGoal, type GoalResult } from "./goals.ts";

const NAME = "bench";
const SAN = "spiffe://example.org/bench";
const ISSUER = "https://issuer.example.org";
const AUDIENCE = "sessiond";

/** For each kind of credential the variant that has none, and is the same otherwise. */
const COMPARISONS: readonly BurstComparison[] = [
  { figure: "with a token", of: "token", against: "anonymous" },
  { figure: "with a JWT", of: "jwt", against: "anonymous" },
  { figure: "with a client certificate", of: "mtls", against: "tls" },
  { figure: "over TLS", of: "tls", against: "anonymous" },
];
/** TLS itself is no part of the cost of authentication. */
const GOALS = COMPARISONS.filter(({ of }) => of !== "tls");

/** What authentication adds to the CPU time of Validate. */
export async function measureAuthentication(
  context: Context,
  fixture: Fixture,
): Promise<BurstSample[]> {
  return measureBursts(context, await createVariants(fixture));
}

async function createVariants(fixture: Fixture): Promise<Variant[]> {
  const { directory, sessiond } = fixture;
  const requests = await fixture.requests("validate");
  const file = async (name: string, content: string): Promise<string> => {
    const path = join(directory, name);
    await writeFile(path, content, { mode: 0o600 });
    return path;
  };
  const callers = async (name: string, credential: Readonly<Record<string, string>>) => ({
    SESSIOND_CALLERS_FILE: await file(
      `${name}.callers`,
      `${JSON.stringify({ name: NAME, role: "validator", ...credential })}\n`,
    ),
  });

  const token = randomBytes(32).toString("base64url");
  const jwt = await createJwt();
  const authority = createAuthority();
  const server = authority.issue({ san: LOCAL_NAMES, usage: ["server"] });
  const client = authority.issue({ san: [`uri:${SAN}`], usage: ["client"] });
  const ca = await file("ca.pem", authority.certificate);
  const trust = { ca };
  const identity = {
    certificate: await file("client.pem", client.certificate),
    key: await file("client.key", client.key),
  };
  const tls = { SESSIOND_TLS_CERT: server.certificate, SESSIOND_TLS_KEY: server.key };
  const mtls = {
    ...tls,
    SESSIOND_TLS_CLIENT_CA: authority.certificate,
    SESSIOND_TLS_CLIENT_CERTIFICATE: "required",
    ...(await callers("mtls", { certificate_san: SAN })),
  };
  const withJwt = {
    ...(await callers("jwt", { jwt_subject: NAME })),
    SESSIOND_JWT_ISSUER: ISSUER,
    SESSIOND_JWT_AUDIENCE: AUDIENCE,
    SESSIOND_JWT_JWKS: await file("jwks.json", JSON.stringify(jwt.keySet)),
    SESSIOND_JWT_ALGORITHMS: jwt.algorithm,
  };
  const withToken = await callers("token", { token_sha256: hash("sha256", token) });
  return [
    { name: "anonymous", command: sessiond(), requests },
    {
      name: "token",
      requests,
      command: sessiond(withToken),
      callers: { authorization: `Bearer ${token}` },
    },
    {
      name: "jwt",
      requests,
      command: sessiond(withJwt),
      callers: { authorization: `Bearer ${jwt.token}` },
    },
    {
      name: "tls",
      requests,
      command: sessiond(tls),
      callers: { tls: trust },
    },
    {
      name: "mtls",
      requests,
      command: sessiond(mtls),
      callers: { tls: { ...trust, ...identity } },
    },
  ];
}

async function createJwt() {
  const algorithm = "RS256";
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const token = await new SignJWT()
    .setProtectedHeader({ alg: algorithm, kid: "1" })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setSubject(NAME)
    .setExpirationTime("1 day")
    .sign(privateKey);
  const key = { ...(await exportJWK(publicKey)), kid: "1", alg: algorithm, use: "sig" };
  return { algorithm, token, keySet: { keys: [key] } };
}

export function evaluateAuthentication(samples: readonly BurstSample[]): GoalResult[] {
  return GOALS.flatMap((comparison) =>
    levelsOf(samples).map((inFlight) =>
      evaluateGoal(
        `CPU per Validate ${comparison.figure}, against none, ${inFlight} in flight`,
        { at: "most", value: 1.03 },
        burstRatios(samples, comparison, inFlight),
      ),
    ),
  );
}

export function authenticationTable(samples: readonly BurstSample[]): string {
  return burstsTable(samples, COMPARISONS);
}
