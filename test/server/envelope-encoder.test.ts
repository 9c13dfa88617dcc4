import {
  create,
  type DescField,
  type DescMessage,
  type Message,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { createMethodSerializationLookup } from "@connectrpc/connect/protocol";
import { expect } from "chai";
import fc from "fast-check";
import { Health } from "../../gen/es/health/v1/health_pb.ts";
import { SessionSchema } from "../../gen/es/sessiond/v1/session_pb.ts";
import {
  SessionService,
  ValidateResponseSchema,
} from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { envelopeEncoder, prefixBytes } from "../../src/server/envelope-encoder.ts";

const text = fc.oneof(fc.string({ unit: "binary" }), fc.string({ minLength: 40, maxLength: 700 }));

const scalars: Partial<Record<ScalarType, fc.Arbitrary<unknown>>> = {
  [ScalarType.STRING]: text,
  [ScalarType.BOOL]: fc.boolean(),
  [ScalarType.INT32]: fc.integer(),
  [ScalarType.UINT32]: fc.nat({ max: 0xffff_ffff }),
  [ScalarType.INT64]: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
};

function fieldOf(field: DescField): fc.Arbitrary<unknown> {
  switch (field.fieldKind) {
    case "scalar":
      return scalars[field.scalar] ?? fc.constant(undefined);
    case "enum":
      return fc.constantFrom(...field.enum.values.map((value) => value.number));
    case "message":
      return fc.option(messageOf(field.message), { nil: undefined });
    case "list":
      return field.listKind === "message"
        ? fc.array(messageOf(field.message), { maxLength: 3 })
        : fc.array(text, { maxLength: 3 });
    case "map":
      return field.mapKind === "scalar" && field.scalar === ScalarType.STRING
        ? fc.dictionary(text, text)
        : fc.constant({});
  }
}

function messageOf(desc: DescMessage): fc.Arbitrary<Message> {
  const fields = desc.fields.filter(({ oneof }) => oneof === undefined);
  return fc
    .record(Object.fromEntries(fields.map((field) => [field.localName, fieldOf(field)])))
    .map((init) => create(desc, init as never));
}

/** `seen` counts the messages that are passed to protobuf-es. */
function encoderOf(desc: DescMessage) {
  const seen = { passedOn: 0 };
  const encode = envelopeEncoder(desc, {
    parse: () => expect.fail("it only encodes"),
    serialize: (message) => {
      seen.passedOn += 1;
      return toBinary(desc, message);
    },
  });
  return { seen, encode };
}

function expectSame(desc: DescMessage, encoded: Buffer, message: Message): void {
  const expected = Buffer.from(toBinary(desc, message));
  expect(encoded[0]).to.equal(0);
  expect(encoded.readUInt32BE(1)).to.equal(expected.length);
  expect(encoded.subarray(prefixBytes).equals(expected)).to.equal(true);
}

describe("envelope encoder", () => {
  for (const method of [...SessionService.methods, Health.method.check, Health.method.list]) {
    it(`encodes any ${method.output.name} of ${method.parent.name} as protobuf-es does`, () => {
      const { encode } = encoderOf(method.output);
      fc.assert(
        fc.property(messageOf(method.output), (message) =>
          expectSame(method.output, encode(message), message),
        ),
      );
    });
  }

  it("encodes a usual session, of any age, without protobuf-es", () => {
    const { encode, seen } = encoderOf(ValidateResponseSchema);
    const instant = fc.record({
      seconds: fc.bigInt({ min: 0n, max: 253_402_300_799n }),
      nanos: fc.integer({ min: 0, max: 999_999_999 }),
    });
    const session = fc.record({
      id: text,
      actorId: text,
      preLogin: fc.boolean(),
      createdAt: instant,
      metadata: fc.dictionary(text, text),
      authLevel: fc.nat(),
      authMethods: fc.array(text, { maxLength: 10 }),
      authenticatedAt: instant,
    });
    fc.assert(
      fc.property(session, fc.nat(), (init, secondsLeft) => {
        const message = create(ValidateResponseSchema, { session: init, secondsLeft });
        expectSame(ValidateResponseSchema, encode(message), message);
      }),
    );
    expect(seen.passedOn).to.equal(0);
  });

  it("encodes lengths just below and above those that take one more byte", () => {
    const { encode, seen } = encoderOf(SessionSchema);
    for (const length of [0, 1, 42, 43, 126, 127, 128, 129, 16_382, 16_383, 16_384, 21_000]) {
      for (const character of ["a", "é", "€", "\ud800"]) {
        const value = character.repeat(Math.min(length, 21_000));
        const message = create(SessionSchema, { id: value, metadata: { [value]: "" } });
        expectSame(SessionSchema, encode(message), message);
      }
    }
    expect(seen.passedOn).to.be.greaterThan(0);
  });

  it("passes on what does not fit its buffer, at every length around that", () => {
    const { encode, seen } = encoderOf(SessionSchema);
    for (let length = 21_780; length < 21_860; length += 1) {
      for (const rest of [0, 40_000, 43_700]) {
        const message = create(SessionSchema, {
          metadata: { k: "m".repeat(length) },
          userAgent: "u".repeat(rest),
        });
        expectSame(SessionSchema, encode(message), message);
      }
    }
    expect(seen.passedOn).to.be.greaterThan(0);
  });

  it("passes on unknown fields, and messages of another type, which are refused", () => {
    const { encode, seen } = encoderOf(SessionSchema);
    const data = new Uint8Array([1, 65]);
    const unknown = create(SessionSchema, { id: "a" });
    unknown.$unknown = [{ no: 1000, wireType: 2, data }];
    expectSame(SessionSchema, encode(unknown), unknown);
    expect(seen.passedOn).to.equal(1);
    expect(() => encode(create(TimestampSchema, { nanos: 1 }) as never)).to.throw("cannot use");
  });

  it("passes on invalid values, for protobuf-es to throw its error", () => {
    const method = SessionService.method.validate;
    const limits = { readMaxBytes: 1e6, writeMaxBytes: 1e6 };
    const lookup = createMethodSerializationLookup(method, undefined, undefined, limits);
    const encode = envelopeEncoder(method.output, lookup.getO(true));
    for (const secondsLeft of [2 ** 40, 1.5, Number.NaN, {}]) {
      const message = create(method.output);
      message.secondsLeft = secondsLeft as never;
      expect(() => encode(message), String(secondsLeft)).to.throw("serialize binary: ");
    }
  });
});
