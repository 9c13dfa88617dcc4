import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { encodeFrame, readFrame } from "../conformance/framing.ts";

const root = join(import.meta.dirname, "..", "..");

async function* chunks(...parts: Uint8Array[]) {
  yield* parts;
}

async function failureOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "no failure",
    (error: unknown) => String(error),
  );
}

describe("frames of the conformance suite", () => {
  const message = Buffer.from("a message");

  it("lead a message by its length in four bytes, the highest first", () => {
    expect([...encodeFrame(Buffer.from([7, 8, 9]))]).to.deep.equal([0, 0, 0, 3, 7, 8, 9]);
  });

  it("are read whole, byte by byte, and without what follows", async () => {
    const frame = encodeFrame(message);
    const single = [...frame].map((byte) => Buffer.from([byte]));
    expect(await readFrame(chunks(frame))).to.deep.equal(message);
    expect(await readFrame(chunks(...single))).to.deep.equal(message);
    expect(await readFrame(chunks(frame, Buffer.from("more")))).to.deep.equal(message);
  });

  it("may be empty", async () => {
    expect(await readFrame(chunks(encodeFrame(new Uint8Array())))).to.have.length(0);
  });

  it("that end too early are an error", async () => {
    const cut = encodeFrame(message).subarray(0, 6);
    expect(await failureOf(readFrame(chunks(cut)))).to.contain("ended after 6 bytes");
    expect(await failureOf(readFrame(chunks()))).to.contain("ended after 0 bytes");
  });
});

describe("the lists of conformance cases", () => {
  for (const name of ["known-failing.txt", "stock-skipped.txt"]) {
    it(`${name} gives a reason above every entry`, () => {
      const lines = readFileSync(join(root, "test", "conformance", name), "utf8").split("\n");
      const bare = lines.filter(
        (line, index) => /^[^#\s]/.test(line) && !lines[index - 1]?.startsWith("# "),
      );
      expect(bare).to.deep.equal([]);
    });
  }
});

describe("the conformance run", () => {
  it("says what it needs where there is no Go", () => {
    const empty = mkdtempSync(join(tmpdir(), "sessiond-no-go-"));
    try {
      const { status, stderr } = spawnSync(process.execPath, ["scripts/conformance.ts"], {
        cwd: root,
        env: { PATH: empty, XDG_CACHE_HOME: empty },
        encoding: "utf8",
      });
      expect(stderr).to.equal(
        "conformance: go is not on PATH; the conformance suite is built with Go 1.26\n",
      );
      expect(status).to.equal(1);
    } finally {
      rmSync(empty, { recursive: true, force: true });
    }
  });
});
