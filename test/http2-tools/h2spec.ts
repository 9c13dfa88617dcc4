import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";

/** A module of Go that says which h2spec is used, with all of its dependencies. */
const MODULE = join(import.meta.dirname, "h2spec");

/** A case of h2spec, such as "http2/5.1 half closed (remote): Sends a DATA frame". */
export interface CaseResult {
  readonly name: string;
  /** What the sections of h2spec call it, such as "http2/5.1/5". */
  readonly spec: string;
  /** What h2spec expected and what came instead; undefined if the case did not fail. */
  readonly failure: string | undefined;
  /** Whether h2spec found that the case does not apply to the server. */
  readonly skipped: boolean;
}

export interface H2specTarget {
  readonly host: string;
  readonly port: number;
  /** Whether it is reached over TLS. Its certificate is not verified. */
  readonly tls: boolean;
}

export interface H2specOptions {
  /** How long h2spec waits for each answer. */
  readonly timeoutSeconds: number;
  /** Sections or cases, such as "hpack" or "http2/5.1/5"; all by default. */
  readonly specs?: readonly string[];
}

/** The cases of a report of h2spec, which is a JUnit report with the numbers of cases left out. */
export function parseReport(report: string): CaseResult[] {
  const numbers = new Map<string, number>();
  const cases = report.matchAll(
    /<testcase package="([^"]*)" classname="([^"]*)"[^>]*?(?:\/>|>(.*?)<\/testcase>)/gs,
  );
  return [...cases].map(([, section = "", title = "", content = ""]) => {
    const number = (numbers.get(section) ?? 0) + 1;
    numbers.set(section, number);
    return {
      name: `${section} ${unescapeXml(title)}`,
      spec: `${section}/${number}`,
      failure: /<(?:failure|error)[^>]*>(.*?)<\/(?:failure|error)>/s.exec(content)?.[1]?.trim(),
      skipped: content.includes("<skipped"),
    };
  });
}

/** Runs the cases, also the strict ones. Undefined if there is no Go to run them with. */
export async function runH2spec(
  { host, port, tls }: H2specTarget,
  { timeoutSeconds, specs = [] }: H2specOptions,
): Promise<CaseResult[] | undefined> {
  const directory = await mkdtemp(join(tmpdir(), "sessiond-h2spec-"));
  try {
    const report = join(directory, "report.xml");
    const args = [
      ...["-C", MODULE, "tool", "h2spec", ...specs, "--strict"],
      ...["--host", host, "--port", String(port), ...(tls ? ["--tls", "--insecure"] : [])],
      ...["--timeout", String(timeoutSeconds), "--junit-report", report],
    ];
    const go = spawn("go", args, { stdio: ["ignore", "ignore", "pipe"] });
    const missing = new Promise<true>((resolve) => go.once("error", () => resolve(true)));
    const said = text(go.stderr);
    const ended = new Promise<false>((resolve) => go.once("close", () => resolve(false)));
    if (await Promise.race([missing, ended])) return undefined;
    const results = parseReport(await readFile(report, "latin1").catch(() => ""));
    if (results.length === 0) throw new Error(`h2spec has no report: ${await said}`);
    return results;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function unescapeXml(text: string): string {
  return text.replaceAll("&#34;", '"').replaceAll("&#39;", "'").replaceAll("&amp;", "&");
}
