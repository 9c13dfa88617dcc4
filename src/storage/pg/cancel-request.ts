import pg from "pg";

/** The parts of pg's client that its types do not declare. */
export interface CancellableClient {
  readonly processID: number | null;
  readonly secretKey: number | null;
  readonly host: string;
  readonly port: number;
  readonly ssl: unknown;
  /** `direct`: the connection starts with TLS, without an SSLRequest message. */
  readonly sslNegotiation?: string;
  readonly connection: { readonly stream: { destroy(): void } };
}

interface CancelConnection {
  readonly stream: { destroy(): void };
  connect(portOrPath: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processId: number, secretKey: number): void;
  once(event: string, listener: () => void): void;
  on(event: string, listener: () => void): void;
}

/**
 * Asks the server to cancel the client's current statement, and waits at most `timeoutMs`. Never
 * rejects.
 *
 * @returns true if the server has handled the request, so that it cannot cancel a later statement of
 * the client. False if this is not known: the request may be lost, or may still arrive.
 *
 * It sends the protocol's CancelRequest instead of calling pg_cancel_backend, because that needs no
 * connection of the pool, which may be exhausted, and works through PgBouncer.
 */
export function sendCancelRequest(client: CancellableClient, timeoutMs: number): Promise<boolean> {
  const { processID, secretKey, host, port, ssl, sslNegotiation } = client;
  if (processID === null || secretKey === null) return Promise.resolve(true);
  const Connection = pg.Connection as unknown as new (config: object) => CancelConnection;
  const connection = new Connection({ ssl, sslNegotiation });
  return new Promise((resolve) => {
    let failed = false;
    const fail = () => {
      failed = true;
      connection.stream.destroy();
    };
    const timer = setTimeout(fail, timeoutMs);
    connection.on("error", fail);
    connection.once("end", () => {
      clearTimeout(timer);
      resolve(!failed);
    });
    if (ssl && sslNegotiation !== "direct")
      connection.once("connect", () => connection.requestSsl());
    connection.once(ssl ? "sslconnect" : "connect", () => connection.cancel(processID, secretKey));
    if (host.startsWith("/")) connection.connect(`${host}/.s.PGSQL.${port}`);
    else connection.connect(port, host);
  });
}
