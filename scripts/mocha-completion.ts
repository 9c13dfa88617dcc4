/**
 * Required by mocha: a run that ends before all its tests have run exits with 1. Without it, mocha
 * exits with 0 if a test calls process.exit(0), and sometimes if something is thrown in a worker of
 * --parallel after the last test of a file: the runner then waits for nothing, and Node ends.
 */
let completed = false;

export function mochaGlobalTeardown(): void {
  completed = true;
}

// Workers load this file too, but run no global teardown.
if (process.env.MOCHA_WORKER_ID !== undefined) {
  // A worker that needs more than a second to exit gets SIGTERM. By default, that ends it while it writes
  // its coverage, which is lost then, and on a busy machine the run fails for it.
  process.on("SIGTERM", () => process.exit());
} else {
  process.on("exit", () => {
    if (completed) return;
    console.error("mocha ended before all tests had run");
    process.exitCode = 1;
  });
}
