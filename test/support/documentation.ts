import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The text of a page in docs/, such as `callers.md`. */
export function readPage(name: string): string {
  return readFileSync(join(import.meta.dirname, "../../docs", name), "utf8");
}

/**
 * The content of the code block that has this title.
 *
 * @throws {Error} if the page has none
 */
export function blockOf(page: string, title: string): string {
  const [, content] = new RegExp(`\`\`\`\\w+ title=${title}\n(.*?)\`\`\``, "s").exec(page) ?? [];
  if (content === undefined) throw new Error(`the page has no block with the title ${title}`);
  return content;
}
