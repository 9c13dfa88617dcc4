import { join } from "node:path";
import {
  type BurstComparison,
  type BurstSample,
  burstsTable,
  measureBursts,
  type Variant,
} from "./bursts.ts";
import type { Context } from "./context.ts";
import type { Fixture } from "./fixture.ts";
import { BENCH_AUDIENCE, writeRequestsFor } from "./requests.ts";

const ALGORITHMS = ["ES256", "EdDSA"] as const;
type Algorithm = (typeof ALGORITHMS)[number];

/** Far fewer than the tokens that sessiond keeps. */
const WARM_SESSIONS = 1000;

const names = (algorithm: Algorithm) => ({
  none: `no token, beside ${algorithm}`,
  warm: `${algorithm}, warm`,
  cold: `${algorithm}, cold`,
});

const COMPARISONS: readonly BurstComparison[] = ALGORITHMS.flatMap((algorithm) => {
  const { none, warm, cold } = names(algorithm);
  return [
    { figure: `with an ${algorithm} token that was issued before`, of: warm, against: none },
    { figure: `with an ${algorithm} token that is signed`, of: cold, against: none },
  ];
});

/**
 * What a token adds to the CPU time of Validate: one that was issued a moment ago, and one that has to be
 * signed. For the latter, each request names one of all sessions, at random; the tokens of 10,000 are kept.
 */
export async function measureTokens(context: Context, fixture: Fixture): Promise<BurstSample[]> {
  const { sql, directory, credentials, sessiond } = fixture;
  const rows = await sql(`SELECT id FROM sessions LIMIT ${WARM_SESSIONS}`);
  const ids = rows.map(({ id }) => id as string);
  const path = join(directory, "warmTokens.requests");
  const warm = await writeRequestsFor("validateForToken", ids, path, credentials);
  const cold = await fixture.requests("validateForToken");
  const without = await fixture.requests("validate");

  const samples: BurstSample[] = [];
  for (const algorithm of ALGORITHMS) {
    const name = names(algorithm);
    const command = sessiond({
      SESSIOND_TOKEN_ISSUER: "bench",
      SESSIOND_TOKEN_AUDIENCES: BENCH_AUDIENCE,
      SESSIOND_TOKEN_ALGORITHM: algorithm,
      SESSIOND_TOKEN_LIFETIME: "5m",
    });
    const variants: Variant[] = [
      { name: name.none, command, requests: without },
      { name: name.warm, command, requests: warm },
      { name: name.cold, command, requests: cold },
    ];
    // The servers make a key of their algorithm.
    await sql("DELETE FROM token_keys");
    samples.push(...(await measureBursts(context, variants)));
  }
  await sql("DELETE FROM token_keys");
  return samples;
}

export function tokensTable(samples: readonly BurstSample[]): string {
  return burstsTable(samples, COMPARISONS);
}
