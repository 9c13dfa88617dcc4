import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { nullProblem } from "./decode-failures.ts";

const decoder = new TextDecoder();

/**
 * Options for requests in JSON, which are for people and for code that is not generated. A mistake
 * must not skip a check that an optional field asks for:
 * - An unknown field is an error. Connect ignores it, whatever it was meant to be.
 * - Null is an error for an optional field of a scalar type. Protobuf takes it for unset, but it is
 *   also what a caller sends whose variable has no value.
 */
export function requestJsonOptions(type: DescMessage) {
  return {
    ignoreUnknownFields: false,
    // Connect decodes each message with this, after decompression.
    textDecoder: { decode: (bytes?: Uint8Array) => withoutNulls(type, decoder.decode(bytes)) },
  };
}

/**
 * Returns the text as it is.
 *
 * @throws {Error} in the form of Protobuf's JSON errors, if an optional field is null
 */
function withoutNulls(type: DescMessage, text: string): string {
  const field = text.includes("null") ? findNull(type, parse(text)) : undefined;
  if (field !== undefined) throw new Error(`cannot decode ${field} from JSON${nullProblem}`);
  return text;
}

/** Text that is not JSON is left to Protobuf, which has the error for it. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function findNull(type: DescMessage, json: unknown): DescField | undefined {
  if (typeof json !== "object" || json === null) return undefined;
  const values = json as Record<string, unknown>;
  for (const field of type.fields) {
    for (const name of new Set([field.jsonName, field.name])) {
      const value = values[name];
      if (value === null && isOptionalScalar(field)) return field;
      const nested = field.fieldKind === "message" ? findNull(field.message, value) : undefined;
      if (nested !== undefined) return nested;
    }
  }
  return undefined;
}

function isOptionalScalar({ fieldKind, oneof, presence }: DescField): boolean {
  return (
    (fieldKind === "scalar" || fieldKind === "enum") &&
    oneof === undefined &&
    presence !== FeatureSet_FieldPresence.IMPLICIT
  );
}
