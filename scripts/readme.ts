/** The code blocks of README.md, for the tests that run them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The code blocks of a language. */
export function blocksOf(markdown: string, language: string): string[] {
  const pattern = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms");
  return [...markdown.matchAll(pattern)].map(([, text = ""]) => text);
}

/** The README's one block of shell commands that contains the text. */
export function readmeBlock(text: string): string {
  const readme = readFileSync(join(import.meta.dirname, "..", "README.md"), "utf8");
  const [block, ...others] = blocksOf(readme, "sh").filter((found) => found.includes(text));
  if (block === undefined || others.length > 0) {
    throw new Error(`README.md has ${block ? "several blocks" : "no block"} with ${text}`);
  }
  return block;
}
