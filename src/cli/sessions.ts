import { toJsonString } from "@bufbuild/protobuf";
import { Command } from "commander";
import { type Session, SessionSchema } from "../../gen/es/sessiond/v1/session_pb.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { limitArgument, nonEmpty } from "./arguments.ts";
import { type Cli, type Pages, pagesUpTo } from "./cli.ts";
import { revokeAllCommand, revokeCommand } from "./revoke.ts";
import { fieldsOf, sessionColumns } from "./session-fields.ts";
import {
  addFilterOptions,
  assertActorAlone,
  type FilterOptions,
  filterOf,
} from "./session-filter.ts";

/** `sessiond sessions …` */
export function sessionsCommand(cli: Cli, end: (exitCode: number) => void): Command {
  const sessions = new Command("sessions")
    .summary("list, show and revoke sessions")
    .description("Lists, shows and revokes sessions.");
  sessions.addCommand(listCommand(cli));
  sessions.addCommand(getCommand(cli));
  sessions.addCommand(revokeCommand(cli, end));
  sessions.addCommand(revokeAllCommand(cli, end));
  return sessions;
}

interface ListOptions extends FilterOptions {
  readonly ended?: true;
  readonly limit: number;
}

function listCommand(cli: Cli): Command {
  const command = new Command("list")
    .summary("list sessions by filter, newest first")
    .description(
      "Lists sessions, newest first. Those of one actor need the role issuer, all others admin. Without " +
        "a filter, it lists all sessions.",
    )
    .option("--ended", "also those that have ended")
    .option("--limit <number>", "at most so many, or `all`", limitArgument, 50);
  return addFilterOptions(command, cli).action(async (options: ListOptions) => {
    assertActorAlone(options);
    await cli.printMessages(
      SessionSchema,
      listedSessions(cli, options),
      sessionColumns,
      "no sessions",
    );
  });
}

function listedSessions(cli: Cli, options: ListOptions): Pages<Session> {
  const { actor, tenant, ended: includeEnded = false, limit } = options;
  const { method } = SessionService;
  return pagesUpTo(limit, async (pageToken, pageSize) => {
    const page = { includeEnded, pageSize, pageToken };
    const { sessions, nextPageToken } =
      actor === undefined
        ? await cli.call(method.listSessions, { filter: filterOf(options), ...page })
        : await cli.call(method.list, { actor: { tenantId: tenant ?? "", ...actor }, ...page });
    return { items: sessions, nextPageToken };
  });
}

function getCommand(cli: Cli): Command {
  return new Command("get")
    .summary("show a session")
    .description("Shows a session, live or ended. Needs the role issuer.")
    .argument("<id>", "the session's id, such as ses-…")
    .option("--tenant <id>", "only if it is of this tenant", nonEmpty)
    .action(async (id: string, { tenant }: { tenant?: string }) => {
      const { session } = await cli.call(SessionService.method.get, {
        session: {
          ref: { case: "sessionId", value: id },
          ...(tenant !== undefined && { tenantId: tenant }),
        },
      });
      if (session === undefined) throw new Error("the response has no session");
      await cli.printFields(() => toJsonString(SessionSchema, session), fieldsOf(session));
    });
}
