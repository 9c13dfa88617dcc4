import { fstatSync, write } from "node:fs";
import type { WriteBytes } from "./bounded-output.ts";

type StandardStream = NodeJS.WriteStream & {
  readonly fd: number;
  readonly _handle?: { readonly setBlocking?: (blocking: boolean) => void };
};

/**
 * Writes to standard output or standard error so that a reader that stalls does not block the process.
 *
 * Pipes and sockets go through Node's stream, which makes them non-blocking and waits for them with
 * epoll or kqueue. node:fs must not write to them: a blocked write would hold a thread of libuv's
 * pool for ever, and the process would wait for that thread when it exits. Files and devices such as
 * /dev/null do go through node:fs, because Node's stream would write to them synchronously.
 */
export function standardStreamWriter(stream: StandardStream): WriteBytes {
  if (isFileOrDevice(stream.fd) && !stream.isTTY) return fileWriter(stream.fd);
  // The callback of each write gets its error; without a listener it would end the process as well.
  stream.on("error", () => {});
  // Node blocks on terminals. One that is paused (Ctrl-S) or gone would stop the service.
  if (stream.isTTY) stream._handle?.setBlocking?.(false);
  return (bytes, done) => stream.write(bytes, done);
}

function isFileOrDevice(fd: number): boolean {
  const status = fstatSync(fd);
  return !status.isFIFO() && !status.isSocket();
}

function fileWriter(fd: number): WriteBytes {
  return function writeAll(bytes, done) {
    write(fd, bytes, (error, written) => {
      if (error || written === bytes.length) done(error);
      else writeAll(bytes.subarray(written), done);
    });
  };
}
