import { expect } from "chai";
import { BoundedOutput } from "../../src/log/bounded-output.ts";
import { createLog, type LogOptions } from "../../src/log/log.ts";

describe("createLog", () => {
  async function written(options: Partial<LogOptions>): Promise<string> {
    let text = "";
    const output = new BoundedOutput((bytes, done) => {
      text += bytes;
      setImmediate(done);
    }, 100_000);
    const defaults = { level: "info", format: "auto", terminal: false, colors: false } as const;
    const log = await createLog(output, { ...defaults, ...options });
    log.info("serving");
    await output.flush(60_000);
    return text;
  }

  it("writes JSON, and text for people on a terminal or where it is asked for", async () => {
    for (const [options, pretty] of [
      [{}, false],
      [{ terminal: true }, true],
      [{ terminal: true, format: "json" }, false],
      [{ format: "pretty" }, true],
    ] as const) {
      const text = await written(options);
      if (pretty) expect(text).to.match(/^\[[^\]]+\] INFO: serving\n$/);
      else expect(JSON.parse(text)).to.include({ level: 30, msg: "serving" });
    }
  });

  it("reports what its output has dropped", async () => {
    let finish = () => {};
    let text = "";
    const output = new BoundedOutput((bytes, done) => {
      text += bytes;
      finish = done;
    }, 300);
    const options = { level: "warn", format: "json", terminal: false, colors: false } as const;
    const log = await createLog(output, options);
    for (let line = 0; line < 10; line += 1) log.error("x");
    while (!text.includes("dropped")) finish();
    const last = JSON.parse(text.trim().split("\n").at(-1) ?? "");
    expect(last.msg).to.equal("log lines dropped: nobody read them");
    expect(last.dropped).to.be.within(6, 8);
  });
});
