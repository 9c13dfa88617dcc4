import { expect } from "chai";
import { type LevelWithSilent, pino } from "pino";
import { createLevelSwitch } from "../../src/log/level-switch.ts";

describe("the switch of the log level", () => {
  function start(level: LevelWithSilent) {
    const lines: Record<string, unknown>[] = [];
    const log = pino({ level }, { write: (line: string) => lines.push(JSON.parse(line)) });
    return { log, lines, switchLevel: createLevelSwitch(log) };
  }

  for (const level of ["info", "warn", "error", "fatal", "silent"] as const) {
    it(`switches from ${level} to debug and back, and says so each time`, () => {
      const { log, lines, switchLevel } = start(level);
      for (const expected of ["debug", level, "debug", level]) {
        switchLevel();
        expect(log.level).to.equal(expected);
        expect(lines.at(-1)).to.include({ logLevel: expected });
      }
      expect(lines).to.have.length(4);
    });
  }

  for (const level of ["debug", "trace"] as const) {
    it(`leaves ${level} as it is, and says so`, () => {
      const { log, lines, switchLevel } = start(level);
      switchLevel();
      expect(log.level).to.equal(level);
      expect(lines).to.have.length(1);
    });
  }
});
