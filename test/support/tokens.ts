import { expect } from "chai";
import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify } from "jose";
import type { ValidateRequest } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { JWKS_PATH } from "../../src/token-keys.ts";
import type { SessionClient } from "./app.ts";

export const ISSUER = "https://sessiond.test";
export const AUDIENCE = "orders";

/** Settings that switch tokens on. */
export const TOKENS_ENV = {
  SESSIOND_TOKEN_ISSUER: ISSUER,
  SESSIOND_TOKEN_AUDIENCES: `${AUDIENCE},billing`,
};

type Options = Partial<Omit<ValidateRequest, "$typeName" | "$unknown" | "credential">>;

/** Validates the session, and asks for a token unless the options say otherwise. */
export function validateForToken(client: SessionClient, cookie: string, options: Options = {}) {
  return client.validate({
    tokenAudience: AUDIENCE,
    ...options,
    credential: { case: "cookie", value: cookie },
  });
}

/** A token for the session: there must be one. */
export async function tokenFor(
  client: SessionClient,
  cookie: string,
  options: Options = {},
): Promise<string> {
  const { token } = await validateForToken(client, cookie, options);
  expect(token).not.to.equal("");
  return token;
}

export async function fetchJwks(url: string): Promise<JSONWebKeySet> {
  const response = await fetch(`${url}${JWKS_PATH}`);
  expect(response.status).to.equal(200);
  return (await response.json()) as JSONWebKeySet;
}

export async function publishedKids(url: string): Promise<string[]> {
  const { keys } = await fetchJwks(url);
  return keys.map(({ kid }) => kid ?? "");
}

/**
 * Verifies the token as an upstream does, with the keys that are published now, at the instant when it was
 * issued.
 */
export async function verify(token: string, url: string, audience = AUDIENCE, issuer = ISSUER) {
  const { iat = 0 } = decodeJwt(token);
  return jwtVerify(token, createLocalJWKSet(await fetchJwks(url)), {
    issuer,
    audience,
    typ: "sessiond+jwt",
    algorithms: ["ES256", "EdDSA"],
    requiredClaims: ["sub", "sid", "exp", "iat"],
    currentDate: new Date(iat * 1000),
  });
}
