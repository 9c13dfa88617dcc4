import type { Document } from "./listener.ts";

/**
 * A worker that knows the document answers after little more than a second, even if the database hangs. So this
 * is for workers that hang themselves.
 */
const ANSWER_MS = 5000;
/** Whoever asks may get an answer that is as old as this, so that many do not keep the workers busy. */
const KEEP_MS = 1000;

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
  /** The ids of the workers that serve. */
  readonly serving: () => Iterable<number>;
  /** Asks all workers for the document; each that serves answers with `received`. */
  readonly ask: (request: number, path: string) => void;
  /** 5000 by default. */
  readonly answerMs?: number;
  /** Milliseconds that never decrease; the process's own by default. */
  readonly clock?: () => number;
}

/** What all workers have been asked. */
interface Question {
  readonly settle: (document: Document) => void;
  /** Those that have neither answered nor ended. */
  readonly unanswered: Set<number>;
  /** The first answer that is not the document. */
  refusal: Document | undefined;
}

interface Kept {
  readonly document: Document;
  readonly until: number;
}

/**
 * Documents that only workers can make, each from what it knows itself. So one that has the document is
 * preferred to one that cannot make it now; among those that have it, the first counts.
 */
export class WorkerDocuments implements Disposable {
  readonly #options: WorkerDocumentsOptions;
  readonly #clock: () => number;
  readonly #questions = new Map<number, Question>();
  /** By path: the question that is open. */
  readonly #asked = new Map<string, Promise<Document>>();
  /** By path: the last answer. */
  readonly #kept = new Map<string, Kept>();
  #lastRequest = 0;

  constructor(options: WorkerDocumentsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? (() => performance.now());
  }

  /**
   * The document of the first worker that has it: so one that hangs, or has no keys, does not matter. If none
   * has it, a worker's own refusal, once all have answered or the time is up; 503 if there is none, and at once
   * if no worker serves. Whoever asks meanwhile, or within a second of a worker's answer, gets the same.
   */
  async get(path: string): Promise<Document> {
    const serving = new Set(this.#options.serving());
    if (serving.size === 0) return NOBODY_ANSWERS;
    const kept = this.#kept.get(path);
    if (kept !== undefined && this.#clock() < kept.until) return kept.document;
    return this.#asked.get(path) ?? this.#ask(path, serving);
  }

  /**
   * @param worker its id
   * @param request that it answers
   */
  received(worker: number, request: number, document: Document): void {
    const question = this.#questions.get(request);
    if (question === undefined) return;
    if (document.status === 200) {
      question.settle(document);
      return;
    }
    question.refusal ??= document;
    answered(question, worker);
  }

  /** A worker has ended, and answers nothing any more. */
  ended(worker: number): void {
    for (const question of this.#questions.values()) answered(question, worker);
  }

  /** Answers whoever still waits. */
  [Symbol.dispose](): void {
    for (const { settle } of this.#questions.values()) settle(NOBODY_ANSWERS);
  }

  #ask(path: string, unanswered: Set<number>): Promise<Document> {
    const { ask, answerMs = ANSWER_MS } = this.#options;
    this.#lastRequest += 1;
    const request = this.#lastRequest;
    const { promise: answer, resolve } = Promise.withResolvers<Document>();
    const settle = (document: Document) => {
      clearTimeout(timer);
      this.#questions.delete(request);
      this.#asked.delete(path);
      if (document !== NOBODY_ANSWERS) {
        this.#kept.set(path, { document, until: this.#clock() + KEEP_MS });
      }
      resolve(document);
    };
    const question: Question = { settle, unanswered, refusal: undefined };
    const timer = setTimeout(() => settle(question.refusal ?? NOBODY_ANSWERS), answerMs);
    this.#questions.set(request, question);
    this.#asked.set(path, answer);
    ask(request, path);
    return answer;
  }
}

function answered({ unanswered, refusal, settle }: Question, worker: number): void {
  if (unanswered.delete(worker) && unanswered.size === 0) settle(refusal ?? NOBODY_ANSWERS);
}
