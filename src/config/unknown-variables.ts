import { closestMatch } from "leven";
import { settingNames, settingOf } from "./settings.ts";

/**
 * Kubernetes describes each service of a namespace in the environment of its pods. For a service
 * named `sessiond` or `sessiond-...`, these names start with SESSIOND_; one is SESSIOND_PORT.
 */
function isServiceLink(name: string, value: string): boolean {
  return (
    /_SERVICE_(HOST|PORT(_\w+)?)$/.test(name) ||
    /_PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?$/.test(name) ||
    (name.endsWith("_PORT") && /^(tcp|udp|sctp):\/\//.test(value))
  );
}

/** Whether a variable is for the service, and not for the test and benchmark runners or Kubernetes. */
export function isOwnVariable(entry: [string, string | undefined]): entry is [string, string] {
  const [name, value] = entry;
  if (value === undefined || !name.startsWith("SESSIOND_")) return false;
  return !/^SESSIOND_(TEST|BENCH)_/.test(name) && !isServiceLink(name, value);
}

/** One problem for each of `names` that is not a setting. */
export function findUnknown(names: readonly string[]): readonly string[] {
  const files = settingNames.filter((name) => settingOf(name).file).map((name) => `${name}_FILE`);
  const known: readonly string[] = [...settingNames, ...files];
  return names
    .filter((name) => !known.includes(name))
    .map((name) => {
      const plain = name.replace(/_FILE$/, "");
      const remedy = known.includes(plain)
        ? `only secrets and certificates can come from a file; set ${plain} itself`
        : `did you mean ${closestMatch(name, known)}?`;
      // Without the value, which may be a secret under a mistyped name.
      return `${name} (hidden) is not a setting: ${remedy}`;
    });
}
