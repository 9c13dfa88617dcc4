/** The settings of the tokens that tell upstreams whose session it is. */

import * as parsers from "./parsers.ts";
import { type SettingGroup, setting } from "./setting.ts";

export const tokens = {
  SESSIOND_TOKEN_ISSUER: setting(parsers.tokenIssuer, {
    unset: "no tokens are issued",
    doc:
      "The issuer of tokens for upstreams (`iss`), such as the URL at which they reach sessiond; see " +
      "[tokens.md](tokens.md). It switches tokens on: Validate then issues one on request. A token stays " +
      "valid until it expires, also if the session is revoked before. It requires SESSIOND_TOKEN_AUDIENCES.",
  }),
  SESSIOND_TOKEN_AUDIENCES: setting(parsers.audienceList, {
    doc:
      "For whom tokens may be asked for (`aud`): a name for each upstream, or for each group of upstreams " +
      "that may use each other's tokens.",
  }),
  SESSIOND_TOKEN_ALGORITHM: setting(parsers.choice(["ES256", "EdDSA"]), {
    default: "ES256",
    doc:
      "The algorithm of token keys that are made from now on. ES256 is ECDSA with P-256, which every " +
      "library verifies; EdDSA is Ed25519. RotateTokenKey makes a key of the new algorithm.",
  }),
  SESSIOND_TOKEN_LIFETIME: setting(parsers.wholeSeconds("10s", "5m"), {
    default: "1m",
    doc:
      "How long a token is valid, but never longer than its session. It is also what tokens cost: a token " +
      "stays valid until it expires, also if the session is revoked before.",
  }),
  SESSIOND_TOKEN_KEY_PUBLISH_DELAY: setting(parsers.wholeSeconds("1m", "1d"), {
    default: "10m",
    doc:
      "How long a new token key is in the JSON Web Key Set before it signs. At least as long as verifiers " +
      "cache the set.",
  }),
} satisfies SettingGroup;
