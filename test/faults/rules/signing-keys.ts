import type { Violation } from "../history.ts";
import { type History, isAcknowledged, violation } from "./indexed-history.ts";
import { checkAudit } from "./revocations.ts";

const ROTATED = "auth.session_signing_key_rotated";
const BOOTSTRAPPED = "auth.session_signing_key_bootstrap";

/** Each tenant has one active key. Each key was made by one audited call, and retired by one. */
export function* checkSigningKeys(history: History): Iterable<Violation> {
  const { signingKeys, audit } = history.final;
  for (const [tenantId, keys] of Map.groupBy(signingKeys, (key) => key.tenantId)) {
    const active = keys.filter(({ isActive }) => isActive).length;
    if (active === 1) continue;
    yield violation("one active signing key", `tenant ${tenantId} has ${active} active keys`);
  }
  const ids = new Set(signingKeys.map(({ id }) => id));
  for (const id of ids) {
    const audited = [ROTATED, BOOTSTRAPPED].flatMap((action) => history.auditOf(action, id)).length;
    if (audited === 1) continue;
    yield violation("audit of signing keys", `${audited} events of ${id} instead of 1`);
  }
  const retired = new Set<string>();
  for (const { action, resourceId, details } of audit) {
    if (action !== ROTATED && action !== BOOTSTRAPPED) continue;
    if (!ids.has(resourceId)) {
      yield violation("audit of signing keys", `${resourceId} was audited, but is not there`);
    }
    const retiredId = details.retired_key_id;
    if (retiredId === undefined) continue;
    if (retired.has(retiredId)) {
      yield violation("signing key retired twice", `two rotations have retired ${retiredId}`);
    }
    retired.add(retiredId);
  }
  for (const rotation of history.ofKind("rotate_key")) {
    yield* checkAudit(rotation, history.auditedBy(ROTATED, rotation.id).length, 1);
    if (!isAcknowledged(rotation) || ids.has(rotation.result.activeKeyId)) continue;
    const text = `there is no key ${rotation.result.activeKeyId}`;
    yield violation("acknowledged RotateSigningKey lost", text, rotation);
  }
}
