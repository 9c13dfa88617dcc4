export interface ThrottledReport {
  /** Something has happened that is to be reported. */
  notify(): void;
  /** Reports what has not been reported yet, and reports no more. */
  stop(): void;
}

/**
 * Calls `report` at once when something has happened, and after that at most once in each interval.
 */
export function throttledReport(intervalMs: number, report: () => void): ThrottledReport {
  let timer: NodeJS.Timeout | undefined;
  let pending = false;
  let stopped = false;

  function send(): void {
    pending = false;
    timer = setTimeout(() => {
      timer = undefined;
      if (pending) send();
    }, intervalMs).unref();
    report();
  }

  return {
    notify() {
      if (stopped) return;
      if (timer === undefined) send();
      else pending = true;
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
      if (pending) report();
    },
  };
}
