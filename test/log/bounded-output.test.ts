import { expect } from "chai";
import { BoundedOutput } from "../../src/log/bounded-output.ts";

const LINE = `${"x".repeat(99)}\n`;
const MAX_BYTES = 1000;

describe("BoundedOutput", () => {
  /** What reached the reader, write by write. */
  let written: string[];
  let finish: ((error?: Error) => void) | undefined;
  let dropped: number[];
  let output: BoundedOutput;

  beforeEach(() => {
    written = [];
    dropped = [];
    finish = undefined;
    output = new BoundedOutput((bytes, done) => {
      expect(finish, "one write at a time").to.equal(undefined);
      finish = (error) => {
        finish = undefined;
        if (error === undefined) written.push(bytes.toString());
        done(error);
      };
    }, MAX_BYTES);
    output.onDropped = (count) => {
      dropped.push(count);
      output.writeLine(`${count} dropped\n`);
    };
  });

  function readAll(): void {
    while (finish !== undefined) finish();
  }

  it("writes lines in order, those that have waited together", () => {
    for (const line of ["1\n", "2\n", "3\n"]) output.writeLine(line);
    readAll();
    expect(written).to.deep.equal(["1\n", "2\n3\n"]);
  });

  it("writes at most 64 KiB at once, but a longer line as a whole", () => {
    const large = new BoundedOutput((bytes, done) => {
      written.push(bytes.toString());
      setImmediate(done);
    }, 1024 * 1024);
    const lines = ["1", "2", "3", "4"].map((digit) => `${digit.repeat(30_000)}\n`);
    for (const line of [...lines, "5".repeat(100_000)]) large.writeLine(line);
    return large.flush(60_000).then(() => {
      expect(written.map(({ length }) => length)).to.deep.equal([30_001, 60_002, 30_001, 100_000]);
    });
  });

  it("drops a line that is too long by itself, and nothing after it", () => {
    output.writeLine("x".repeat(MAX_BYTES + 1));
    output.writeLine("next\n");
    readAll();
    expect(written).to.deep.equal(["next\n", "1 dropped\n"]);
  });

  it("keeps at most its bytes while nobody reads, and reports once what it dropped", () => {
    for (let line = 0; line < 25; line += 1) output.writeLine(LINE);
    expect(dropped).to.deep.equal([]);
    expect(output.dropped, "before it is reported").to.equal(15);
    readAll();
    expect(written.join("")).to.equal(`${LINE.repeat(10)}15 dropped\n`);
    expect(dropped).to.deep.equal([15]);
    expect(output.dropped).to.equal(15);
  });

  it("counts bytes, not characters", () => {
    for (let line = 0; line < 5; line += 1) output.writeLine("ä".repeat(125));
    readAll();
    expect(written.join("")).to.equal(`${"ä".repeat(500)}1 dropped\n`);
  });

  it("once full, takes no line until half of it is free", () => {
    for (let line = 0; line < 11; line += 1) output.writeLine(LINE);
    finish?.();
    output.writeLine("lost\n");
    readAll();
    output.writeLine("kept\n");
    readAll();
    expect(written.join("")).to.equal(`${LINE.repeat(10)}2 dropped\nkept\n`);
  });

  it("counts the lines of a write that fails, and reports them after one that succeeds", () => {
    output.writeLine("1\n");
    output.writeLine("2\n");
    finish?.(new Error("no space left on device"));
    finish?.(new Error("no space left on device"));
    expect(dropped).to.deep.equal([]);
    expect(finish, "it does not try again by itself").to.equal(undefined);
    output.writeLine("3\n");
    readAll();
    expect(written).to.deep.equal(["3\n", "2 dropped\n"]);
  });

  it("flushes: resolves at once when empty, else when the last line is written", async () => {
    await output.flush(60_000);
    output.writeLine("1\n");
    output.writeLine("2\n");
    const flushed = output.flush(60_000);
    setImmediate(readAll);
    await flushed;
    expect(written.join("")).to.equal("1\n2\n");
  });

  it("flushes for a limited time if nobody reads", async () => {
    output.writeLine("1\n");
    await output.flush(1);
    expect(written).to.deep.equal([]);
  });
});
