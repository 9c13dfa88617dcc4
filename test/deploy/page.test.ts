import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { stepsIn } from "../../scripts/client-pages/page.ts";
import { ROOT } from "./support.ts";

const page = readFileSync(join(ROOT, "docs", "deploy.md"), "utf8");

/** What a reader runs, whether `npm run deploy-check` can or not. */
const commands = [...page.matchAll(/^```(?:sh|bash)[^\n]*\n([\s\S]*?)^```$/gm)]
  .map(([, text = ""]) => text)
  .join("\n");

// `npm run deploy-check` carries out the steps themselves.
describe("the page on deployment", () => {
  it("has steps that can be carried out, which end in a check (N05)", () => {
    const scripts = stepsIn(page).flatMap((step) => (step.kind === "shell" ? [step.script] : []));
    expect(scripts.length).to.be.above(8);
    for (const check of ["sessiond doctor", "sh check-calls", "helm lint", "systemd-analyze"]) {
      expect(scripts.some((script) => script.includes(check))).to.equal(true, check);
    }
  });

  it("names files of the checkout that are there (N05)", () => {
    const named = [...commands.matchAll(/\$SESSIOND"?\/(deploy[\w./-]*)/g)].map(([, path]) => path);
    expect(named.length).to.be.above(5);
    for (const path of named) expect(existsSync(join(ROOT, path ?? "")), path).to.equal(true);
  });

  it("has a section for each way to deploy, which ends in doctor and a Validate (N05)", () => {
    const sections = page.split(/^## /m).slice(1);
    const titles = ["npm", "systemd", "Docker", "Docker Compose", "Kubernetes with Helm"];
    for (const title of titles) {
      const section = sections.find((text) => text.startsWith(`${title}\n`));
      expect(section, title).to.match(/doctor|helm -n sessiond test/);
      expect(section, title).to.include("sh check-calls ");
    }
  });

  it("tells of all that deploy has (N05)", () => {
    for (const directory of globSync("deploy/{helm,kubernetes,compose,systemd}", { cwd: ROOT })) {
      expect(page).to.include(directory);
    }
  });
});
