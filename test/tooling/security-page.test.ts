import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { parse } from "../../src/config/parsers.ts";
import { describeConfig } from "../../src/config/print-config.ts";
import { type SettingName, settingNames, settingOf } from "../../src/config/settings.ts";
import { timeoutProfiles } from "../../src/session/profiles.ts";

const docs = join(import.meta.dirname, "../../docs");
const page = readFileSync(join(docs, "security.md"), "utf8");

/** The requirements of chapter 7 of OWASP ASVS 5.0.0. */
const asvsChapter7 = [
  ...["7.1.1", "7.1.2", "7.1.3"],
  ...["7.2.1", "7.2.2", "7.2.3", "7.2.4"],
  ...["7.3.1", "7.3.2"],
  ...["7.4.1", "7.4.2", "7.4.3", "7.4.4", "7.4.5"],
  ...["7.5.1", "7.5.2", "7.5.3"],
  ...["7.6.1", "7.6.2"],
];

/** The sections of NIST SP 800-63B-4 on session management, and those on reauthentication. */
const nistSections = ["2.1.3", "2.2.3", "2.3.3", "5.1", "5.1.1", "5.1.2", "5.2", "5.3"];

const incidents = [
  ...["CVE-2025-12390", "CVE-2022-25896", "CVE-2023-29019", "express-session #632"],
  ...["connect-redis #328", "connect-typeorm #25", "Keycloak #31296", "Oathkeeper #1082"],
  ...["GHSA-xg6x-h9c9-2m83", "Kratos #2921", "better-auth multi-session", "CVE-2025-61928"],
  ...["CVE-2024-35220", "CVE-2024-31999", "CVE-2023-22492", "CVE-2026-32131", "CVE-2025-24358"],
  ...["GHSA-92vm-wfm5-mxvv", "Hanko #2877", "Okta 2023", "open-mercato #2668", "GitHub 2021"],
  ...["Ory's shared error globals", "CVE-2023-44487", "CVE-2026-21714"],
];

/** The cells of each row of the tables in a section, without the heads. */
function rowsOf(section: string, text = page): string[][] {
  const [, body = ""] = text.split(`\n## ${section}\n`);
  const [own = ""] = body.split(/\n## /);
  return own
    .split("\n")
    .filter((line, index, lines) => line.startsWith("| ") && !lines[index + 1]?.startsWith("|---"))
    .map((line) => line.slice(2, -1).split(" | "))
    .map((cells) => cells.map((cell) => cell.trim()));
}

interface Evidence {
  readonly path: string;
  readonly titles: readonly string[];
}

/** The links to test files in a text, each with the titles that follow it. */
function evidenceIn(text: string): Evidence[] {
  const links = text.matchAll(/\]\(\.\.\/(test\/[^)]*)\)((?:(?!\]\(|\n).)*)/g);
  return [...links].map(([, path = "", after = ""]) => ({
    path,
    titles: [...after.matchAll(/“([^”]*)”/g)].map(([, title = ""]) => title),
  }));
}

/** Whether a title, or the beginning or end of one, is in a test. … is what a placeholder fills in. */
function hasTitle(source: string, title: string): boolean {
  const pattern = title
    .split("…")
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join("\\$\\{[^`]*?\\}");
  const code = source.replace(/\/\*\*[\s\S]*?\*\/|(?:^|\s)\/\/ .*$/gm, "");
  return new RegExp(`["'\`}](?:[^"'\`\\n]|\\\\.)*?${pattern}`).test(code);
}

const units = { "": 1, bytes: 1, KiB: 2 ** 10, MiB: 2 ** 20, ms: 1, s: 1000 } as const;

/** The numbers in a text that follow a name in code, in bytes or milliseconds if they have a unit. */
function namedNumbersIn(text: string): Map<string, number> {
  const named = text.matchAll(/`(\w+)` (\d+)(?: (bytes|KiB|MiB|ms|s)\b)?/g);
  return new Map(
    [...named].map(([, name = "", value, unit = ""]) => [
      name,
      Number(value) * units[unit as keyof typeof units],
    ]),
  );
}

/** The constants of src/server that are numbers, or products of them. */
function serverConstants(): Map<string, number> {
  const files = globSync("../src/server/**/*.ts", { cwd: docs });
  const source = files.map((file) => readFileSync(join(docs, file), "utf8")).join("\n");
  const constants = source.matchAll(/^(?:export )?const (\w+) = ((?:[\w*]| (?=[\d*]))+);/gm);
  return new Map(
    [...constants].map(([, name = "", value = ""]) => [
      name,
      value.split("*").reduce((product, factor) => product * Number(factor.replaceAll("_", "")), 1),
    ]),
  );
}

describe("docs/security.md", () => {
  const evidence = evidenceIn(page);

  it("names test files and titles that exist", () => {
    expect(evidence.length).to.be.greaterThan(100);
    const missing = evidence.flatMap(({ path, titles }) => {
      const file = join(docs, "..", path);
      if (!existsSync(file)) return [path];
      const source = readFileSync(file, "utf8");
      return titles.filter((title) => !hasTitle(source, title)).map((title) => `${path}: ${title}`);
    });
    expect(missing).to.deep.equal([]);
  });

  it("names at least one title of each test file", () => {
    expect(evidence.filter(({ titles }) => titles.length === 0)).to.deep.equal([]);
  });

  it("would notice a missing title: the control", () => {
    const source = "it(`ends " + "${" + 'name} at once (A01)`, f); // "in a comment"\nit("b", f)';
    expect(hasTitle(source, "ends … at once")).to.equal(true);
    expect(hasTitle(source, "b")).to.equal(true);
    for (const title of ["ends it at once", "ends … later", "in a comment"]) {
      expect(hasTitle(source, title), title).to.equal(false);
    }
  });

  it("names scenarios of the fault suite that exist, and all of them but its controls", () => {
    const links = page.matchAll(/\[`([^`]+)`\]\(faults\.md#scenarios\)/g);
    const named = new Set([...links].map(([, name]) => name));
    const rows = rowsOf("Scenarios", readFileSync(join(docs, "faults.md"), "utf8"));
    const scenarios = rows.map(([name = ""]) => name.replaceAll("`", ""));
    const controls = ["lying-clients", "removed-guards"];
    expect([...named].sort()).to.deep.equal(
      scenarios.filter((name) => !controls.includes(name)).sort(),
    );
  });

  it("names attacks of the hostile suite that exist", () => {
    const attacks = globSync("../test/hostile/attacks/*.ts", { cwd: docs });
    const source = attacks.map((file) => readFileSync(join(docs, file), "utf8")).join("\n");
    const links = [...page.matchAll(/\[`([^`]+)`\]\(hostile\.md\)/g)];
    expect(links).not.to.be.empty;
    for (const [, name] of links) expect(source).to.match(new RegExp(`["'\`]${name}["'\`,]`));
  });

  it("has a row for each requirement of ASVS 5.0, chapter 7", () => {
    const rows = rowsOf("ASVS 5.0, chapter 7");
    expect(rows.map(([number]) => number)).to.deep.equal(asvsChapter7);
  });

  it("has rows for all sections on sessions of NIST SP 800-63B-4", () => {
    const rows = rowsOf("NIST SP 800-63B-4");
    expect([...new Set(rows.map(([number]) => number))]).to.deep.equal(nistSections);
  });

  it("has a row for each incident", () => {
    const text = rowsOf("Incidents of other services").map(([incident]) => incident);
    for (const incident of incidents) expect(text.join("\n")).to.include(incident);
  });

  const columns = {
    "ASVS 5.0, chapter 7": 2,
    "NIST SP 800-63B-4": 2,
    Requirements: 2,
    "Bad input": 1,
    "Limits of HTTP/2": 3,
    Faults: 2,
    "Incidents of other services": 1,
  };
  for (const [section, column] of Object.entries(columns)) {
    it(`says in each row of "${section}" what shows it, or that nothing does`, () => {
      const rows = rowsOf(section);
      expect(rows).not.to.be.empty;
      for (const cells of rows) {
        expect(cells[column], cells[0]).to.match(
          /\]\(\.\.\/test\/|\]\((faults|hostile)\.md|Not shown|the same/,
        );
      }
    });
  }

  it("has the default timeouts that the code has (ASVS 7.1.1)", () => {
    const effective = new Map(describeConfig({}).map(({ name, value }) => [name, value]));
    const rows = rowsOf("Timeouts").filter(([name]) => name?.startsWith("`SESSIOND"));
    expect(rows).to.have.length.greaterThan(3);
    for (const [cell = "", value = ""] of rows) {
      const name = cell.replaceAll("`", "") as SettingName;
      expect(settingNames).to.include(name);
      const { parser } = settingOf(name);
      const parsed = parse(parser, value.replaceAll("`", ""));
      expect(parsed.success && parser.encode(parsed.data), name).to.equal(effective.get(name));
    }
  });

  it("has the figures of the NIST profiles that the code has (ASVS 7.1.1)", () => {
    const rows = rowsOf("Timeouts").filter(([name]) => name?.startsWith("`nist"));
    const { parser } = settingOf("SESSIOND_IDLE_TIMEOUT");
    const shown = rows.map((cells) => {
      const [name = "", ...figures] = cells.map((cell) => cell.replaceAll("`", ""));
      const [idleMs, absoluteMs] = figures.map((figure) => {
        const parsed = parse(parser, figure);
        return parsed.success ? parsed.data : undefined;
      });
      return [name, { idleMs, absoluteMs }];
    });
    const profiles = Object.entries(timeoutProfiles)
      .filter(([name]) => name.startsWith("nist"))
      .map(([name, { idleMs, absoluteMs }]) => [name, { idleMs, absoluteMs }]);
    expect(shown).to.deep.equal(profiles);
  });

  it("has the limits of HTTP/2 that the code has", () => {
    const defaults = new Map(describeConfig({}).map(({ name, value }) => [name as string, value]));
    const constants = serverConstants();
    const named = namedNumbersIn(rowsOf("Limits of HTTP/2").join("\n"));
    expect(named.size).to.be.greaterThan(20);
    for (const [name, value] of named) {
      const [, number, unit = ""] = /^(\d+)(\D*)$/.exec(defaults.get(name) ?? "") ?? [];
      const ofSetting = Number(number) * units[unit as keyof typeof units];
      expect(defaults.has(name) ? ofSetting : constants.get(name), name).to.equal(value);
    }
    const floods = readFileSync(join(docs, "../test/server/http2/floods.test.ts"), "utf8");
    const [imports = ""] = floods.split("\nconst ");
    const tested = imports.match(/\b[A-Z]+(?:_[A-Z]+)+\b/g) ?? [];
    expect(tested).to.include("MAX_UNSENT_BYTES");
    expect([...named.keys()]).to.include.members(tested);
  });

  it("links only pages and sections that exist", () => {
    const links = [...page.matchAll(/\]\((?!https?:)([^)#]*)(#[^)]*)?\)/g)];
    for (const [, path = "", anchor] of links) {
      const file = path === "" ? join(docs, "security.md") : join(docs, path);
      expect(existsSync(file), path).to.equal(true);
      if (anchor === undefined) continue;
      const headings = readFileSync(file, "utf8").match(/^#+ .*$/gm) ?? [];
      const anchors = headings.map((heading) =>
        heading
          .replace(/^#+ /, "#")
          .toLowerCase()
          .replace(/[^#a-z0-9 _-]/g, "")
          .replaceAll(" ", "-"),
      );
      expect(anchors, path).to.include(anchor);
    }
  });
});
