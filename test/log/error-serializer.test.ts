import { expect } from "chai";
import { serializeError } from "../../src/log/error-serializer.ts";
import { SessionError } from "../../src/session/errors.ts";
import { StorageFault } from "../../src/storage/pg/errors.ts";

const SECRET = "canary-secret";

describe("serializeError", () => {
  it("takes type, message, code and stack of an error, and nothing else", () => {
    const error = Object.assign(new TypeError("failed"), {
      code: "57P01",
      client: { secretKey: SECRET },
      parameters: [SECRET],
    });
    const serialized = serializeError(error);
    expect(serialized).to.have.all.keys("type", "message", "code", "stack");
    expect(serialized).to.include({ type: "TypeError", message: "failed", code: "57P01" });
    expect(serialized.stack).to.equal(error.stack);
    expect(JSON.stringify(serialized)).not.to.include(SECRET);
  });

  it("has the reason of a SessionError, and code and constraint of the StorageFault behind it", () => {
    const cause = new StorageFault("23505", "sessions_pkey");
    const serialized = serializeError(new SessionError("STORAGE_UNAVAILABLE", { cause }));
    expect(serialized).to.include({ type: "SessionError", reason: "STORAGE_UNAVAILABLE" });
    expect(serialized.cause).to.include({
      type: "StorageFault",
      code: "23505",
      constraint: "sessions_pkey",
    });
  });

  it("has the errors of an AggregateError and of a SuppressedError", () => {
    const [first, second] = [new Error("first"), new RangeError("second")];
    for (const combined of [
      new AggregateError([first, second]),
      new SuppressedError(first, second),
    ]) {
      const { errors = [] } = serializeError(combined);
      expect(errors.map(({ type, message }) => [type, message])).to.deep.equal([
        ["Error", "first"],
        ["RangeError", "second"],
      ]);
    }
  });

  it("serializes what is thrown and no error, without its content", () => {
    expect(serializeError("text")).to.deep.equal({ type: "string", message: "text" });
    expect(serializeError(undefined)).to.deep.equal({ type: "undefined", message: "undefined" });
    expect(serializeError(null)).to.deep.equal({ type: "null", message: "not an error" });
    expect(serializeError({ secret: SECRET })).to.deep.equal({
      type: "object",
      message: "not an error",
    });
    expect(serializeError(Object.create(null)).type).to.equal("object");
  });

  it("takes no property that is neither text nor number", () => {
    const error = Object.assign(new Error("failed"), { code: { SECRET }, reason: [SECRET] });
    expect(serializeError(error)).to.have.all.keys("type", "message", "stack");
  });

  it("is bounded, however long, wide, deep or circular the error is", () => {
    const long = "x".repeat(1_000_000);
    const circular = Object.assign(new Error(long), { code: long });
    circular.cause = circular;
    const wide = new AggregateError(
      Array.from({ length: 1000 }, () => circular),
      long,
    );
    expect(JSON.stringify(serializeError(wide)).length).to.be.below(150_000);
    expect(JSON.stringify(serializeError(circular)).length).to.be.below(30_000);
  });
});
