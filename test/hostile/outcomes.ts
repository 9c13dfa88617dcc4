import { Code, ConnectError } from "@connectrpc/connect";
import { RetryInfoSchema } from "../../gen/es/google/rpc/error_details_pb.ts";

/** Carries out a call, and counts how it ends. */
export type Count = (call: () => Promise<unknown>) => Promise<void>;

/** How calls ended: "ok", or the name of their code. */
export type Outcomes = Readonly<Record<string, number>>;

/** What is counted for a call that is refused for overload, and not told when to retry. */
export const WITHOUT_RETRY_INFO = "resource_exhausted without RetryInfo";

/** The name of a gRPC code in lower case, such as "invalid_argument". */
export function codeName(code: number): string {
  if (code === 0) return "ok";
  // Connect's name for CANCELLED.
  if (code === Code.Canceled) return "cancelled";
  const name = Code[code] ?? `code ${code}`;
  return name.replace(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
}

function outcomeOf(error: unknown): string {
  const failure = ConnectError.from(error);
  // The client's own name for what is no answer.
  if (failure.code === Code.Unknown) return `unknown: ${failure.rawMessage}`;
  if (failure.code !== Code.ResourceExhausted) return codeName(failure.code);
  const isTold = failure.findDetails(RetryInfoSchema).length > 0;
  return isTold ? "resource_exhausted" : WITHOUT_RETRY_INFO;
}

/** Runs callers at the same time, and returns how often their calls ended how. */
export async function countOutcomes(
  callers: readonly ((count: Count) => Promise<unknown>)[],
): Promise<Outcomes> {
  const outcomes: Record<string, number> = {};
  const count: Count = async (call) => {
    let outcome = "ok";
    try {
      await call();
    } catch (error) {
      outcome = outcomeOf(error);
    }
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  };
  await Promise.all(callers.map((caller) => caller(count)));
  return outcomes;
}

/** A failure for each outcome that is not among the allowed ones. */
export function unexpected(outcomes: Outcomes, allowed: readonly string[]): string[] {
  return Object.entries(outcomes)
    .filter(([outcome]) => !allowed.includes(outcome))
    .map(([outcome, count]) => `${count} calls ended with ${outcome}`);
}

/** A failure if no call ended so. */
export function missing(outcomes: Outcomes, required: string): string[] {
  return outcomes[required] === undefined ? [`no call ended with ${required}`] : [];
}
