import { enumToJson } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
  HealthCheckResponse_ServingStatusSchema as StatusSchema,
} from "../../../gen/es/health/v1/health_pb.ts";
import { SessionService } from "../../../gen/es/sessiond/v1/session_service_pb.ts";
import { CommandError, ExitCode } from "../exit-codes.ts";
import { CallError } from "../failure.ts";
import { type Check, type DoctorContext, type Finding, ok, problem, warning } from "./finding.ts";

/** The running service: whether it can be reached, serves, and lets the command line in. */
export const service: Check = {
  name: "service",
  isOnline: true,
  async run(context) {
    try {
      return await askService(context);
    } catch (error) {
      if (error instanceof CommandError && error.exitCode === ExitCode.wrongUse) {
        return [problem(error.message, "correct the option or the setting")];
      }
      throw error;
    }
  },
};

async function askService({ cli }: DoctorContext): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const health = createClient(Health, cli.healthTransport());
  for (const [name, meaning] of [
    ["", "liveness"],
    [SessionService.typeName, "readiness"],
  ] as const) {
    try {
      const { status } = await health.check({ service: name }, { signal: cli.signal });
      if (status === Status.SERVING) findings.push(ok(`${meaning}: SERVING`));
      else findings.push(notServing(meaning, enumToJson(StatusSchema, status)));
    } catch (error) {
      cli.signal.throwIfAborted();
      if (ConnectError.from(error).code === Code.NotFound) {
        findings.push(problem("this is no sessiond", "--address must name one"));
        return findings;
      }
      const { message } = new CallError(Health.method.check, cli.address, error);
      findings.push(problem(message, "start it, or use --offline to look at the rest only"));
      return findings;
    }
  }
  findings.push(await askAsCaller(cli));
  return findings;
}

function notServing(meaning: string, status: unknown): Finding {
  return problem(
    `${meaning}: ${status}`,
    meaning === "readiness"
      ? "the database does not answer the service, or it is stopping: see its log"
      : "restart it, and see its log",
  );
}

async function askAsCaller(cli: DoctorContext["cli"]): Promise<Finding> {
  try {
    await cli.call(SessionService.method.listSigningKeys, { pageSize: 1 });
    return ok("the command line may use it as admin");
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    const { message } = error;
    const { exitCode } = error.failure;
    // A caller of several tenants must name one, and is an admin all the same.
    if (exitCode === ExitCode.wrongUse)
      return ok("the command line may use it as admin of some tenants");
    if (exitCode === ExitCode.notPermitted) {
      return warning(
        message,
        "give the command line the token or certificate of a caller with the role admin",
      );
    }
    return problem(message, "see the service's log");
  }
}
