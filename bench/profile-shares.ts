/** Summarises a CPU profile of V8 by what the time was spent for. */

/** What `node --cpu-prof` writes, as far as it is used. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  /** Of the profile, in microseconds of the machine's monotonic clock. */
  readonly startTime: number;
  /** The node that ran at each sample. */
  readonly samples: readonly number[];
  /** The microseconds since the sample before. */
  readonly timeDeltas: readonly number[];
}

export interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
  readonly children?: readonly number[];
}

/** A time of the monotonic clock, in microseconds. */
export interface Interval {
  readonly from: number;
  readonly to: number;
}

/** The busy time of each module, in microseconds. A module is a file, a package or a part of Node. */
export type ModuleTimes = ReadonlyMap<string, number>;

/** V8's names for what is no function. */
const IDLE = "(idle)";
const GARBAGE_COLLECTOR = "(garbage collector)";
const PROGRAM = "(program)";

/**
 * The busy time of each module in all profiles. Native functions, such as system calls, belong to the
 * module that has called them.
 *
 * @param root the directory below which files are named by their path
 */
export function moduleTimes(
  profiles: readonly CpuProfile[],
  interval: Interval,
  root: string,
): ModuleTimes {
  const times = new Map<string, number>();
  for (const profile of profiles) addTimes(times, profile, interval, root);
  return times;
}

function addTimes(
  times: Map<string, number>,
  profile: CpuProfile,
  { from, to }: Interval,
  root: string,
): void {
  const modules = modulesOfNodes(profile.nodes, root);
  let now = profile.startTime;
  for (const [index, id] of profile.samples.entries()) {
    const delta = profile.timeDeltas[index] ?? 0;
    now += delta;
    const module = modules.get(id);
    if (module === undefined || module === IDLE || now < from || now > to) continue;
    times.set(module, (times.get(module) ?? 0) + delta);
  }
}

function modulesOfNodes(nodes: readonly ProfileNode[], root: string): Map<number, string> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const modules = new Map<number, string>();
  const visit = (node: ProfileNode, caller: string): void => {
    const module = moduleOf(node, root) ?? caller;
    modules.set(node.id, module);
    for (const child of node.children ?? []) visit(byId.get(child) as ProfileNode, module);
  };
  const [first] = nodes;
  if (first !== undefined) visit(first, PROGRAM);
  return modules;
}

/** Undefined for native functions. */
function moduleOf({ callFrame }: ProfileNode, root: string): string | undefined {
  const { functionName, url } = callFrame;
  if ([IDLE, GARBAGE_COLLECTOR, PROGRAM].includes(functionName)) return functionName;
  if (url === "") return undefined;
  const pack = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1];
  if (pack !== undefined) return pack;
  const prefix = `file://${root}/`;
  return url.startsWith(prefix) ? url.slice(prefix.length) : url;
}

/** What time is spent for, and the modules that belong to it. The first that fits counts. */
const PURPOSES: readonly (readonly [purpose: string, modules: RegExp])[] = [
  ["garbage collection", /^\(garbage collector\)$/],
  ["the HTTP/2 engine (`src/server/http2`)", /^src\/server\/http2\//],
  [
    "Node's HTTP/2, TLS, sockets and streams, system calls included",
    /^node:(internal\/)?(_?http|_?tls|net|stream|js_stream)/,
  ],
  [
    "decoding and encoding of messages",
    /^(@bufbuild\/|gen\/|src\/wire\/|src\/rpc\/(responses|encodable-)|src\/server\/envelope)/,
  ],
  ["the way of a call (`src/server`, Connect, grpc-js)", /^(src\/server\/|@connectrpc\/|@grpc\/)/],
  ["PostgreSQL: `pg`, the batches, the rows (`src/storage`)", /^(src\/storage\/|pg$|pg-|typeorm$)/],
  [
    "HMAC, cookies and tokens",
    /^(src\/session\/(mac|cookie|csrf|.*token|ids)|node:(internal\/)?crypto)/,
  ],
  ["rules and mapping (`src/session`, `src/rpc`)", /^src\//],
  ["timers, promises, events, buffers of Node", /^node:/],
  ["native code that JavaScript has not called: the event loop, the kernel", /^\(program\)$/],
];
const REST = "the rest";

export interface Share {
  readonly purpose: string;
  /** Of the busy time, from 0 to 1. */
  readonly share: number;
}

/** The share of each purpose, in a fixed order and without those that took no time. */
export function sharesOf(times: ModuleTimes): Share[] {
  const total = sum(times.values());
  const groups = Map.groupBy(times, ([module]) => purposeOf(module));
  return [...PURPOSES.map(([purpose]) => purpose), REST].flatMap((purpose) => {
    const own = groups.get(purpose);
    return own === undefined ? [] : [{ purpose, share: sum(own.map(([, time]) => time)) / total }];
  });
}

function purposeOf(module: string): string {
  return PURPOSES.find(([, modules]) => modules.test(module))?.[0] ?? REST;
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
