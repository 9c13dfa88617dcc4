import type { IncomingMessage } from "node:http";

/** The forms that have been read, for the next one who asks. */
const forms = new WeakMap<IncomingMessage, Promise<URLSearchParams | undefined>>();

export function isForm(contentType: string | undefined): boolean {
  const [mediaType = ""] = (contentType ?? "").split(";");
  return mediaType.trim().toLowerCase() === "application/x-www-form-urlencoded";
}

/** The field of a body that a parser has already read; of several, the first. */
export function parsedField(body: unknown, name: string): string | undefined {
  if (typeof body !== "object" || body === null || !Object.hasOwn(body, name)) return undefined;
  const value: unknown = (body as Record<string, unknown>)[name];
  const first: unknown = Array.isArray(value) ? value[0] : value;
  return typeof first === "string" ? first : undefined;
}

/**
 * The form in the body of a request. The body is put back, so that the handler and its parsers can
 * read it as if nobody had.
 *
 * @returns undefined if the body is larger than the limit or was read by somebody else, or if the
 * browser has gone
 */
export function peekForm(
  request: IncomingMessage,
  limitBytes: number,
): Promise<URLSearchParams | undefined> {
  let form = forms.get(request);
  if (form === undefined) {
    form = request.readableDidRead ? Promise.resolve(undefined) : peek(request, limitBytes);
    forms.set(request, form);
  }
  return form;
}

function peek(request: IncomingMessage, limitBytes: number): Promise<URLSearchParams | undefined> {
  const { promise, resolve } = promiseWithResolvers<URLSearchParams | undefined>();
  const chunks: Buffer[] = [];
  let size = 0;
  const finish = (isWhole: boolean) => {
    request.off("readable", read).off("end", end).off("error", lost).off("close", lost);
    const body = Buffer.concat(chunks);
    if (size > 0 && !request.destroyed) request.unshift(body);
    const form = isWhole && size <= limitBytes ? new URLSearchParams(body.toString()) : undefined;
    // Only after this tick, the stream knows that it has lost its listener.
    process.nextTick(resolve, form);
  };
  const read = () => {
    for (let chunk = request.read(); chunk !== null; chunk = request.read()) {
      chunks.push(chunk);
      size += chunk.length;
    }
    // The end of the stream must not be reached: nothing can be put back after it.
    if (size > limitBytes || request.complete) finish(request.complete);
  };
  const end = () => finish(true);
  const lost = () => finish(false);
  request.on("readable", read).once("end", end).once("error", lost).once("close", lost);
  return promise;
}

/** As Promise.withResolvers, which Node 20 does not have. */
function promiseWithResolvers<T>() {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((resolvePromise) => {
    resolve = resolvePromise;
  });
  return { promise, resolve };
}
