import { create, fromBinary, fromJson, type JsonValue, toBinary, toJson } from "@bufbuild/protobuf";
import fc from "fast-check";
import { SessionFilterSchema } from "../../../gen/es/sessiond/v1/session_pb.ts";
import {
  type RevokeSessionsRequest,
  RevokeSessionsRequestSchema,
  SessionService,
} from "../../../gen/es/sessiond/v1/session_service_pb.ts";
import { prefixBytes } from "../../../src/wire/message-writer.ts";
import { newActor, newTenant, openSession } from "../../support/actors.ts";
import type { Attack } from "../attack.ts";
import { envelope } from "../attack-connection.ts";
import { mutation, oddHeaders, randomMessage } from "../random-messages.ts";
import { ConnectWire, GrpcWire, healthOn, isInternal, ok, pathOf } from "../wire.ts";

/** How long the short run lasts, in milliseconds. */
const SHORT_MS = 12_000;
const EVERY = 100;

/**
 * If the message is compressed and the headers name no compression, gRPC asks for INTERNAL, which this attack
 * must not see: bad-input has that case.
 */
function namingCompression(
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
): Readonly<Record<string, string>> {
  const isCompressed = ((body[0] ?? 0) & 1) === 1;
  const namesNone = ["", "identity"].includes(headers["grpc-encoding"] ?? "");
  return isCompressed && namesNone ? { ...headers, "grpc-encoding": "gzip" } : headers;
}

/** Built once for all methods: to build it for each message would take longer than the calls. */
const call = (known: readonly string[]) =>
  fc.oneof(
    ...SessionService.methods.map((method) =>
      fc.record({
        method: fc.constant(method),
        message: randomMessage(method.input, known),
        ofMessage: mutation,
        ofEnvelope: mutation,
        headers: oddHeaders,
        flags: fc.constantFrom(0, 0, 0, 1, 0x80),
      }),
    ),
  );

/** Lets RevokeSessions end sessions of this tenant only, and not the well-behaved client's. */
function confine(request: RevokeSessionsRequest, tenantId: string): void {
  if (request.dryRun) return;
  request.everything = false;
  request.filter ??= create(SessionFilterSchema);
  request.filter.tenantId = tenantId;
}

/**
 * Whether a message could revoke sessions of other tenants: damage can undo what `confine` does.
 *
 * @param decode throws if the message is none
 */
function revokesOthers(decode: () => RevokeSessionsRequest, ownTenant: string): boolean {
  try {
    const { filter, dryRun } = decode();
    return !dryRun && filter?.tenantId !== ownTenant;
  } catch {
    return false;
  }
}

export const attacks: readonly Attack[] = [
  {
    name: "random-input",
    shows: "no message, and no damage of one, leads to an internal error or to no answer",
    async run(target, scale) {
      using grpc = new GrpcWire(target);
      using connect = new ConnectWire(target);
      const tenantId = newTenant();
      const actor = newActor({ tenantId });
      const { id, cookie, csrfToken } = await openSession(target.client, { actor });
      const known = [id, cookie, csrfToken, tenantId, actor.actorId, "user", "default", "logout"];
      const inputs = { tried: 0, internal: 0 };
      const outcomes: Record<string, number> = {};
      const note = (outcome: string) => {
        inputs.tried += 1;
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
        if (!isInternal(outcome)) return;
        inputs.internal += 1;
        throw new Error(outcome);
      };
      const property = fc.asyncProperty(call(known), async (random) => {
        const { method, message, ofMessage, ofEnvelope, flags } = random;
        const isRevocation = method.name === "RevokeSessions";
        if (isRevocation) confine(message.message as RevokeSessionsRequest, tenantId);
        const bytes = ofMessage(toBinary(message.desc, message.message));
        const body = ofEnvelope(envelope(bytes, flags));
        const fromBody = () => fromBinary(RevokeSessionsRequestSchema, body.subarray(prefixBytes));
        if (isRevocation && revokesOthers(fromBody, tenantId)) return;
        const headers = namingCompression(random.headers, body);
        note(await grpc.send(body, { path: pathOf(method), headers }));
        if (grpc.lost > 0) throw new Error("the connection was lost");
        if (inputs.tried % EVERY === 0) {
          const health = await healthOn(grpc);
          if (health !== ok)
            throw new Error(`the connection answers a health check with ${health}`);
        }
        let json: JsonValue;
        try {
          json = toJson(message.desc, message.message);
        } catch {
          // Durations and texts that JSON does not have.
          return;
        }
        const text = ofMessage(Buffer.from(JSON.stringify(json)));
        const fromText = () => fromJson(RevokeSessionsRequestSchema, JSON.parse(text.toString()));
        if (isRevocation && revokesOthers(fromText, tenantId)) return;
        note(await connect.send(text, { path: pathOf(method) }));
      });
      const result = await fc.check(property, {
        numRuns: scale.full ? 50_000 : 1_000_000,
        ...(!scale.full && { interruptAfterTimeLimit: SHORT_MS }),
        // A failure is shrunk over the wire, too.
        endOnFailure: false,
      });
      const failures = result.failed
        ? [
            `seed ${result.seed}, path ${result.counterexamplePath}: ${result.errorInstance}, ${result.counterexample?.map((random) => JSON.stringify({ rpc: random.method.name, message: random.message.message, headers: random.headers }, (_, value) => (typeof value === "bigint" ? String(value) : value)))}`,
          ]
        : [];
      const summary = `${inputs.tried} random inputs, seed ${result.seed}: ${JSON.stringify(outcomes)}`;
      // The last input, which the end of the time has cut off, may still be counted after this.
      return { summary, failures, inputs: { ...inputs } };
    },
  },
];
