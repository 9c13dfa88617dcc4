import { createInterface } from "node:readline/promises";
import type { Cli } from "./cli.ts";
import { wrongUse } from "./exit-codes.ts";

/**
 * Asks on the terminal for a word, so that nobody confirms by habit. Without a terminal, `--yes` is needed.
 *
 * @returns whether the answer is the word
 * @throws {CommandError} if there is nobody to ask
 */
export async function confirm(cli: Cli, question: string, word: string): Promise<boolean> {
  const { stdin } = cli.host;
  if (stdin.isTTY !== true || !cli.stderr.options.isTerminal) {
    throw wrongUse("there is no terminal to ask on: --yes confirms, --dry-run only looks");
  }
  await cli.stderr.write(`${question} Type ${word} to go on: `);
  // No echo of its own: the terminal shows what is typed.
  const lines = createInterface({ input: stdin, signal: cli.signal, terminal: false });
  try {
    const { value } = await lines[Symbol.asyncIterator]().next();
    cli.signal.throwIfAborted();
    return value?.trim() === word;
  } finally {
    lines.close();
  }
}
