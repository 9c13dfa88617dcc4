/**
 * Clients whose answers are false, as those of a broken sessiond would be. The checker must report each
 * of them, or its silence about the scenarios would mean nothing.
 */
import type { DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import {
  type CreateResponse,
  CreateResponseSchema,
  RevokeResponseSchema,
  RotateSessionResponseSchema,
  UpdateMetadataResponseSchema,
  type ValidateResponse,
} from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { until } from "../support/until.ts";
import { type Caller, CallFailure, type CallOptions, grpcJsCaller } from "./callers.ts";
import type { RecordingClient } from "./recorder.ts";
import { broken, type Report, type Scenario } from "./scenario.ts";
import type { FaultServer } from "./server.ts";
import { World } from "./world.ts";

type Answer = (
  method: DescMethodUnary,
  request: MessageInitShape<DescMethodUnary["input"]>,
  send: () => Promise<unknown>,
) => Promise<unknown>;

/** A client whose answers are not always those of the service. */
function lyingClient(caller: Caller, answer: Answer): Caller {
  return {
    ...caller,
    call: async <M extends DescMethodUnary>(
      method: M,
      request: MessageInitShape<M["input"]>,
      options: CallOptions,
    ) => {
      const send = () => caller.call(method, request, options);
      return (await answer(method, request, send)) as MessageShape<M["output"]>;
    },
  };
}

interface Control {
  readonly what: string;
  /** What the checker must report. */
  readonly rule: string;
  readonly answer: () => Answer;
  readonly use: (client: RecordingClient, world: World) => Promise<void>;
}

const opened = (client: RecordingClient) => until("a session is open", () => client.create());

const controls: readonly Control[] = [
  {
    what: "a Revoke is acknowledged and not done",
    rule: "acknowledged Revoke lost",
    answer: () => async (method, _, send) =>
      method.name === "Revoke" ? create(RevokeResponseSchema, { revoked: true }) : send(),
    use: async (client) => {
      await client.revoke(await opened(client));
    },
  },
  {
    what: "Validate answers from a cache",
    rule: "validate accepted after the session was revoked",
    answer: () => {
      const cache = new Map<string, Promise<unknown>>();
      return (method, request, send) => {
        if (method.name !== "Validate") return send();
        const key = JSON.stringify(request);
        const cached = cache.get(key) ?? (send() as Promise<ValidateResponse>);
        cache.set(key, cached);
        return cached;
      };
    },
    use: async (client) => {
      const session = await opened(client);
      await client.validate(session);
      await client.revoke(session);
      await client.validate(session);
    },
  },
  {
    what: "a Create is acknowledged before it is committed",
    rule: "acknowledged Create lost",
    answer: () => async (_, __, send) => {
      try {
        return await send();
      } catch (error) {
        if (error instanceof CallFailure && error.code === "UNAVAILABLE") {
          return create(CreateResponseSchema, { session: { id: "ses-early" } });
        }
        throw error;
      }
    },
    use: async (client, world) => {
      await opened(client);
      for (const { proxy } of world.replicas) proxy.refuse();
      await client.create();
      for (const { proxy } of world.replicas) proxy.restore();
    },
  },
  {
    what: "a RotateSession is acknowledged and not done",
    rule: "acknowledged RotateSession lost",
    answer: () => async (method, _, send) => {
      if (method.name !== "RotateSession") return send();
      return create(RotateSessionResponseSchema, { session: { id: "ses-lost" } });
    },
    use: async (client) => {
      await client.rotateSession(await opened(client));
    },
  },
  {
    what: "an UpdateMetadata is acknowledged and not done",
    rule: "acknowledged UpdateMetadata lost",
    answer: () => {
      let created: CreateResponse | undefined;
      return async (method, _, send) => {
        if (method.name === "UpdateMetadata") {
          const session = { id: created?.session?.id ?? "", metadataEtag: "2" };
          return create(UpdateMetadataResponseSchema, { session });
        }
        const response = await send();
        if (method.name === "Create") created = response as CreateResponse;
        return response;
      };
    },
    use: async (client) => {
      await client.updateMetadata(await opened(client));
    },
  },
  {
    what: "a Create is sent again after its answer was lost",
    rule: "Create done twice",
    answer: () => async (method, _, send) => {
      const first = await send();
      return method.name === "Create" ? send() : first;
    },
    use: async (client) => {
      await opened(client);
    },
  },
];

export const lyingClients: Scenario = {
  name: "lying-clients",
  fault: "Control: false answers are reported",
  async run(server: FaultServer): Promise<Report> {
    await using world = await World.open(server);
    const [{ url } = { url: "" }] = world.replicas;
    for (const { answer, use } of controls) {
      await use(world.record(lyingClient(grpcJsCaller(url), answer()), "a"), world);
    }
    const found = new Set((await world.check()).map(({ rule }) => rule));
    const missed = controls.filter(({ rule }) => !found.has(rule));
    return {
      ...world.report(controls.length, []),
      violations: missed.map(({ what }) => broken("control", `not reported: ${what}`)),
    };
  },
};
