import { expect } from "chai";
import {
  DataDirectoryInUseError,
  EmbeddedPostgresError,
} from "../../packages/embedded-postgres/index.ts";
import { withAdvice } from "../../src/embedded-database.ts";

describe("errors of the embedded database", () => {
  for (const [kind, variable] of [
    ["platform", "SESSIOND_DATABASE_URL"],
    ["directory", "SESSIOND_DATA_DIR"],
    ["version", "SESSIOND_DATA_DIR"],
  ] as const) {
    it(`name ${variable} if the trouble is with the ${kind}`, () => {
      const cause = new EmbeddedPostgresError(kind, "what is wrong");
      const error = withAdvice(cause) as Error;
      expect(error.message)
        .to.match(/^what is wrong: /)
        .and.include(variable);
      expect(error.cause).to.equal(cause);
    });
  }

  it("name the other process and both settings if the directory is in use", () => {
    const { message } = withAdvice(new DataDirectoryInUseError("/data", 42)) as Error;
    expect(message).to.include("/data").and.include("process 42");
    expect(message).to.include("SESSIOND_DATA_DIR").and.include("SESSIOND_DATABASE_URL");
  });

  it("stay as they are where the message says what helps, and if they are others'", () => {
    for (const error of [new EmbeddedPostgresError("password", "restore it"), new Error("other")]) {
      expect(withAdvice(error)).to.equal(error);
    }
  });
});
