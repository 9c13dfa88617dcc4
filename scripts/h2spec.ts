/**
 * Runs all cases of h2spec, also the strict ones, against a sessiond in cleartext and one with TLS,
 * on a PostgreSQL that is thrown away. Prints each case that fails. Arguments are sections or cases
 * of h2spec to run instead of all, such as `hpack` or `http2/5.1/5`.
 *
 * Exits with 1 if a case fails that is not among the known deviations, or if cases are skipped or missing.
 * Without Go the run is skipped, or fails with REQUIRE_H2SPEC=1.
 */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedPostgres } from "../packages/embedded-postgres/index.ts";
import { type CaseResult, type H2specTarget, runH2spec } from "../test/http2-tools/h2spec.ts";
import { deviationsOf } from "../test/http2-tools/h2spec-deviations.ts";
import { BANNER, databaseEnv, startSessiond } from "../test/support/sessiond-process.ts";
import { testCertificate, testKey } from "../test/support/test-certificate.ts";

/** How long h2spec waits for each answer at first, and again where a case has failed. */
const TIMEOUT_S = 2;
const REPEATED_TIMEOUT_S = 10;
/** How often cases that have failed are run again. */
const MAX_REPETITIONS = 5;

/** All of h2spec 2.2.1. */
const LEAST_CASES = 146;

const specs = process.argv.slice(2);

/** Runs the cases and prints those that fail. Returns the number of failures; undefined: no Go. */
async function check(target: H2specTarget): Promise<number | undefined> {
  const name = target.tls ? "over TLS" : "in cleartext";
  const deviations = deviationsOf(target);
  const results = await runH2spec(target, { timeoutSeconds: TIMEOUT_S, specs });
  if (results === undefined) return undefined;
  const failed = results.filter(({ failure }) => failure !== undefined);
  const unknown = await failedAgain(
    target,
    failed.filter((result) => deviations[result.name] === undefined),
  );
  const known = failed.filter((result) => deviations[result.name] !== undefined);
  for (const result of known) {
    console.log(`known deviation ${name}: ${result.name}: ${deviations[result.name]}`);
  }
  for (const { name: title, failure = "" } of unknown) {
    console.log(`FAILED ${name}: ${title}\n${failure.replaceAll(/^/gm, "  ")}`);
  }
  const tooFew = specs.length === 0 && results.length < LEAST_CASES;
  if (tooFew) {
    console.log(`FAILED ${name}: h2spec has run ${results.length} cases, and has ${LEAST_CASES}`);
  }
  const skipped = results.filter((result) => result.skipped);
  for (const result of skipped) {
    console.log(`FAILED ${name}: ${result.name}: h2spec has skipped it`);
  }
  const passed = results.length - known.length - unknown.length - skipped.length;
  const counts = `${passed} of ${results.length} cases passed, ${skipped.length} skipped`;
  console.log(`h2spec ${name}: ${counts}, ${known.length} known deviations`);
  return unknown.length + skipped.length + (tooFew ? 1 : 0);
}

/**
 * The cases that fail again and again. On a busy machine an answer may come too late. Or h2spec may write so
 * slowly that its request is answered before the frame that the case is about comes, which is allowed (RFC
 * 9113, section 8.1).
 */
async function failedAgain(
  target: H2specTarget,
  failed: readonly CaseResult[],
): Promise<readonly CaseResult[]> {
  let left = failed;
  for (let count = 0; count < MAX_REPETITIONS && left.length > 0; count += 1) {
    for (const { name } of left) console.log(`again: ${name}`);
    const specs = left.map(({ spec }) => spec);
    const results = (await runH2spec(target, { timeoutSeconds: REPEATED_TIMEOUT_S, specs })) ?? [];
    const passed = new Set(
      results
        .filter(({ failure, skipped }) => failure === undefined && !skipped)
        .map(({ name }) => name),
    );
    // Also one that was not run again has failed.
    left = left.filter(({ name }) => !passed.has(name));
  }
  return left;
}

async function main(): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const dataDirectory = await mkdtemp(join(tmpdir(), "sessiond-h2spec-"));
  stack.defer(() => rm(dataDirectory, { recursive: true, force: true }));
  // PostgreSQL does not run as root: its user must be able to enter.
  await chmod(dataDirectory, 0o755);
  const postgres = await startEmbeddedPostgres({ dataDirectory, ephemeral: true });
  stack.defer(() => postgres.stop());

  let failures = 0;
  for (const tls of [false, true]) {
    const credentials = tls && { SESSIOND_TLS_CERT: testCertificate, SESSIOND_TLS_KEY: testKey };
    const sessiond = startSessiond({ env: { ...databaseEnv(postgres), ...credentials } });
    stack.defer(async () => void (await sessiond.end("SIGKILL")));
    const { hostname: host, port } = new URL(await sessiond.says(BANNER));
    const failed = await check({ host, port: Number(port), tls });
    if (failed === undefined) {
      console.log("h2spec is skipped: there is no Go to run it with");
      return process.env.REQUIRE_H2SPEC === "1" ? 1 : 0;
    }
    failures += failed;
    const { code, signal } = await sessiond.end("SIGTERM");
    if (code !== 0) {
      console.log(`FAILED sessiond ended with ${code ?? signal}`);
      failures += 1;
    }
  }
  return failures === 0 ? 0 : 1;
}

process.exitCode = await main();
