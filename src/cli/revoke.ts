import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { Command } from "commander";
import type { Session } from "../../gen/es/sessiond/v1/session_pb.ts";
import {
  type RevokeSessionsResponse,
  SessionService,
} from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { type ActorArgument, nonEmpty } from "./arguments.ts";
import { type Cli, pagesUpTo } from "./cli.ts";
import { confirm } from "./confirm.ts";
import { CommandError, ExitCode, wrongUse } from "./exit-codes.ts";
import { CallError } from "./failure.ts";
import { actorOf } from "./session-fields.ts";
import {
  addFilterOptions,
  assertActorAlone,
  type FilterOptions,
  filterOf,
  isRestricted,
} from "./session-filter.ts";
import { visible } from "./table.ts";
import { formatTime } from "./times.ts";

const REASON = "a lower-case word for the audit, such as admin_revoke";
/** How many sessions a preview shows. */
const SAMPLE_SIZE = 20;
/** How many tenants a preview names. */
const MAX_TENANTS = 10;

interface RevokeOptions {
  readonly reason: string;
  readonly tenant?: string;
}

/** What became of one session. */
interface Outcome {
  readonly id: string;
  readonly result: "revoked" | "already_ended" | "failed";
  readonly error?: string;
}

/** `sessiond sessions revoke` */
export function revokeCommand(cli: Cli, end: (exitCode: number) => void): Command {
  return new Command("revoke")
    .summary("revoke sessions by their ids")
    .description("Revokes sessions at once, on all replicas. Needs the role issuer.")
    .argument("<id...>", "the sessions' ids")
    .requiredOption("--reason <word>", REASON, nonEmpty)
    .option("--tenant <id>", "only those of this tenant", nonEmpty)
    .action(async (ids: readonly string[], options: RevokeOptions) => {
      const outcomes: Outcome[] = [];
      const failures: CallError[] = [];
      const revoked = revokeEach(cli, ids, options, failures);
      const collected = async function* () {
        for await (const outcome of revoked) {
          outcomes.push(outcome);
          yield [outcome];
        }
      };
      await cli.printRows(collected(), outcomeColumns, (outcome) => JSON.stringify(outcome), "");
      const [first] = failures;
      if (first === undefined) return;
      end(failures.length < ids.length ? ExitCode.partlyDone : first.failure.exitCode);
    });
}

const outcomeColumns = [
  { title: "ID", value: ({ id }: Outcome) => id },
  {
    title: "RESULT",
    value: ({ result, error }: Outcome) => error ?? result.replace("_", " "),
  },
] as const;

async function* revokeEach(
  cli: Cli,
  ids: readonly string[],
  { reason, tenant }: RevokeOptions,
  failures: CallError[],
): AsyncGenerator<Outcome> {
  for (const id of ids) {
    try {
      const { revoked } = await cli.call(SessionService.method.revoke, {
        session: {
          ref: { case: "sessionId", value: id },
          ...(tenant !== undefined && { tenantId: tenant }),
        },
        reason,
        actingActorId: cli.actingActorId,
      });
      yield { id, result: revoked ? "revoked" : "already_ended" };
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      failures.push(error);
      yield { id, result: "failed", error: error.message };
    }
  }
}

interface RevokeAllOptions extends FilterOptions {
  readonly reason: string;
  readonly keep?: string;
  readonly everything?: true;
  readonly dryRun?: true;
  readonly yes?: true;
}

/** `sessiond sessions revoke-all` */
export function revokeAllCommand(cli: Cli, end: (exitCode: number) => void): Command {
  const command = new Command("revoke-all")
    .summary("revoke all sessions of an actor, or by filter")
    .description(
      "Revokes all live sessions of an actor, or those that a filter chooses, after a preview. Those of " +
        "one actor need the role issuer, all others admin. By filter, sessions that are created after " +
        "the preview began stay.",
    )
    .requiredOption("--reason <word>", REASON, nonEmpty)
    .option("--keep <id>", "with --actor: all but this session", nonEmpty)
    .option("--dry-run", "only show what would be revoked")
    .option("--yes", "do not ask");
  return addFilterOptions(command, cli)
    .option("--everything", "all sessions of all actors")
    .action(async (options: RevokeAllOptions) => {
      assertTarget(options);
      const plan =
        options.actor === undefined ? byFilter(cli, options) : byActor(cli, options, options.actor);
      await revokeAll(cli, options, plan, end);
    });
}

function assertTarget(options: RevokeAllOptions): void {
  const { actor, keep, everything } = options;
  assertActorAlone(options);
  if (keep !== undefined && actor === undefined) throw wrongUse("--keep is for --actor");
  const isChosen = actor !== undefined || isRestricted(options);
  if (everything === true && isChosen) {
    throw wrongUse("--everything and other options that choose sessions cannot be used together");
  }
  if (everything !== true && !isChosen) {
    throw wrongUse("which sessions? Name an --actor, a filter, or --everything");
  }
}

/** What would be revoked. */
interface Preview {
  readonly count: number;
  readonly tenants: ReadonlySet<string>;
  /** The first ones. */
  readonly sample: readonly Session[];
  /** Of how many the tenant is known. */
  readonly seen: number;
}

/** How to find sessions, and how to revoke them. */
interface Plan {
  /** @param onPage is told how many were found so far */
  preview(onPage: (count: number) => void): Promise<Preview>;
  /** Yields how many were revoked so far. */
  revoke(): AsyncIterable<number>;
}

async function revokeAll(
  cli: Cli,
  { dryRun, yes }: RevokeAllOptions,
  plan: Plan,
  end: (exitCode: number) => void,
): Promise<void> {
  const preview = await previewOf(cli, plan);
  const { count } = preview;
  if (dryRun === true) {
    await printResult(cli, preview, 0, true);
    return;
  }
  if (count > 0 && yes !== true) {
    await cli.stderr.write(describePreview(preview));
    const question = `This ends ${sessionsText(count)} of ${tenantsText(preview)}.`;
    if (!(await confirm(cli, question, "revoke"))) {
      throw new CommandError("not confirmed: nothing was revoked");
    }
  }
  let revoked = 0;
  try {
    using progress = cli.progress();
    if (count > 0) {
      for await (revoked of plan.revoke()) progress.update(`revoked ${revoked} of ${count}`);
    }
  } catch (error) {
    if (revoked === 0) throw error;
    await printResult(cli, preview, revoked, false);
    const why = error instanceof Error ? error.message : String(error);
    if (!cli.signal.aborted) await cli.note(`${why}: run it again to revoke the others`);
    cli.signal.throwIfAborted();
    end(ExitCode.partlyDone);
    return;
  }
  await printResult(cli, preview, revoked, false);
}

async function previewOf(cli: Cli, plan: Plan): Promise<Preview> {
  using progress = cli.progress();
  return await plan.preview((count) => progress.update(`found ${sessionsText(count)}`));
}

async function printResult(
  cli: Cli,
  preview: Preview,
  revoked: number,
  dryRun: boolean,
): Promise<void> {
  const { count, tenants, sample } = preview;
  if (cli.isJson) {
    const result = { dryRun, found: count, revoked, tenants: [...tenants] };
    const ids = dryRun ? { sample: sample.map(({ id }) => id) } : {};
    await cli.stdout.writeJson(`${JSON.stringify({ ...result, ...ids })}\n`);
  } else if (dryRun) {
    const total = `this would revoke ${sessionsText(count)} of ${tenantsText(preview)}\n`;
    await cli.stdout.write(describePreview(preview) + total);
  } else {
    await cli.stdout.write(`revoked ${sessionsText(revoked)}\n`);
  }
}

function describePreview({ count, sample }: Preview): string {
  const lines = sample.map(
    (session) =>
      `  ${visible(session.id)}  ${visible(session.tenantId)}  ${visible(actorOf(session)) || "-"}  ` +
      `${formatTime(session.createdAt)}\n`,
  );
  const others = count > sample.length ? `  and ${count - sample.length} more\n` : "";
  return lines.join("") + others;
}

function sessionsText(count: number): string {
  return count === 1 ? "1 session" : `${count} sessions`;
}

/** The tenants are those of the sessions that the service has shown, which need not be all. */
function tenantsText({ tenants, count, seen }: Preview): string {
  if (tenants.size === 0) return "no tenant";
  const names = [...tenants].map(visible).slice(0, MAX_TENANTS);
  const more = tenants.size > names.length || seen < count ? " and possibly others" : "";
  return `${names.length === 1 ? "tenant" : "tenants"} ${names.join(", ")}${more}`;
}

function byFilter(cli: Cli, options: RevokeAllOptions): Plan {
  const { reason, everything = false } = options;
  // So that the preview is what is revoked. Everything means everything, whatever this machine's clock says.
  const now = timestampFromMs(cli.host.now());
  const { createdBefore: given = now } = options;
  const createdBefore = timestampMs(given) < timestampMs(now) ? given : now;
  const request = {
    reason,
    actingActorId: cli.actingActorId,
    ...(everything ? { everything } : { filter: { ...filterOf(options), createdBefore } }),
  };
  const pages = async function* (dryRun: boolean): AsyncGenerator<RevokeSessionsResponse> {
    for (let pageToken = "", more = true; more; ) {
      const { method } = SessionService;
      const page = await cli.call(method.revokeSessions, { ...request, dryRun, pageToken });
      yield page;
      ({ more, nextPageToken: pageToken } = page);
    }
  };
  return {
    async preview(onPage) {
      const found = emptyPreview();
      for await (const { processed, sample } of pages(true)) {
        addTo(found, processed, sample);
        onPage(found.count);
      }
      return found;
    },
    async *revoke() {
      let revoked = 0;
      for await (const { processed } of pages(false)) {
        revoked += processed;
        yield revoked;
      }
    },
  };
}

function byActor(cli: Cli, options: RevokeAllOptions, { actorType, actorId }: ActorArgument): Plan {
  const { reason, keep, tenant = "" } = options;
  const actor = { tenantId: tenant, actorType, actorId };
  const { method } = SessionService;
  return {
    async preview(onPage) {
      const found = emptyPreview();
      const pages = pagesUpTo(Number.POSITIVE_INFINITY, async (pageToken, pageSize) => {
        const page = await cli.call(method.list, { actor, pageSize, pageToken });
        return { items: page.sessions, nextPageToken: page.nextPageToken };
      });
      for await (const sessions of pages) {
        const ending = sessions.filter(({ id }) => id !== keep);
        addTo(found, ending.length, ending);
        onPage(found.count);
      }
      return found;
    },
    async *revoke() {
      const { revokedCount } = await cli.call(method.revokeAllForActor, {
        actor,
        reason,
        actingActorId: cli.actingActorId,
        ...(keep !== undefined && { keep: { ref: { case: "sessionId" as const, value: keep } } }),
      });
      yield revokedCount;
    },
  };
}

function emptyPreview() {
  return { count: 0, seen: 0, tenants: new Set<string>(), sample: [] as Session[] };
}

function addTo(
  preview: ReturnType<typeof emptyPreview>,
  count: number,
  sessions: readonly Session[],
): void {
  preview.count += count;
  preview.seen += sessions.length;
  for (const { tenantId } of sessions) preview.tenants.add(tenantId);
  preview.sample.push(...sessions.slice(0, SAMPLE_SIZE - preview.sample.length));
}
