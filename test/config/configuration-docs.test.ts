import { readFileSync } from "node:fs";
import { expect } from "chai";
import { renderConfigurationDocs } from "../../scripts/configuration-docs.ts";
import { parse } from "../../src/config/parsers.ts";
import { describeConfig } from "../../src/config/print-config.ts";
import { settingNames, settingOf } from "../../src/config/settings.ts";

const docs = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8");

/** The cells of the row that begins with this code, without the outer bars. */
function rowOf(code: string): readonly string[] {
  const rows = docs.split("\n").filter((line) => line.startsWith(`| \`${code}\` |`));
  expect(rows, code).to.have.length(1);
  return (rows[0] ?? "").slice(2, -2).split(" | ");
}

function documentedDefault(name: string): string | undefined {
  return /^`([^`]+)`/.exec(rowOf(name)[1] ?? "")?.[1];
}

describe("docs/configuration.md", () => {
  it("is what the table of settings makes of it", () => {
    expect(docs, "run `npm run docs`").to.equal(renderConfigurationDocs());
  });

  it("documents every setting once, with the default that the code has", () => {
    const effective = new Map(describeConfig({}).map(({ name, value }) => [name, value]));
    for (const name of settingNames) {
      if (name === "SESSIOND_DATA_DIR") continue;
      const { parser } = settingOf(name);
      const documented = documentedDefault(name);
      const parsed = documented === undefined ? undefined : parse(parser, documented);
      const shown = parsed?.success ? parser.encode(parsed.data) : "(unset)";
      expect(shown, name).to.equal(effective.get(name));
    }
  });

  it("ASVS 7.1.1: documents the timeouts and why they deviate from NIST SP 800-63B", () => {
    expect(documentedDefault("SESSIOND_IDLE_TIMEOUT")).to.equal("30m");
    expect(documentedDefault("SESSIOND_ABSOLUTE_TIMEOUT")).to.equal("12h");
    expect(rowOf("nist-aal1").slice(1, 3)).to.deep.equal(["`30d`", "`30d`"]);
    expect(rowOf("nist-aal2").slice(1, 3)).to.deep.equal(["`1h`", "`1d`"]);
    expect(rowOf("nist-aal3").slice(1, 3)).to.deep.equal(["`15m`", "`12h`"]);
    expect(docs).to.match(/## Why these figures\n\n.*ASVS.*7\.1\.1/);
  });
});
