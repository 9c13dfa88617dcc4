import { Code, ConnectError } from "@connectrpc/connect";

/** Carries out a call, and counts how it ends: "ok", or the name of its code. */
export type Count = (call: () => Promise<unknown>) => Promise<void>;

const codeName = (code: Code) =>
  (Code[code] ?? "none").replace(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter}`).toLowerCase();

/** Runs callers at the same time, and returns how often their calls ended how. */
export async function countOutcomes(
  callers: readonly ((count: Count) => Promise<unknown>)[],
): Promise<Record<string, number>> {
  const outcomes: Record<string, number> = {};
  const count: Count = async (call) => {
    let outcome = "ok";
    try {
      await call();
    } catch (error) {
      outcome = codeName(ConnectError.from(error).code);
    }
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  };
  await Promise.all(callers.map((caller) => caller(count)));
  return outcomes;
}
