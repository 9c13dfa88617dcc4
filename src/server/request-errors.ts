import { Code, ConnectError } from "@connectrpc/connect";

/**
 * Creates the error for a request that cannot be decoded. `message` contains no value of the
 * request; `field` is the name of the field that cannot be decoded or is not known.
 */
export type DecodeErrorFactory = (message: string, field?: string) => ConnectError;

/** The limits of a request's size: two options of the server, and a constant. */
export type SizeLimit = "maxMessageBytes" | "maxHeaderBytes" | "maxHeaders";

/** Creates the error for a request that is above a limit. `message` has the limit's value. */
export type TooLargeErrorFactory = (message: string, limit: SizeLimit) => ConnectError;

/** Creates the error for a request of a web page that an option of the server does not allow. */
export type ForbiddenErrorFactory = (
  message: string,
  option: "allowedHosts" | "allowedOrigins",
) => ConnectError;

/** Creates the error for a streaming call above a limit. `message` has the limit's value. */
export type TooManyStreamsErrorFactory = (
  message: string,
  limit: "maxStreams" | "maxStreamsPerPeer" | "maxStreamsPerConnection",
) => ConnectError;

/** The errors for requests that no handler gets. */
export interface RequestErrors {
  readonly decodeError: DecodeErrorFactory;
  readonly tooLargeError: TooLargeErrorFactory;
  readonly forbiddenError: ForbiddenErrorFactory;
  readonly tooManyStreamsError: TooManyStreamsErrorFactory;
}

/** For servers that have no errors of their own for these. */
export const defaultRequestErrors: RequestErrors = {
  decodeError: (message) => new ConnectError(message, Code.InvalidArgument),
  tooLargeError: (message) => new ConnectError(message, Code.ResourceExhausted),
  forbiddenError: (message) => new ConnectError(message, Code.PermissionDenied),
  tooManyStreamsError: (message) => new ConnectError(message, Code.ResourceExhausted),
};
