import type { ErrorCode } from "./frames.ts";

/** A connection error (RFC 9113, section 5.4.1): the connection ends with a GOAWAY of this code. */
export class Http2Error extends Error {
  override readonly name = "Http2Error";
  readonly code: ErrorCode;

  /** @param message what the client has done, for logs; it must not repeat what the client sent */
  constructor(code: ErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
