import { readFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { Code } from "@connectrpc/connect";
import { expect } from "chai";
import { ErrorDetailSchema, ErrorReasonSchema } from "../../gen/es/sessiond/v1/error_pb.ts";
import { toConnectError } from "../../src/rpc/errors.ts";
import { type Reason, SessionError } from "../../src/session/errors.ts";
import { sentinelMessages } from "../support/sentinel-messages.ts";

const root = join(import.meta.dirname, "../..");
const source = (path: string) => readFileSync(join(root, path), "utf8");

/** The members of the union, from its source: types leave nothing behind to ask at run time. */
const unionReasons = (() => {
  const table = /const messages = {(.*?)^}/ms.exec(source("src/session/errors.ts"))?.[1] ?? "";
  return [...table.matchAll(/^ {2}([A-Z_]+):/gm)].map(([, name]) => name as Reason);
})();

/** The codes as the documentation of gRPC spells them. */
const codesByName = new Map(
  Object.values(Code)
    .filter((code) => typeof code === "number")
    .map((code) => [Code[code].replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase(), code]),
);

interface Documented {
  readonly code: Code | undefined;
  readonly httpStatus: number;
}

/** What the comments of the enum promise: each ends with a code and an HTTP status. */
const documented = (() => {
  const lines = source("proto/sessiond/v1/error.proto").split("\n");
  const promises = new Map<string, Documented>();
  let comment: string[] = [];
  for (const line of lines.map((text) => text.trim())) {
    const value = /^ERROR_REASON_(\w+) = \d+;$/.exec(line)?.[1];
    if (value !== undefined) {
      const text = comment.join(" ");
      expect(text, "a comment begins with its value's name").to.match(
        new RegExp(`^ERROR_REASON_${value}( is never sent|: )`),
      );
      const [, code = "", httpStatus] = / ([A-Z_]+), (\d{3})\.$/.exec(text) ?? [];
      promises.set(value, { code: codesByName.get(code), httpStatus: Number(httpStatus) });
    }
    comment = line.startsWith("//") ? [...comment, line.slice(2).trim()] : [];
  }
  return promises;
})();

const mapping = { uniform: false };

describe("error reasons", () => {
  it("are the same in the domain, in the proto enum and in its comments", () => {
    const enumReasons = ErrorReasonSchema.values.filter(({ number }) => number !== 0);

    expect(unionReasons).to.have.lengthOf(24);
    expect(enumReasons.map(({ localName }) => localName)).to.deep.equal(unionReasons);
    expect(enumReasons.map(({ name }) => name)).to.deep.equal(
      unionReasons.map((reason) => `ERROR_REASON_${reason}`),
    );
    expect([...documented.keys()]).to.deep.equal(["UNSPECIFIED", ...unionReasons]);
    expect(Object.keys(sentinelMessages)).to.have.members(unionReasons);
  });

  for (const reason of unionReasons) {
    it(`give ${reason} the documented code and HTTP status, and a stable message`, () => {
      const error = toConnectError(new SessionError(reason), mapping);
      const [detail] = error.findDetails(ErrorDetailSchema);

      expect({ code: error.code, httpStatus: detail?.httpStatus }).to.deep.equal(
        documented.get(reason),
      );
      expect(ErrorReasonSchema.value[detail?.reason ?? 0]?.localName).to.equal(reason);
      expect(error.rawMessage).to.equal(sentinelMessages[reason]);
    });
  }

  it("become a new error for each call, with no state in common (Ory's shared errors)", () => {
    const errors = [new SessionError("REVOKED"), new SessionError("REVOKED")];
    const [first, second] = errors.map((error) => toConnectError(error, mapping));

    first?.metadata.set("leaked", "yes");
    expect(second?.metadata.get("leaked")).to.equal(null);
    expect(first?.details).to.not.equal(second?.details);
  });

  it("keep the failure as their cause, which is only logged", () => {
    const cause = new Error('duplicate key value violates "secret_index"');
    const error = new SessionError("STORAGE_UNAVAILABLE", { cause });

    const sent = toConnectError(error, mapping);

    expect(sent.cause).to.equal(error);
    const values = sent.details.map((detail) => "desc" in detail && detail.value);
    expect(values).to.have.lengthOf(3);
    expect(inspect([sent.message, values], { depth: 9 })).to.not.include("secret_index");
  });

  it("include no unknown failure, which becomes INTERNAL without its message and is logged", () => {
    const bug = new TypeError("cannot read properties of row 17");

    const sent = toConnectError(bug, mapping);

    expect(sent.code).to.equal(Code.Internal);
    expect(sent.rawMessage).to.equal("internal error");
    expect(sent.details).to.deep.equal([]);
    expect(sent.cause).to.equal(bug);
  });

  it("are hidden by uniform errors if they are about a session, and only then (D03)", () => {
    const uniform = { uniform: true };
    const about401 = unionReasons.filter(
      (reason) => documented.get(reason)?.httpStatus === 401 && reason !== "CALLER_UNAUTHENTICATED",
    );
    for (const reason of unionReasons) {
      const [detail] = toConnectError(new SessionError(reason), uniform).findDetails(
        ErrorDetailSchema,
      );
      const sent = ErrorReasonSchema.value[detail?.reason ?? 0]?.localName;
      expect(sent).to.equal(about401.includes(reason) ? "INVALID_COOKIE" : reason);
    }
  });
});
