import type { Socket } from "node:net";
import { drainTimeoutMs } from "./listener.ts";

/** The first bytes of every HTTP/2 connection. No HTTP/1.1 request starts with them. */
const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

export interface ProtocolDetectorOptions {
  /** How long a connection may take to send its first bytes. */
  timeoutMs: number;
  http1: (socket: Socket) => void;
  http2: (socket: Socket) => void;
}

export interface ProtocolDetector {
  /** Waits for the connection's first bytes, puts them back and passes the connection on. */
  detect(socket: Socket): void;
  /** Destroys the connections whose protocol is still unknown after `drainTimeoutMs`. */
  drain(): void;
}

/**
 * Tells HTTP/2 with prior knowledge from HTTP/1.1, on connections without TLS: these have no ALPN
 * to say which it is.
 */
export function createProtocolDetector(options: ProtocolDetectorOptions): ProtocolDetector {
  const pending = new Set<Socket>();

  function detect(socket: Socket): void {
    let received: Buffer = Buffer.alloc(0);
    const destroy = () => socket.destroy();
    const timer = setTimeout(destroy, options.timeoutMs);
    pending.add(socket);

    function onReadable(): void {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) {
        return;
      }
      received = Buffer.concat([received, chunk]);
      const serve = choose(received);
      if (serve !== undefined) {
        stop();
        socket.unshift(received);
        serve(socket);
      }
    }

    function stop(): void {
      clearTimeout(timer);
      pending.delete(socket);
      socket.off("readable", onReadable);
      socket.off("error", destroy);
      socket.off("end", destroy);
      socket.off("close", stop);
    }

    socket.on("readable", onReadable);
    // Without a listener an error, such as a reset by the client, would end the process.
    socket.on("error", destroy);
    // Sockets of an HTTP server stay half open when the client has ended its side.
    socket.on("end", destroy);
    socket.on("close", stop);
  }

  /** Undefined while the bytes are only a part of the preface. */
  function choose(received: Buffer): ((socket: Socket) => void) | undefined {
    const length = Math.min(received.length, preface.length);
    if (received.compare(preface, 0, length, 0, length) !== 0) {
      return options.http1;
    }
    return length === preface.length ? options.http2 : undefined;
  }

  return {
    detect,
    drain() {
      const destroyPending = () => {
        for (const socket of [...pending]) socket.destroy();
      };
      // The connections keep the process up as long as there are any.
      setTimeout(destroyPending, drainTimeoutMs).unref();
    },
  };
}
