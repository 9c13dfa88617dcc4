package io.github.sessiond.client;

/** Whether a connection is encrypted. */
public enum Security {
  /** HTTP/2 without TLS. */
  PLAINTEXT,
  /** HTTP/2 over TLS. */
  TLS
}
