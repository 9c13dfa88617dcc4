import type { UpdateMetadataOperation, Violation } from "../history.ts";
import {
  type Acknowledged,
  type History,
  isAcknowledged,
  isBefore,
  mayPrecede,
  violation,
} from "./indexed-history.ts";
import { checkAudit } from "./revocations.ts";

const UPDATED = "auth.session_metadata_updated";
/** The version that a Create makes. */
const FIRST = "1";

type Update = UpdateMetadataOperation;

/**
 * Each update of a login's metadata made the next version, on its present session, and was audited. Of
 * those with one etag, one has succeeded.
 */
export function* checkMetadata(history: History): Iterable<Violation> {
  const updates = history.ofKind("update_metadata");
  for (const update of updates) {
    yield* checkAudit(update, history.auditedBy(UPDATED, update.id).length, 1);
  }
  const byLogin = Map.groupBy(updates, ({ sessionId }) => {
    return history.sessions.get(sessionId)?.create.result.sessionId ?? sessionId;
  });
  for (const [login, ofLogin] of byLogin) {
    const done = ofLogin.filter(isAcknowledged);
    yield* checkOnce(done, "two updates with one etag", ({ etag }) => etag);
    yield* checkOnce(done, "two updates made one version", ({ result }) => result.etag);
    for (const update of ofLogin) yield* checkMismatch(history, login, ofLogin, update);
    for (const update of done) yield* checkNotLost(history, update);
  }
  yield* checkVersions(history);
}

function* checkOnce(
  updates: readonly Acknowledged<Update>[],
  rule: string,
  etagOf: (update: Acknowledged<Update>) => string,
): Iterable<Violation> {
  for (const [etag, same] of Map.groupBy(updates, etagOf)) {
    if (etag !== "" && same.length > 1) yield violation(rule, `the etag ${etag}`, ...same);
  }
}

/** A version is refused only if somebody may have made another one by then. */
function* checkMismatch(
  history: History,
  login: string,
  updates: readonly Update[],
  update: Update,
): Iterable<Violation> {
  if (update.reason !== "METADATA_ETAG_MISMATCH") return;
  const { etag } = update;
  const origin =
    etag === FIRST
      ? history.sessions.get(login)?.create
      : updates.find(({ result }) => result?.etag === etag);
  if (origin === undefined) return;
  const others = updates.filter((other) => other !== origin && mayPrecede(other, update));
  if (others.some((other) => !(isAcknowledged(other) && isBefore(other, origin)))) return;
  const text = `nobody has made another version than ${etag} by then`;
  yield violation("current etag refused", text, origin, update);
}

function* checkNotLost(history: History, update: Acknowledged<Update>): Iterable<Violation> {
  const version = Number(update.result.etag);
  const { sessionId } = update.result;
  for (const id of [sessionId, ...history.rotations.reachable(sessionId, () => true)]) {
    const row = history.rows.get(id);
    if (row === undefined || row.metadataVersion > version) continue;
    if (row.metadataVersion === version && row.updatedBy === update.id) continue;
    const text = `${id} has version ${row.metadataVersion} by "${row.updatedBy}"`;
    yield violation("acknowledged UpdateMetadata lost", text, update);
  }
}

/** The version of a session's metadata counts the updates that were audited. */
function* checkVersions({ final, rotations }: History): Iterable<Violation> {
  const updated = final.audit.filter(({ action }) => action === UPDATED);
  const byResource = Map.groupBy(updated, ({ resourceId }) => resourceId);
  const countOf = (id: string) => byResource.get(id)?.length ?? 0;
  for (const { id, metadataVersion } of final.sessions) {
    const login = [id, ...rotations.predecessorsOf(id)];
    const expected = login.reduce((sum, session) => sum + countOf(session), 1);
    if (metadataVersion === expected) continue;
    const text = `${id} has version ${metadataVersion}, and the audit says ${expected}`;
    yield violation("UpdateMetadata half done", text);
  }
}
