import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { Command } from "commander";
import type { SessionFilterSchema } from "../../gen/es/sessiond/v1/session_pb.ts";
import { type ActorArgument, actorArgument, nonEmpty } from "./arguments.ts";
import type { Cli } from "./cli.ts";
import { wrongUse } from "./exit-codes.ts";
import { timeArgument } from "./times.ts";

/** The options that choose sessions. */
export interface FilterOptions {
  readonly actor?: ActorArgument;
  readonly tenant?: string;
  readonly actorType?: string;
  readonly appType?: string;
  readonly ipAddress?: string;
  readonly userAgent?: string;
  readonly createdSince?: Timestamp;
  readonly createdBefore?: Timestamp;
  readonly seenSince?: Timestamp;
  readonly seenBefore?: Timestamp;
}

/** Adds the options that choose sessions to a command. */
export function addFilterOptions(command: Command, cli: Cli): Command {
  const time = timeArgument(cli.host.now);
  return command
    .optionsGroup("Which sessions (times: 2026-11-22T08:00:00Z, or ages such as 2h, 7d):")
    .option("--actor <type:id>", "those of one actor, such as user:42", actorArgument)
    .option("--tenant <id>", "those of one tenant", nonEmpty)
    .option("--actor-type <type>", "those of one kind of actor", nonEmpty)
    .option("--app-type <type>", "those of one application", nonEmpty)
    .option(
      "--ip-address <address>",
      "those from an address, or a network such as 10.0.0.0/8",
      nonEmpty,
    )
    .option("--user-agent <text>", "those whose user agent contains a text", nonEmpty)
    .option("--created-since <time>", "those created at this time or later", time)
    .option("--created-before <time>", "those created before it", time)
    .option("--seen-since <time>", "those with activity at this time or later", time)
    .option("--seen-before <time>", "those without activity since then", time);
}

const FILTERS_WITHOUT_ACTOR = {
  actorType: "--actor-type",
  appType: "--app-type",
  ipAddress: "--ip-address",
  userAgent: "--user-agent",
  createdSince: "--created-since",
  createdBefore: "--created-before",
  seenSince: "--seen-since",
  seenBefore: "--seen-before",
} as const;

/** @throws {CommandError} if an actor is named together with another filter than the tenant */
export function assertActorAlone(options: FilterOptions): void {
  const [other] = givenFilters(options);
  if (options.actor === undefined || other === undefined) return;
  throw wrongUse(`--actor and ${other} cannot be used together: only --tenant can be with --actor`);
}

/** Whether anything restricts the sessions. */
export function isRestricted(options: FilterOptions): boolean {
  return options.tenant !== undefined || givenFilters(options).length > 0;
}

function givenFilters(options: FilterOptions): readonly string[] {
  return Object.entries(FILTERS_WITHOUT_ACTOR)
    .filter(([name]) => options[name as keyof typeof FILTERS_WITHOUT_ACTOR] !== undefined)
    .map(([, option]) => option);
}

export function filterOf(options: FilterOptions): MessageInitShape<typeof SessionFilterSchema> {
  const { tenant, actorType, appType, ipAddress, userAgent } = options;
  const { createdSince, createdBefore, seenSince, seenBefore } = options;
  return {
    ...(tenant !== undefined && { tenantId: tenant }),
    ...(actorType !== undefined && { actorType }),
    ...(appType !== undefined && { appType }),
    ...(ipAddress !== undefined && { ipAddress }),
    ...(userAgent !== undefined && { userAgentContains: userAgent }),
    ...(createdSince !== undefined && { createdSince }),
    ...(createdBefore !== undefined && { createdBefore }),
    ...(seenSince !== undefined && { seenSince }),
    ...(seenBefore !== undefined && { seenBefore }),
  };
}
