import { randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { SessionRefSchema } from "../../gen/es/sessiond/v1/session_pb.ts";
import type { CreateRequest, CreateResponse } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import type { SessionClient } from "./app.ts";

export interface TestActor {
  readonly tenantId: string;
  readonly actorType: string;
  readonly actorId: string;
}

/** An actor that no other test knows. */
export function newActor(overrides: Partial<TestActor> = {}): TestActor {
  return { tenantId: "default", actorType: "user", actorId: `user-${randomUUID()}`, ...overrides };
}

/** A tenant that no other test knows; its first Create makes its signing key. */
export function newTenant(): string {
  return `tenant-${randomUUID()}`;
}

type Ref = MessageInitShape<typeof SessionRefSchema>;

export function byCookie(cookie: string, tenantId?: string): Ref {
  return { ref: { case: "cookie", value: cookie }, ...(tenantId !== undefined && { tenantId }) };
}

export function byId(sessionId: string, tenantId?: string): Ref {
  return {
    ref: { case: "sessionId", value: sessionId },
    ...(tenantId !== undefined && { tenantId }),
  };
}

export interface OpenedSession {
  readonly id: string;
  readonly actor: TestActor;
  readonly cookie: string;
  readonly csrfToken: string;
  readonly created: CreateResponse;
}

type OpenRequest = Partial<Omit<CreateRequest, "$typeName" | "$unknown" | "actor" | "replaces">> & {
  readonly actor?: TestActor;
  readonly replaces?: Ref;
};

/** Logs an actor in, a new one unless the request names one. */
export async function openSession(
  client: SessionClient,
  request: OpenRequest = {},
): Promise<OpenedSession> {
  const actor = request.actor ?? newActor();
  const created = await client.create({ ...request, actor });
  const { cookie, csrfToken } = created;
  return { id: created.session?.id ?? "", actor, cookie, csrfToken, created };
}

export function validate(client: SessionClient, cookie: string) {
  return client.validate({ credential: { case: "cookie", value: cookie } });
}
