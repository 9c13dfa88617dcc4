import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

export interface Options {
  /** The languages and built-in clients to test; undefined: all. */
  readonly only: ReadonlySet<string> | undefined;
  /** The scenarios to play; undefined: all. */
  readonly scenarios: ReadonlySet<string> | undefined;
  /** The directory that has `<language>/conformance`. */
  readonly clients: string;
  /** Whether to write the tables of docs/clients.md instead of comparing them. */
  readonly write: boolean;
  /** Whether a language whose toolchain is missing fails the run. */
  readonly requireAll: boolean;
}

/** @throws {Error} that says how it is used */
export function parseOptions(args: readonly string[], env: NodeJS.ProcessEnv): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string", multiple: true },
      scenario: { type: "string", multiple: true },
      clients: { type: "string", default: join(import.meta.dirname, "..") },
      write: { type: "boolean", default: false },
    },
  });
  const { only, scenario, clients, write } = values;
  if (write && (only !== undefined || scenario !== undefined)) {
    throw new Error("--write needs a run of everything: leave out --only and --scenario");
  }
  return {
    only: listed(only),
    scenarios: listed(scenario),
    clients: resolve(clients),
    write,
    requireAll: env.REQUIRE_ALL_CLIENTS === "1",
  };
}

function listed(values: readonly string[] | undefined): ReadonlySet<string> | undefined {
  return values && new Set(values.flatMap((value) => value.split(",")));
}
