/**
 * The advisory lock that sweeps exclude each other with. Written down here once more on purpose:
 * replicas of different versions must agree on it.
 */
export const SWEEP_LOCK = 7_361_512_002;
