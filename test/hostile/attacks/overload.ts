import { connect } from "node:net";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { SessionManager } from "../../../clients/typescript/src/session-manager.ts";
import { SessionService } from "../../../gen/es/sessiond/v1/session_service_pb.ts";
import { newActor } from "../../support/actors.ts";
import type { SessionClient } from "../../support/app.ts";
import { withToken } from "../../support/callers.ts";
import { testCertificate } from "../../support/test-certificate.ts";
import { ATTACKER_ADDRESS, type Attack, type Target, type TargetKind } from "../attack.ts";
import { countOutcomes, missing, unexpected } from "../outcomes.ts";

const CONNECTIONS = 10;

export interface AttackingClients extends Disposable {
  readonly clients: readonly SessionClient[];
}

/** Clients of an address that is not the well-behaved client's. */
export function attackingClients(target: Target, count: number): AttackingClients {
  const { host, port, url } = target;
  const createConnection = () => connect({ host, port, localAddress: ATTACKER_ADDRESS });
  return clientsOf(url, { createConnection }, count, "");
}

/** Clients of the well-behaved client's address: only the token tells them from it. */
function clientsWithToken(url: string, token: string): AttackingClients {
  return clientsOf(url, { ca: testCertificate }, CONNECTIONS, token);
}

function clientsOf(
  baseUrl: string,
  options: ConstructorParameters<typeof SessionManager>[2],
  count: number,
  token: string,
): AttackingClients {
  const interceptors = token === "" ? [] : [withToken(token)];
  const managers = Array.from(
    { length: count },
    () => new SessionManager(baseUrl, undefined, options),
  );
  const clients = managers.map((sessionManager) =>
    createClient(SessionService, createGrpcTransport({ baseUrl, sessionManager, interceptors })),
  );
  return {
    clients,
    [Symbol.dispose]() {
      for (const manager of managers) manager.abort();
    },
  };
}

type Call = (client: SessionClient, index: number) => Promise<unknown>;

interface Overload {
  readonly kind: string;
  readonly shows: string;
  readonly target?: TargetKind;
  readonly clients: (target: Target) => AttackingClients;
  readonly call: (target: Target) => Promise<Call>;
  /** How calls may end. */
  readonly allowed: readonly string[];
  /** How at least one call must end. */
  readonly required: string;
}

function overload({ kind, shows, target: on, clients, call, allowed, required }: Overload): Attack {
  return {
    name: `overload, ${kind}`,
    shows,
    ...(on !== undefined && { target: on }),
    async run(target, scale, held) {
      const attackers = clients(target);
      held.defer(() => attackers[Symbol.dispose]());
      const callers = scale.full ? 5000 : 1000;
      const callOnce = await call(target);
      const end = performance.now() + scale.floodMs;
      const outcomes = await countOutcomes(
        Array.from({ length: callers }, (_, index) => async (count) => {
          const client = attackers.clients[index % CONNECTIONS] as SessionClient;
          do await count(() => callOnce(client, index));
          while (performance.now() < end);
        }),
      );
      const failures = [...unexpected(outcomes, allowed), ...missing(outcomes, required)];
      return { summary: `${callers} callers at once: ${JSON.stringify(outcomes)}`, failures };
    },
  };
}

const refused = {
  shows: "a caller who asks for too much is refused and told when to retry, and others are served",
  allowed: ["ok", "resource_exhausted", "deadline_exceeded"],
  required: "resource_exhausted",
};
const anonymous = {
  ...refused,
  clients: (target: Target) => attackingClients(target, CONNECTIONS),
};
const authenticated = {
  ...refused,
  shows: "an authenticated caller above its limits is refused, and another one is served",
  target: "secured" as const,
  clients: ({ url, attackerToken }: Target) => clientsWithToken(url, attackerToken),
};

const actor = newActor();
const tenants = Array.from({ length: 20 }, (_, index) => `overloaded-${index}`);
const list = async (): Promise<Call> => (client) => client.list({ actor });
const create = async (): Promise<Call> => (client) => client.create({ actor: newActor() });
async function validate(target: Target): Promise<Call> {
  const { cookie: value } = await target.open();
  return (client) => client.validate({ credential: { case: "cookie", value } });
}

export const attacks: readonly Attack[] = [
  overload({ ...anonymous, kind: "List", call: list }),
  overload({ ...anonymous, kind: "Create", call: create }),
  {
    ...overload({
      ...anonymous,
      kind: "RotateSigningKey",
      call: async () => (client, index) =>
        client.rotateSigningKey({
          tenantId: tenants[index % tenants.length] ?? "",
          actingActorId: "attacker",
        }),
    }),
    fullOnly: true,
  },
  overload({
    ...authenticated,
    kind: "Validate with a token",
    shows: "an authenticated caller with many calls at once does not hold up another one",
    call: validate,
    required: "ok",
  }),
  overload({ ...authenticated, kind: "List with a token", call: list }),
  { ...overload({ ...authenticated, kind: "Create with a token", call: create }), fullOnly: true },
  overload({
    kind: "Validate with a wrong token",
    shows: "calls with a wrong token are refused, and others are served",
    target: "secured",
    clients: ({ url }) => clientsWithToken(url, "tok_unknown"),
    call: validate,
    allowed: ["unauthenticated"],
    required: "unauthenticated",
  }),
];
