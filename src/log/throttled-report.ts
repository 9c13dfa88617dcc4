export interface ThrottledReport<Event> {
  /** Something has happened that is to be reported. */
  notify(event: Event): void;
  /** Reports what has not been reported yet, and reports no more. */
  stop(): void;
}

/**
 * Calls `report` at once when something has happened, and after that at most once in each interval, with
 * how often it has happened since the last report, and the latest event.
 */
export function throttledReport<Event = void>(
  intervalMs: number,
  report: (count: number, latest: Event) => void,
): ThrottledReport<Event> {
  let timer: NodeJS.Timeout | undefined;
  let pending: { count: number; latest: Event } | undefined;
  let stopped = false;

  function flush(): void {
    if (pending === undefined) return;
    const { count, latest } = pending;
    pending = undefined;
    report(count, latest);
  }

  function reportNow(): void {
    timer = setTimeout(() => {
      timer = undefined;
      if (pending !== undefined) reportNow();
    }, intervalMs).unref();
    flush();
  }

  return {
    notify(event) {
      if (stopped) return;
      pending = { count: (pending?.count ?? 0) + 1, latest: event };
      if (timer === undefined) reportNow();
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
      flush();
    },
  };
}
