const WILDCARDS = new Set(["0.0.0.0", "::"]);

/** The URL by which this machine reaches what listens on `host`. */
export function localUrl(host: string, port: number, secure: boolean): string {
  const reachable = WILDCARDS.has(host) ? "127.0.0.1" : host;
  const bracketed = reachable.includes(":") ? `[${reachable}]` : reachable;
  return `${secure ? "https" : "http"}://${bracketed}:${port}`;
}
