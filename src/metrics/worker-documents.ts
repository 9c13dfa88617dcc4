import type { Document } from "./listener.ts";

/**
 * A worker may have to ask the database, and to wait until that fails. Less than the 10 seconds after which the
 * listener gives up a request.
 */
const ANSWER_MS = 8000;

const NOBODY_ANSWERS: Document = {
  status: 503,
  headers: {
    "content-type": "text/plain; charset=utf-8",
    "cache-control": "no-store",
    "retry-after": "1",
  },
  body: Buffer.from("no worker answers\n"),
};

export interface WorkerDocumentsOptions {
  /** Whether a worker serves. */
  readonly isServed: () => boolean;
  /** Asks all workers for the document; each that serves answers with `received`. */
  readonly ask: (request: number, path: string) => void;
  /** 8000 by default. */
  readonly answerMs?: number;
}

/** Documents that only workers can make, and that are the same of each of them. */
export class WorkerDocuments {
  readonly #options: WorkerDocumentsOptions;
  readonly #waiting = new Map<number, (document: Document) => void>();
  #lastRequest = 0;

  constructor(options: WorkerDocumentsOptions) {
    this.#options = options;
  }

  /**
   * What the first worker answers: so one that hangs does not matter. 503 if none does in time, and at once if
   * none serves.
   */
  async get(path: string): Promise<Document> {
    const { isServed, ask, answerMs = ANSWER_MS } = this.#options;
    if (!isServed()) return NOBODY_ANSWERS;
    this.#lastRequest += 1;
    const request = this.#lastRequest;
    const { promise: answer, resolve } = Promise.withResolvers<Document>();
    const timer = setTimeout(resolve, answerMs, NOBODY_ANSWERS);
    this.#waiting.set(request, resolve);
    ask(request, path);
    const document = await answer;
    this.#waiting.delete(request);
    clearTimeout(timer);
    return document;
  }

  /** @param request that a worker answers */
  received(request: number, document: Document): void {
    this.#waiting.get(request)?.(document);
  }
}
