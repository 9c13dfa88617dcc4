import type { DescEnum } from "@bufbuild/protobuf";

/** Such as `active` for SESSION_STATE_ACTIVE; the number of a value that this version does not know. */
export function enumWord(schema: DescEnum, value: number): string {
  const name = schema.value[value]?.localName ?? String(value);
  return name.toLowerCase().replaceAll("_", " ");
}
