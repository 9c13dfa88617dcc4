import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

type RequestListener = (req: IncomingMessage, res: ServerResponse) => void;

/** How many requests may wait on one connection. Hardly any client sends a second one early. */
export const maxPipelined = 32;

/**
 * Creates a listener for "request" of an HTTP/1.1 server that serves the requests of each connection
 * one after the other, with a turn of the event loop between them.
 *
 * Node parses all that has arrived and emits every request at once, some hundreds for each connection.
 * Answers have to be in order anyway. With more than `maxPipelined` requests waiting, the connection is
 * closed; a client repeats what was not answered (RFC 9112, section 9.3.2).
 */
export function servePipelined(
  serve: RequestListener,
  onError: (error: unknown, where: string) => void,
): RequestListener {
  const waiting = new WeakMap<Socket, [IncomingMessage, ServerResponse][]>();

  function serveNow(req: IncomingMessage, res: ServerResponse): void {
    const { socket } = req;
    res.once("close", () => {
      const next = waiting.get(socket)?.shift();
      if (next === undefined) waiting.delete(socket);
      else setImmediate(serveNext, ...next);
    });
    serve(req, res);
  }

  function serveNext(req: IncomingMessage, res: ServerResponse): void {
    if (req.socket.destroyed) waiting.delete(req.socket);
    else serveNow(req, res);
  }

  return (req, res) => {
    const { socket } = req;
    if (socket.destroyed) return;
    const queue = waiting.get(socket);
    if (queue === undefined) {
      waiting.set(socket, []);
      serveNow(req, res);
    } else if (queue.length < maxPipelined) {
      queue.push([req, res]);
    } else {
      const message = `more than ${maxPipelined} requests wait for the response of another`;
      onError(new Error(message), "HTTP/1.1 connection");
      socket.destroy();
    }
  };
}
