import { setTimeout as delay } from "node:timers/promises";
import { type MessageInitShape, toJsonString } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { Command } from "commander";
import { type AuditEvent, AuditEventSchema } from "../../gen/es/sessiond/v1/session_pb.ts";
import {
  type ListAuditEventsRequestSchema,
  SessionService,
} from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { eventIdArgument, nonEmpty, wholeNumber } from "./arguments.ts";
import { pagesInOrder } from "./audit-pages.ts";
import { type Cli, MAX_PAGE_SIZE, pagesUpTo } from "./cli.ts";
import { wrongUse } from "./exit-codes.ts";
import { type ExportTarget, openExportFile } from "./export-file.ts";
import type { Column } from "./table.ts";
import { formatTime, TIME_FORMS, timeArgument } from "./times.ts";

const MAX_TAIL = 10_000;

type Filter = Pick<
  MessageInitShape<typeof ListAuditEventsRequestSchema>,
  | "tenantId"
  | "allTenants"
  | "resourceId"
  | "actingActorId"
  | "action"
  | "occurredSince"
  | "occurredBefore"
  | "afterId"
>;

/** `sessiond audit …` */
export function auditCommand(cli: Cli): Command {
  const audit = new Command("audit")
    .summary("watch and export the audit")
    .description("Watches and exports the audit.");
  audit.addCommand(tailCommand(cli));
  audit.addCommand(exportCommand(cli));
  return audit;
}

interface EventOptions {
  readonly tenant?: string;
  readonly allTenants?: true;
  readonly action?: string;
  readonly resource?: string;
  readonly actingActor?: string;
}

function addEventOptions(command: Command): Command {
  return command
    .option("--tenant <id>", "the tenant; by default that of the caller, or `default`", nonEmpty)
    .option("--all-tenants", "the events of all tenants")
    .option("--action <name>", "only one action, such as auth.session_revoked", nonEmpty)
    .option("--resource <id>", "only one session, key or actor", nonEmpty)
    .option("--acting-actor <id>", "only what one actor did", nonEmpty);
}

function filterOf(options: EventOptions): Filter {
  const { tenant, allTenants = false, action = "", resource = "", actingActor = "" } = options;
  if (allTenants && tenant !== undefined) {
    throw wrongUse("--tenant and --all-tenants cannot be used together");
  }
  return {
    tenantId: tenant ?? "",
    allTenants,
    action,
    resourceId: resource,
    actingActorId: actingActor,
  };
}

interface TailOptions extends EventOptions {
  readonly lines: number;
  readonly follow?: true;
}

function tailCommand(cli: Cli): Command {
  const command = new Command("tail")
    .summary("show the newest events, and wait for new ones")
    .description(
      "Shows the newest audit events, the newest one last. With --follow it goes on with those that " +
        "come, 5 s and the service's statement timeout later (15 s by default), so that none is missed. " +
        "Needs the role admin.",
    )
    .option("-n, --lines <number>", "how many events", wholeNumber(0, MAX_TAIL), 20)
    .option("--follow", "wait for new events until interrupted");
  return addEventOptions(command).action(async (options: TailOptions) => {
    const filter = filterOf(options);
    const events =
      options.follow === true
        ? following(cli, filter, options.lines)
        : newest(cli, filter, options.lines);
    await cli.printMessages(AuditEventSchema, events, columns, "no audit events");
  });
}

async function* newest(
  cli: Cli,
  filter: Filter,
  count: number,
): AsyncGenerator<readonly AuditEvent[]> {
  const found: AuditEvent[] = [];
  const pages = pagesUpTo(count, async (pageToken, pageSize) => {
    const page = await listEvents(cli, { ...filter, pageSize, pageToken });
    return { items: page.auditEvents, nextPageToken: page.nextPageToken };
  });
  for await (const events of pages) found.push(...events);
  yield found.reverse();
}

/** The newest events, then those that come. */
async function* following(
  cli: Cli,
  filter: Filter,
  count: number,
): AsyncGenerator<readonly AuditEvent[]> {
  const known = new Set<bigint>();
  let first: bigint | undefined;
  // At least one, after which the new ones come.
  for await (const events of newest(cli, filter, Math.max(1, count))) {
    first = events[0]?.id;
    for (const { id } of events) known.add(id);
    if (count > 0) yield events;
  }
  // An event that was being written can have a smaller id than one that is shown already.
  const afterId = first === undefined ? 0n : first - 1n;
  for await (const events of inOrder(cli, { ...filter, afterId })) {
    yield events.filter(({ id }) => !known.delete(id));
  }
}

/** Events in the order of their ids, without a gap: for ever, or until `occurredBefore`. */
function inOrder(cli: Cli, filter: Filter): AsyncGenerator<readonly AuditEvent[]> {
  return pagesInOrder({
    isEndless: filter.occurredBefore === undefined,
    fetch: (pageToken) =>
      listEvents(cli, { ...filter, oldestFirst: true, pageSize: MAX_PAGE_SIZE, pageToken }),
    pause: (ms) => delay(ms, undefined, { signal: cli.signal }),
  });
}

function listEvents(cli: Cli, request: MessageInitShape<typeof ListAuditEventsRequestSchema>) {
  return cli.call(SessionService.method.listAuditEvents, request);
}

const columns: readonly Column<AuditEvent>[] = [
  { title: "TIME", value: ({ occurredAt }) => formatTime(occurredAt) },
  { title: "ACTION", value: ({ action }) => action },
  { title: "TENANT", value: ({ tenantId }) => tenantId },
  { title: "RESOURCE", value: ({ resourceId }) => resourceId },
  { title: "BY", value: ({ actingActorId }) => actingActorId },
  { title: "SERVICE", value: ({ callingService }) => callingService },
  { title: "ID", value: ({ id }) => String(id) },
  {
    title: "DETAILS",
    value: ({ details }) =>
      Object.entries(details)
        .map(([key, value]) => `${key}=${value}`)
        .join(" "),
  },
];

interface ExportOptions extends EventOptions {
  readonly since: Timestamp;
  readonly until?: Timestamp;
  readonly after?: bigint;
  readonly output?: string;
}

function exportCommand(cli: Cli): Command {
  const time = timeArgument(cli.host.now);
  const command = new Command("export")
    .summary("write the audit events of a time range as JSON Lines")
    .description(
      "Writes all audit events of a time range as JSON Lines, oldest first, each once. After an " +
        "interruption, --after goes on behind the last event that was written. Needs the role admin.",
    )
    .requiredOption("--since <time>", `the earliest time: ${TIME_FORMS}`, time)
    .option("--until <time>", "the end, which is not included; by default now", time)
    .option(
      "--after <id>",
      "only events behind this one, the last that was written",
      eventIdArgument,
    )
    .option("--output <path>", "write to this file, which must not exist, or with --after go on");
  return addEventOptions(command).action(async (options: ExportOptions) => {
    const { since, until, after = 0n, output } = options;
    const filter = filterOf(options);
    const range = { occurredSince: since, occurredBefore: until ?? time("0s"), afterId: after };
    const file = output === undefined ? undefined : await openExportFile(output, options.after);
    await using target: ExportTarget = file ?? standardOutput(cli);
    await exportEvents(cli, { ...filter, ...range }, target);
  });
}

function standardOutput(cli: Cli): ExportTarget {
  return { write: (lines) => cli.stdout.writeJson(lines), [Symbol.asyncDispose]: async () => {} };
}

async function exportEvents(cli: Cli, filter: Filter, target: ExportTarget): Promise<void> {
  using progress = cli.progress();
  let count = 0;
  let last: AuditEvent | undefined;
  try {
    for await (const events of inOrder(cli, filter)) {
      const lines = events.map((event) => `${toJsonString(AuditEventSchema, event)}\n`);
      await target.write(lines.join(""));
      count += events.length;
      last = events.at(-1) ?? last;
      progress.update(`${count} events, at ${formatTime(last?.occurredAt) || "the beginning"}`);
    }
  } catch (error) {
    progress.clear();
    const what = cli.signal.aborted ? "interrupted" : "not complete";
    if (last !== undefined) cli.stderr.note(`${what}: --after ${last.id} goes on\n`);
    throw error;
  }
  progress.clear();
  await cli.note(`${count} events`);
}
