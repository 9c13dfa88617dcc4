import { expect } from "chai";
import { createPrettifier } from "../../src/log/pretty.ts";

describe("the log for people", () => {
  const prettify = createPrettifier({ colors: false });
  const line = (fields: object) => JSON.stringify({ level: 40, time: 0, pid: 1, ...fields });

  it("is one line with time, level, message and the other fields", () => {
    const text = prettify(line({ hostname: "host", msg: "call failed", rpc: "a/B", ms: 1.5 }));
    expect(text).to.match(
      /^\[[\d-]+ [\d:.]+ [+-]\d{4}\] WARN: call failed \{"rpc":"a\/B","ms":1\.5\}\n$/,
    );
  });

  it("is coloured only if asked to", () => {
    const colored = createPrettifier({ colors: true })(line({ msg: "m" }));
    expect(colored).to.include("\x1b[");
    expect(prettify(line({ msg: "m" }))).not.to.include("\x1b");
  });

  it("escapes control characters, which could move the cursor or forge a line", () => {
    const hostile = "a\x1b[2J\x07\x9b31m\x7f\r\n[forged] INFO: all is well\u0000";
    const text = prettify(
      line({ msg: hostile, requestId: hostile, err: { type: "Error", message: hostile } }),
    );
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for
    expect(text).not.to.match(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
    expect(text).not.to.match(/^\[forged\]/m);
    expect(text).to.include("a\\x1b[2J\\x07\\x9b31m\\x7f\\x0d\\x0a[forged]");
  });

  it("shows a stack on lines of its own, which begin with a space", () => {
    const stack = "Error: a\x1b[2J\n[forged] INFO: all is well\n    at somewhere";
    const text = prettify(line({ msg: "m", err: { type: "Error", message: "a", stack } }));
    expect(text).not.to.include("\x1b");
    expect(text).not.to.match(/^\[forged\]/m);
    expect(text).to.match(/^ +at somewhere$/m);
  });
});
