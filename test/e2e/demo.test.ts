import { readdir } from "node:fs/promises";
import { expect } from "chai";
import { useSessiond } from "../support/sessiond-process.ts";

describe("the demo", () => {
  const sessiond = useSessiond();

  it("runs every step, shows no credential, and leaves nothing behind", async () => {
    const directory = await sessiond.directory();

    const { code, stdout, stderr } = await sessiond.run({
      script: "scripts/demo.ts",
      env: { TMPDIR: directory },
    });

    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
    for (const part of [
      /pre-login session protects it/,
      /ses-[0-9a-f]{44} replaces ses-[0-9a-f]{44}/,
      /Set-Cookie: __Host-session=.*; HttpOnly/,
      /it is alice, with \d+ seconds left/,
      /denied with CSRF_MISSING/,
      /denied with CSRF_MISMATCH/,
      /\(this device\)/,
      /sk-[0-9a-f]{32} replaces sk-[0-9a-f]{32}/,
      /1 session ended/,
      /denied with REVOKED/,
      /denied with EXPIRED_ABSOLUTE/,
      /the audit log has \d+ events/,
      /nothing is left behind/,
    ]) {
      expect(stdout).to.match(part);
    }
    // Neither a signature nor a CSRF token: both are 43 characters of base64url.
    expect(stdout).not.to.match(/[=.][\w-]{43}\b/);
    expect(await readdir(directory)).to.deep.equal([]);
  });
});
