/** What can have output for a later moment of this turn of the event loop. */
export interface Flushable {
  /** Must not throw. */
  flush(): void;
}

let waiting: Flushable[] = [];

/**
 * Flushes it when all that has arrived in this turn of the event loop has been read. Each connection's
 * frames of a turn leave by one write then.
 */
export function flushSoon(connection: Flushable): void {
  if (waiting.length === 0) setImmediate(flushAll);
  waiting.push(connection);
}

/** What becomes ready meanwhile waits for the next turn, so that no connection holds up the others. */
function flushAll(): void {
  const connections = waiting;
  waiting = [];
  for (const connection of connections) connection.flush();
}
