/** How many tasks run in one turn of the event loop. One takes about 0.1 ms. */
const tasksPerTurn = 32;

/** From which task on the end of the turn is watched, so that a few tasks cost nothing. */
const watchedFrom = 8;

type Task = () => unknown;

/**
 * Spreads tasks over turns of the event loop. One connection can begin a thousand calls in a single
 * read, and all others would wait until the last of them has begun.
 *
 * A task runs at once as long as the turn has few of them. The others wait, and run in the next turns:
 * one of each owner in rotation, so that an owner with few tasks does not wait for one with many.
 *
 * A task may have a part that comes later, such as the handler of a call whose message comes after its
 * headers. Very many of these can come at once, too, and take turns with `resume`.
 */
export class FairTurns {
  /** The waiting tasks of each owner; an owner without any is not here. */
  readonly #waiting = new Map<object, Task[]>();
  /** Tasks that ran since the end of a turn was seen. */
  #ran = 0;
  #current = 0;
  #watching = false;

  /** How many tasks wait. */
  get waiting(): number {
    let count = 0;
    for (const tasks of this.#waiting.values()) count += tasks.length;
    return count;
  }

  /** Returns true if the task waits, and false if it has run. */
  run(owner: object, task: Task): boolean {
    if (this.begin()) {
      task();
      return false;
    }
    this.wait(owner, task);
    return true;
  }

  /** The present turn, for `resume`. */
  get current(): number {
    return this.#current;
  }

  /**
   * Like `begin`, for the next part of a task that began in the turn `begun`. The present turn has counted
   * its tasks, and does not count their next parts.
   */
  resume(begun: number | undefined): boolean {
    return begun === this.#current || this.begin();
  }

  /** Returns true if the caller may run a task at once, which the turn counts. If not, it has to wait. */
  begin(): boolean {
    if (this.#ran >= tasksPerTurn || this.#waiting.size > 0) return false;
    this.#ran += 1;
    if (this.#ran >= watchedFrom) this.#watch();
    return true;
  }

  /**
   * Runs the task in one of the next turns. It must not throw. If it returns false, there was nothing to
   * do any more, and the turn does not count it.
   */
  wait(owner: object, task: Task): void {
    const tasks = this.#waiting.get(owner);
    if (tasks === undefined) this.#waiting.set(owner, [task]);
    else tasks.push(task);
    this.#watch();
  }

  #watch(): void {
    if (this.#watching) return;
    this.#watching = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    this.#watching = false;
    this.#ran = 0;
    this.#current += 1;
    // An owner with more tasks is added again at the end, and the loop comes to it again.
    for (const [owner, tasks] of this.#waiting) {
      if (this.#ran === tasksPerTurn) break;
      this.#ran += 1;
      this.#waiting.delete(owner);
      while (tasks.length > 0 && tasks.shift()?.() === false);
      if (tasks.length > 0) this.#waiting.set(owner, tasks);
    }
    if (this.#waiting.size > 0) this.#watch();
  };
}
