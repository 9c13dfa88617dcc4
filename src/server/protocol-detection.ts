import type { Socket } from "node:net";

/** What every HTTP/2 connection starts with; no HTTP/1.1 request can. */
const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

export interface ProtocolSnifferOptions {
  /** timeoutMs is how long a connection may take to show its protocol. */
  timeoutMs: number;
  http1: (socket: Socket) => void;
  http2: (socket: Socket) => void;
}

export interface ProtocolSniffer {
  /** sniff waits for the connection's first bytes and hands it over with those bytes unread. */
  sniff(socket: Socket): void;
  /** destroyPending ends the connections that have not shown their protocol yet. */
  destroyPending(): void;
}

/** Tells HTTP/2 with prior knowledge from HTTP/1.1 on connections without TLS, so without ALPN. */
export function createProtocolSniffer(options: ProtocolSnifferOptions): ProtocolSniffer {
  const pending = new Set<Socket>();

  function sniff(socket: Socket): void {
    let head: Buffer = Buffer.alloc(0);
    const destroy = () => socket.destroy();
    const timer = setTimeout(destroy, options.timeoutMs);
    pending.add(socket);

    function onReadable(): void {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) {
        return;
      }
      head = Buffer.concat([head, chunk]);
      const handOver = choose(head);
      if (handOver !== undefined) {
        stop();
        socket.unshift(head);
        handOver(socket);
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
    // The sockets of an HTTP server stay half open when the client has ended its side.
    socket.on("end", destroy);
    socket.on("close", stop);
  }

  /** Undefined while the bytes are the start of the preface: packets split anywhere. */
  function choose(head: Buffer): ((socket: Socket) => void) | undefined {
    const length = Math.min(head.length, preface.length);
    if (head.compare(preface, 0, length, 0, length) !== 0) {
      return options.http1;
    }
    return length === preface.length ? options.http2 : undefined;
  }

  return {
    sniff,
    destroyPending() {
      for (const socket of [...pending]) {
        socket.destroy();
      }
    },
  };
}
