import { ConfigError } from "../config/config.ts";
import { visible, visibleLines } from "./table.ts";

/**
 * The message of a failure, which may have text of the service or the database, so that it cannot control the
 * terminal. Only mistakes in settings keep their lines.
 */
export function visibleMessage(error: unknown, message: string): string {
  if (error instanceof ConfigError) return visibleLines(message);
  return visible(message.replaceAll(/\s*\n\s*/g, " "));
}
