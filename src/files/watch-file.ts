import { readFile, stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";

export interface WatchOptions<Name extends string> {
  /**
   * The contents that are in force already, such as those that the configuration was read with.
   * Without them, `watchFiles` reads the files and calls `onChange` before it resolves.
   */
  readonly initial?: Readonly<Record<Name, string>>;
  /**
   * Called once for each failure: a file that cannot be read, or contents that `onChange` refused. What
   * was in force stays so. Without it, failures after the start are ignored.
   */
  readonly onError?: (error: Error) => void;
  /** Milliseconds between two looks at the files. 5000 by default. */
  readonly intervalMs?: number;
  /**
   * Milliseconds for which files must stay as they are before they are used, so that no half-written
   * file is. 250 by default.
   */
  readonly settleMs?: number;
}

export interface FileWatch extends AsyncDisposable {
  /** Looks at the files now. Resolves when a change has been passed on, or there is none. */
  check(): Promise<void>;
  /** Ends the watch. Resolves when no callback is running. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** What the files hold, or why one of them cannot be read. */
type Look<Name extends string> =
  | { readonly contents: Readonly<Record<Name, string>> }
  | { readonly error: Error };

/**
 * Calls `onChange` with the contents of all files whenever the content of one has changed.
 *
 * It reads the files again and again, and compares what they hold. Notifications of the file system do
 * not work for all the ways in which files are replaced: Kubernetes swaps a symbolic link in a parent
 * directory, certbot and editors rename, network file systems report nothing. Timestamps may be
 * coarse, or be kept by a copy.
 *
 * If `onChange` throws or rejects, that counts as unusable content: it is reported, and the same
 * content is not passed on again. A file that is not a regular one, such as the pipe of a shell's
 * process substitution, is read once. The timers do not keep the process alive.
 *
 * @param paths the files, by the names that `onChange` gets their contents by; read as UTF-8
 * @param onChange is never called while an earlier call runs
 * @throws {Error} at the start, without `initial`, if a file cannot be read or `onChange` throws
 */
export async function watchFiles<Name extends string>(
  paths: Readonly<Record<Name, string>>,
  onChange: (contents: Readonly<Record<Name, string>>) => void | Promise<void>,
  options: WatchOptions<Name> = {},
): Promise<FileWatch> {
  const { onError = () => {}, intervalMs = 5000, settleMs = 250 } = options;
  const names = Object.keys(paths) as Name[];
  const irregular: Partial<Record<Name, string>> = {};
  const stopping = new AbortController();
  const { signal } = stopping;

  for (const name of names) {
    if ((await stat(paths[name]).catch(() => undefined))?.isFile() !== false) continue;
    irregular[name] = options.initial?.[name] ?? (await readText(paths[name]));
  }

  async function look(): Promise<Look<Name>> {
    try {
      const read = async (name: Name) => [name, irregular[name] ?? (await readText(paths[name]))];
      const entries = await Promise.all(names.map(read));
      return { contents: Object.fromEntries(entries) as Record<Name, string> };
    } catch (error) {
      return { error: asError(error) };
    }
  }

  /** Looks until two looks in a row are the same. */
  async function settled(first: Look<Name>): Promise<Look<Name>> {
    for (let seen = first; ; ) {
      await delay(settleMs, undefined, { ref: false, signal });
      const next = await look();
      if (isSame(seen, next)) return next;
      seen = next;
    }
  }

  let last: Look<Name>;
  if (options.initial === undefined) {
    last = await look();
    if ("error" in last) throw last.error;
    await onChange(last.contents);
  } else {
    last = { contents: options.initial };
  }

  async function checkOnce(): Promise<void> {
    if (signal.aborted) return;
    const seen = await look();
    if (isSame(seen, last)) return;
    const changed = await settled(seen).catch(() => undefined);
    if (changed === undefined || isSame(changed, last)) return;
    last = changed;
    if ("error" in changed) {
      onError(changed.error);
      return;
    }
    try {
      await onChange(changed.contents);
    } catch (error) {
      onError(asError(error));
    }
  }

  let running = Promise.resolve();
  const check = () => {
    running = running.then(checkOnce);
    return running;
  };

  let timer: NodeJS.Timeout | undefined;
  const schedule = () => {
    timer = setTimeout(() => void check().then(schedule), intervalMs).unref();
    if (signal.aborted) clearTimeout(timer);
  };
  schedule();

  return {
    check,
    async [Symbol.asyncDispose]() {
      stopping.abort();
      clearTimeout(timer);
      await running;
    },
  };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unreadable";
    throw new Error(`the file ${JSON.stringify(path)} cannot be read (${code})`, { cause: error });
  }
}

function isSame<Name extends string>(a: Look<Name>, b: Look<Name>): boolean {
  if ("error" in a || "error" in b) {
    return "error" in a && "error" in b && a.error.message === b.error.message;
  }
  const names = Object.keys(a.contents) as Name[];
  return names.every((name) => a.contents[name] === b.contents[name]);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
