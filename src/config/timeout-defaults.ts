import { timeoutProfiles } from "../session/profiles.ts";
import type { EnvReader } from "./env-reader.ts";

type Paired = "SESSIOND_IDLE_TIMEOUT" | "SESSIOND_ABSOLUTE_TIMEOUT";

const inWholeSeconds = (ms: number) => Math.floor(ms / 1000) * 1000;

/**
 * Resolves the timeouts, whose defaults depend on the profile and on each other. Derived defaults
 * pass the cross-field checks, so that it is enough to set one timeout.
 */
export function resolveTimeouts(reader: EnvReader): void {
  const profileName = reader.get("SESSIOND_TIMEOUT_PROFILE");
  const profile = profileName && timeoutProfiles[profileName];
  const resolvePaired = (name: Paired, value = reader.get(name)) =>
    reader.resolve(name, ["SESSIOND_TIMEOUT_PROFILE"], value, profile ? "profile" : "default");
  resolvePaired("SESSIOND_IDLE_TIMEOUT", profile?.idleMs);
  resolvePaired("SESSIOND_ABSOLUTE_TIMEOUT", profile?.absoluteMs);

  const idle = reader.get("SESSIOND_IDLE_TIMEOUT");
  const ofIdle = ["SESSIOND_IDLE_TIMEOUT"] as const;
  reader.resolve("SESSIOND_MAX_IDLE_TIMEOUT", ofIdle, idle);
  reader.resolve("SESSIOND_TOUCH_INTERVAL", ofIdle, Math.min(30_000, Math.floor(idle / 60)));
  reader.resolve("SESSIOND_IDLE_WARNING", ofIdle, Math.min(300_000, inWholeSeconds(idle / 2)));

  const absolute = reader.get("SESSIOND_ABSOLUTE_TIMEOUT");
  const ofAbsolute = ["SESSIOND_ABSOLUTE_TIMEOUT"] as const;
  const warning = Math.min(1_800_000, inWholeSeconds(absolute / 2));
  reader.resolve("SESSIOND_MAX_ABSOLUTE_TIMEOUT", ofAbsolute, absolute);
  reader.resolve("SESSIOND_ABSOLUTE_WARNING", ofAbsolute, warning);

  const longest = ["SESSIOND_MAX_ABSOLUTE_TIMEOUT", "SESSIOND_PRE_LOGIN_TIMEOUT"] as const;
  const retention = Math.max(...longest.map((name) => reader.get(name))) + 3_600_000;
  reader.resolve("SESSIOND_SIGNING_KEY_RETENTION", longest, retention);
}
