let waiting: { flush(): void }[] = [];

/**
 * Flushes it when all that has arrived in this turn of the event loop has been read. Each connection's
 * frames of a turn leave by one write then. `flush` must not throw.
 */
export function flushSoon(connection: { flush(): void }): void {
  if (waiting.length === 0) setImmediate(flushAll);
  waiting.push(connection);
}

/** What becomes ready meanwhile waits for the next turn, so that no connection holds up the others. */
function flushAll(): void {
  const connections = waiting;
  waiting = [];
  for (const connection of connections) connection.flush();
}
