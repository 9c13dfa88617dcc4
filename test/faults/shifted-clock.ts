/**
 * Preloaded into a replica: its clock is FAULTS_CLOCK_SHIFT_MS milliseconds off. Timers and the
 * monotonic clock are right, as on a machine whose time was never synchronised.
 */
const shiftMs = Number(process.env.FAULTS_CLOCK_SHIFT_MS);
const RealDate = Date;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  apply: () => new RealDate(now()).toString(),
  get: (target, property) => (property === "now" ? now : Reflect.get(target, property)),
});

function now(): number {
  return RealDate.now() + shiftMs;
}
