import { connect } from "node:net";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { SessionService } from "../../../gen/es/sessiond/v1/session_service_pb.ts";
import { newActor } from "../../support/actors.ts";
import type { SessionClient } from "../../support/app.ts";
import { ATTACKER_ADDRESS, type Attack, type Target } from "../attack.ts";
import { countOutcomes } from "../outcomes.ts";

const CONNECTIONS = 10;
const EXPECTED = new Set(["ok", "resource_exhausted", "deadline_exceeded", "unavailable"]);

export interface AttackingClients extends Disposable {
  readonly clients: readonly SessionClient[];
}

/** Clients of an address that is not the well-behaved client's. */
export function attackingClients(target: Target, count: number): AttackingClients {
  const { host, port } = target;
  const createConnection = () => connect({ host, port, localAddress: ATTACKER_ADDRESS });
  const managers = Array.from(
    { length: count },
    () => new Http2SessionManager(target.url, undefined, { createConnection }),
  );
  const clients = managers.map((sessionManager) =>
    createClient(SessionService, createGrpcTransport({ baseUrl: target.url, sessionManager })),
  );
  return {
    clients,
    [Symbol.dispose]() {
      for (const manager of managers) manager.abort();
    },
  };
}

type Call = (client: SessionClient, index: number) => Promise<unknown>;

function overload(kind: string, call: Call): Attack {
  return {
    name: `overload, ${kind}`,
    shows: "a caller who asks for too much is refused, and others are served",
    async run(target, scale) {
      using attackers = attackingClients(target, CONNECTIONS);
      const callers = scale.full ? 5000 : 1000;
      const end = performance.now() + scale.floodMs;
      const outcomes = await countOutcomes(
        Array.from({ length: callers }, (_, index) => async (count) => {
          const client = attackers.clients[index % CONNECTIONS] as SessionClient;
          do await count(() => call(client, index));
          while (performance.now() < end);
        }),
      );
      const odd = Object.keys(outcomes).filter((outcome) => !EXPECTED.has(outcome));
      const failures = odd.map((outcome) => `${outcomes[outcome]} calls ended with ${outcome}`);
      return { summary: `${callers} callers at once: ${JSON.stringify(outcomes)}`, failures };
    },
  };
}

const actor = newActor();
const tenants = Array.from({ length: 20 }, (_, index) => `overloaded-${index}`);

export const attacks: readonly Attack[] = [
  overload("List", (client) => client.list({ actor })),
  overload("Create", (client) => client.create({ actor: newActor() })),
  {
    ...overload("RotateSigningKey", (client, index) =>
      client.rotateSigningKey({
        tenantId: tenants[index % tenants.length] ?? "",
        actingActorId: "attacker",
      }),
    ),
    fullOnly: true,
  },
];
