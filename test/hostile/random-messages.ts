import { create, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import fc from "fast-check";

/** Deeper messages are left out. */
const MAX_DEPTH = 4;

/** Texts that mean something to some parser on the way. */
const odd = ["", " ", "\0", "__proto__", "constructor", "../", "' OR ''='", "%00", "\r\n", "null"];

const text = (known: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof(
    fc.constantFrom(...odd, ...known),
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.string({ maxLength: 200 }),
  );

const int64 = fc.oneof(
  fc.constantFrom(0n, -1n, 2n ** 63n - 1n, -(2n ** 63n)),
  fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
);
const int32 = fc.oneof(fc.constantFrom(0, -1, 2 ** 31 - 1, -(2 ** 31)), fc.integer());

function scalar(type: ScalarType, known: readonly string[]): fc.Arbitrary<unknown> {
  switch (type) {
    case ScalarType.STRING:
      return text(known);
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.BYTES:
      return fc.uint8Array();
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return fc.float();
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return int64;
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return fc.bigInt(0n, 2n ** 64n - 1n);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return fc.nat();
    default:
      return int32;
  }
}

function value(field: DescField, known: readonly string[], depth: number): fc.Arbitrary<unknown> {
  switch (field.fieldKind) {
    case "scalar":
      return scalar(field.scalar, known);
    case "enum":
      return int32;
    case "message":
      return randomMessage(field.message, known, depth + 1);
    case "list":
      return fc.array(
        field.listKind === "scalar" ? scalar(field.scalar, known) : fc.constant(undefined),
        { maxLength: 6 },
      );
    default:
      return fc.array(fc.tuple(text(known), text(known)), { maxLength: 6 });
  }
}

function set(message: ReflectMessage, field: DescField, content: unknown): void {
  if (field.fieldKind === "list") {
    const list = message.get(field);
    for (const item of content as unknown[]) if (item !== undefined) list.add(item as string);
  } else if (field.fieldKind === "map") {
    const map = message.get(field);
    for (const [key, item] of content as [string, string][]) map.set(key, item);
  } else {
    message.set(field, content as string);
  }
}

/**
 * Random messages of a type, as its descriptor describes it. Any field may be missing, a later member
 * of a oneof replaces an earlier one, and some texts are those of `known`.
 */
export function randomMessage(
  type: DescMessage,
  known: readonly string[],
  depth = 0,
): fc.Arbitrary<ReflectMessage> {
  const fields = depth >= MAX_DEPTH ? [] : type.fields;
  const contents = fields.map((field) => fc.option(value(field, known, depth), { freq: 3 }));
  return fc.tuple(...contents).map((all) => {
    const message = reflect(type, create(type), false);
    for (const [index, content] of all.entries()) {
      const field = fields[index];
      if (field !== undefined && content !== null) set(message, field, content);
    }
    return message;
  });
}

/** A change of bytes: none, some bytes replaced, inserted or removed, or the end cut off. */
export const mutation: fc.Arbitrary<(bytes: Uint8Array) => Uint8Array> = fc
  .tuple(
    fc.constantFrom("none", "none", "replace", "insert", "remove", "cut"),
    fc.nat(),
    fc.uint8Array({ minLength: 1, maxLength: 8 }),
  )
  .map(([kind, position, content]) => (bytes: Uint8Array) => {
    if (kind === "none") return bytes;
    const at = position % (bytes.length + 1);
    const head = bytes.subarray(0, at);
    const skipped = kind === "insert" ? 0 : content.length;
    const tail = kind === "cut" ? new Uint8Array() : bytes.subarray(at + skipped);
    const middle = kind === "replace" || kind === "insert" ? content : new Uint8Array();
    return Buffer.concat([head, middle, tail]);
  });

/** Visible ASCII, which headers may have. */
const headerText = fc
  .string({ maxLength: 100 })
  .map((content) => content.replace(/[^ -~]/g, "").trim());

/** Odd values of the headers that mean something to a server. */
export const oddHeaders: fc.Arbitrary<Record<string, string>> = fc.record(
  {
    "grpc-timeout": fc.oneof(
      fc
        .tuple(fc.nat(), fc.constantFrom("H", "M", "S", "m", "u", "n"))
        .map(([n, unit]) => `${n}${unit}`),
      headerText,
    ),
    "grpc-encoding": fc.oneof(fc.constantFrom("gzip", "br", "identity", "deflate"), headerText),
    "grpc-accept-encoding": headerText,
    "x-request-id": headerText,
    "user-agent": headerText,
    authorization: headerText,
    cookie: headerText,
    "x-forwarded-for": headerText,
    "tracestate-bin": headerText,
  },
  { requiredKeys: [] },
);
