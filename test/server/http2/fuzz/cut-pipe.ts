import { type Duplex, duplexPair } from "node:stream";

/** Returns how many octets of the rest go next. */
export type Cut = (rest: number) => number;

/**
 * A connection in memory, whose bytes from the client to the server are cut. The pieces arrive one after
 * the other, each in a turn of the event loop of its own.
 */
export function cutPipe(cut: Cut): { readonly client: Duplex; readonly server: Duplex } {
  const [client, nearEnd] = duplexPair();
  const [farEnd, server] = duplexPair();
  const queue: Buffer[] = [];
  let isBusy = false;
  const deliver = () => {
    const bytes = queue.shift();
    if (bytes === undefined) {
      isBusy = false;
      return;
    }
    const length = Math.max(1, Math.min(bytes.length, cut(bytes.length)));
    if (length < bytes.length) queue.unshift(bytes.subarray(length));
    if (!farEnd.destroyed) farEnd.write(bytes.subarray(0, length));
    setImmediate(deliver);
  };
  nearEnd.on("data", (bytes: Buffer) => {
    queue.push(bytes);
    if (!isBusy) setImmediate(deliver);
    isBusy = true;
  });
  farEnd.on("data", (bytes: Buffer) => nearEnd.write(bytes));
  nearEnd.once("close", () => farEnd.destroy());
  farEnd.once("close", () => nearEnd.destroy());
  for (const end of [client, nearEnd, farEnd, server]) end.on("error", () => {});
  return { client, server };
}
