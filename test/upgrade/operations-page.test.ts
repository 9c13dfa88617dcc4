import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { parse as parseYaml } from "yaml";
import { settingNames, settingOf } from "../../src/config/settings.ts";
import { commandOptions, documentedCommands, mistakeIn } from "./documented-commands.ts";

const root = join(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/operations.md"), "utf8");

interface Rule {
  readonly alert?: string;
  readonly annotations?: { readonly runbook_url?: string };
}

const { groups } = parseYaml(readFileSync(join(root, "deploy/prometheus/alerts.yaml"), "utf8")) as {
  readonly groups: readonly { readonly rules: readonly Rule[] }[];
};
const alerts = groups.flatMap(({ rules }) => rules).filter(({ alert }) => alert !== undefined);

/** As GitHub makes them of headings. */
const anchors = [...page.matchAll(/^## (.*)$/gm)].map(([, heading = ""]) =>
  heading.toLowerCase().replaceAll(" ", "-"),
);

function named(pattern: RegExp): readonly string[] {
  return [...new Set([...page.matchAll(pattern)].map(([name]) => name))];
}

/** The sections, by their anchors. */
const sections = new Map(
  page
    .split(/^## /m)
    .slice(1)
    .map((text, index) => [anchors[index] as string, text]),
);

describe("the runbooks of docs/operations.md", () => {
  it("are there for every alert, and the alert leads to its own (P01)", () => {
    for (const { alert, annotations } of alerts) {
      const [, anchor = ""] = annotations?.runbook_url?.split("#") ?? [];
      expect(anchors, `${alert}: ${annotations?.runbook_url}`).to.include(anchor);
      expect(page, `the row of ${alert}`).to.match(
        new RegExp(`^\\|.*\`${alert}\`.*\\(#${anchor}\\) \\|$`, "m"),
      );
    }
  });

  it("name alerts that exist (P01)", () => {
    const names = alerts.map(({ alert }) => alert);
    const found = named(/\bSessiond[A-Z]\w+/g);
    expect(found).to.have.length.above(10);
    for (const name of found) expect(names).to.include(name);
  });

  it("name settings that exist (P01)", () => {
    const known = settingNames.flatMap((name) =>
      settingOf(name).file === true ? [name, `${name}_FILE`] : [name],
    );
    const found = named(/\bSESSIOND_[A-Z0-9_]+/g);
    expect(found).to.have.length.above(10);
    for (const name of found) expect(known).to.include(name);
  });

  it("name metrics that exist (P01)", () => {
    const files = globSync("src/metrics/**/*.ts", { cwd: root });
    const sources = files.map((file) => readFileSync(join(root, file), "utf8")).join("");
    const found = named(/\bsessiond_[a-z0-9_]+/g);
    expect(found).to.have.length.above(5);
    for (const name of found) expect(sources, name).to.include(name);
  });

  it("say the signs and what to do, and how to see that it has helped (P01)", () => {
    for (const [anchor, text] of sections) {
      const parts = ["**Signs", "**Do", ...(anchor === "sizing" ? [] : ["**Check afterwards.**"])];
      // Who logs everyone out has decided to do so.
      const expected = anchor === "log-everyone-out" ? ["**Check afterwards.**"] : parts;
      for (const part of expected) expect(text, `${anchor}: ${part}`).to.include(part);
    }
  });

  it("link to sections of this page that exist (P01)", () => {
    for (const [, anchor = ""] of page.matchAll(/\]\(#([\w-]+)\)/g)) {
      expect(anchors).to.include(anchor);
    }
  });

  it("name options of commands that exist (P01)", () => {
    const known = commandOptions();
    const found = named(/(?<=`)--[a-z-]+/g);
    expect(found).to.have.length.above(5);
    for (const name of found) expect(known).to.include(name);
  });
});

describe("the commands on pages (P01)", () => {
  for (const [name, least] of [
    ["operations", 20],
    ["deploy", 10],
    ["metrics", 0],
    ["cli", 10],
  ] as const) {
    it(`exist as docs/${name}.md has them`, async () => {
      const text = readFileSync(join(root, "docs", `${name}.md`), "utf8");
      const commands = documentedCommands(text);
      expect(commands.length).to.be.at.least(least);
      for (const command of commands) {
        expect(await mistakeIn(command), `sessiond ${command.args.join(" ")}`).to.equal(undefined);
      }
    });
  }

  it("would be found if they did not exist, or were used wrongly", async () => {
    const of = async (page: string) => Promise.all(documentedCommands(page).map(mistakeIn));
    const block = (line: string) => `text\n\n\`\`\`sh\n${line}\n\`\`\`\n`;
    for (const [page, mistake] of [
      ["`sessiond doktor`", /unknown command 'doktor'/],
      ["`sessiond keys\nlists`", /unknown command 'lists'/],
      ["`sessiond doctor --of-line`", /unknown option '--of-line'/],
      ["`sessiond sessions revoke-all --ip-adress 203.0.113.0/24`", /unknown option/],
      ["`sessiond audit export --since yesterday`", /yesterday/],
      [block("opt/bin/sessiond audit export > file"), /required option '--since/],
      [block("SESSIOND_CLI_TOKEN_FILE=file sessiond sweep \\\n  --for-ever"), /unknown option/],
      [block("docker exec sessiond node dist/main.js sweeep"), /unknown command/],
      [block("docker run --rm sessiond:0.1.0 doctor now | cat"), /too many arguments/],
      [block("docker compose run --rm sessiond token make"), /unknown command/],
    ] as const) {
      const [found, ...others] = await of(page);
      expect(found, page).to.match(mistake);
      expect(others).to.deep.equal([]);
    }
    expect(await of(block("kubectl -n sessiond create secret"))).to.deep.equal([]);
    expect(await of("`sessiond audit export` writes")).to.deep.equal([undefined]);
  });
});
