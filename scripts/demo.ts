/**
 * Demonstrates a login and further calls against a temporary instance. Prints what a backend calls
 * with the generated client, and which cookies browsers get. Removes all data at the end.
 */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { enumToJson } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { pino } from "pino";
import { ErrorInfoSchema } from "../gen/es/google/rpc/error_details_pb.ts";
import { SessionState, SessionStateSchema } from "../gen/es/sessiond/v1/session_pb.ts";
import { type CreateResponse, SessionService } from "../gen/es/sessiond/v1/session_service_pb.ts";
import { startApp } from "../src/app.ts";
import { loadConfig } from "../src/config/config.ts";
import { stopSignal } from "../src/signals.ts";

const ALICE = { actorType: "user", actorId: "alice" };
const BROWSER = { ipAddress: "203.0.113.7", userAgent: "Mozilla/5.0 (laptop)" };
const PHONE = { ipAddress: "198.51.100.20", userAgent: "Mozilla/5.0 (phone)" };

function say(text: string): void {
  console.log(text);
}

function step(title: string): void {
  say(`\n== ${title}`);
}

function cookie(value: string) {
  return { case: "cookie", value } as const;
}

function bySession(created: CreateResponse) {
  return { ref: cookie(created.cookie) };
}

/** Prints the cookies without their secret parts, which must not get into a terminal's history. */
function showCookies(created: CreateResponse): void {
  for (const { header } of created.setCookies) {
    say(`   Set-Cookie: ${header.replace(/[\w-]{12,}(?=; Path)/, "…")}`);
  }
}

/** Expects the call to fail with this reason, and prints the message. */
async function expectDenial(call: Promise<unknown>, expected: string): Promise<void> {
  const error = await call.then(
    () => undefined,
    (cause: unknown) => ConnectError.from(cause),
  );
  const reason = error?.findDetails(ErrorInfoSchema)[0]?.reason;
  if (reason !== expected) throw new Error(`expected ${expected}, got ${reason ?? "success"}`);
  say(`   denied with ${reason}: ${error?.rawMessage}`);
}

async function logIn(client: Client<typeof SessionService>): Promise<CreateResponse> {
  step("A browser opens the login form: a pre-login session protects it");
  const preLogin = await client.create({ preLogin: true, ...BROWSER });
  say(`   ${preLogin.session?.id}, for ${preLogin.setCookies[0]?.maxAgeSeconds} seconds`);
  showCookies(preLogin);
  await client.validateCsrf({
    session: bySession(preLogin),
    csrfToken: preLogin.csrfToken,
    acceptPreLogin: true,
  });
  say("   the browser sends the form with a valid CSRF token");

  step(
    "Alice logs in: a new session replaces it, so that the old session id is not valid any more",
  );
  const login = await client.create({ actor: ALICE, ...BROWSER, replaces: bySession(preLogin) });
  say(`   ${login.session?.id} replaces ${login.replacedSessionId}`);
  showCookies(login);
  await expectDenial(client.validate({ credential: cookie(preLogin.cookie) }), "REVOKED");
  return login;
}

async function useSession(
  client: Client<typeof SessionService>,
  login: CreateResponse,
): Promise<void> {
  step("The next request of Alice: Validate");
  const cookieHeader = `theme=dark; __Host-session=${login.cookie}`;
  const validated = await client.validate({
    credential: { case: "cookieHeader", value: cookieHeader },
    csrfToken: login.csrfToken,
    ...BROWSER,
  });
  say(`   it is ${validated.session?.actorId}, with ${validated.secondsLeft} seconds left`);
  say(`   (${validated.idleSecondsLeft} idle, ${validated.absoluteSecondsLeft} absolute)`);

  step("A form from another site has no CSRF token, or a wrong one");
  const session = bySession(login);
  await expectDenial(client.validateCsrf({ session, csrfToken: "" }), "CSRF_MISSING");
  await expectDenial(client.validateCsrf({ session, csrfToken: "guess" }), "CSRF_MISMATCH");

  step("Touch: activity moves the idle deadline");
  const touched = await client.touch({ session });
  const idleExpiresAt = touched.session?.idleExpiresAt;
  say(`   it now expires at ${idleExpiresAt && timestampDate(idleExpiresAt).toISOString()}`);
}

async function secondDevice(
  client: Client<typeof SessionService>,
  login: CreateResponse,
): Promise<void> {
  step("Alice also logs in on a phone");
  const phone = await client.create({ actor: ALICE, ...PHONE });
  const { sessions } = await client.list({ actor: ALICE, current: bySession(login) });
  for (const { id, userAgent, current } of sessions) {
    say(`   ${id}  ${userAgent}${current ? "  (this device)" : ""}`);
  }

  step("The signing key is rotated; cookies of the old key stay valid for its retention");
  const { activeKey, retiredKey } = await client.rotateSigningKey({ actingActorId: "ops" });
  say(`   ${activeKey?.id} replaces ${retiredKey?.id}`);
  const { session } = await client.validate({ credential: cookie(login.cookie) });
  say(`   the cookie that ${session?.signingKeyId} signed is accepted`);

  step("Alice changes the password: all other sessions of Alice end");
  const { revokedCount } = await client.revokeAllForActor({
    actor: ALICE,
    keep: bySession(login),
    reason: "password_change",
    actingActorId: ALICE.actorId,
  });
  say(`   ${revokedCount} session ended`);
  await expectDenial(client.validate({ credential: cookie(phone.cookie) }), "REVOKED");
  await client.validate({ credential: cookie(login.cookie) });
  say("   this session stays valid");

  const { session: ended } = await client.get({ session: bySession(phone) });
  const state = enumToJson(SessionStateSchema, ended?.state ?? SessionState.UNSPECIFIED);
  say(`   the session of the phone is ${state}; the reason is ${ended?.endReason}`);
}

async function cleanUp(client: Client<typeof SessionService>): Promise<void> {
  step("A session of one second reaches its absolute timeout");
  const brief = await client.create({ actor: ALICE, absoluteTimeout: { seconds: 1n } });
  await delay(1000);
  await expectDenial(client.validate({ credential: cookie(brief.cookie) }), "EXPIRED_ABSOLUTE");

  step("The sweep deletes ended sessions");
  const swept = await client.garbageCollect({});
  say(`   ${swept.sessionsDeleted} session deleted`);
  const { auditEvents } = await client.listAuditEvents({});
  say(`   the audit log has ${auditEvents.length} events; the last is ${auditEvents[0]?.action}`);
}

/** Rejects when the signal fires. */
async function untilAborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, "abort");
  throw signal.reason;
}

async function run(directory: string, signal: AbortSignal): Promise<void> {
  say("Starting sessiond on an embedded PostgreSQL in a temporary directory");
  const app = await startApp({
    config: loadConfig({
      SESSIOND_DATA_DIR: directory,
      SESSIOND_PORT: "0",
      // So that the effects of touch and sweep are visible within seconds.
      SESSIOND_TOUCH_INTERVAL: "0s",
      SESSIOND_HISTORY_WINDOW: "0s",
    }),
    log: silent,
    signal,
  });
  const steps = async () => {
    const transport = createGrpcTransport({ baseUrl: app.server.url });
    const client = createClient(SessionService, transport);
    const login = await logIn(client);
    await useSession(client, login);
    await secondDevice(client, login);
    await cleanUp(client);
  };
  try {
    await Promise.race([steps(), untilAborted(signal)]);
  } finally {
    await app.stop();
  }
}

const silent = pino({ level: "silent" });
// After its terminal was closed each write fails, which must not end the process before it has stopped.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
const signal = stopSignal(silent, () => process.exit(1));
const directory = await mkdtemp(join(tmpdir(), "sessiond-demo-"));
try {
  await run(directory, signal);
} catch (error) {
  if (!signal.aborted) throw error;
} finally {
  await rm(directory, { recursive: true, force: true });
}
say(`\n${signal.aborted ? "Interrupted" : "Done"}; nothing is left behind.`);
process.exit(signal.aborted ? 1 : 0);
