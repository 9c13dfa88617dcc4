import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { Command } from "commander";
import { runCommand } from "../support/command-line.ts";
import { findProgram } from "../support/programs.ts";
import { HELP_DIRECTORY, helpPages, programForHelp } from "./help-pages.ts";

/** The words of each command. */
function pathsOf(command: Command, path: readonly string[] = []): (readonly string[])[] {
  return [path, ...command.commands.flatMap((child) => pathsOf(child, [...path, child.name()]))];
}

describe("help and completion of commands (L02)", () => {
  it("is what test/cli/help has: node scripts/cli-help.ts writes it", () => {
    const pages = helpPages();
    expect([...pages.keys()]).to.have.members(readdirSync(HELP_DIRECTORY));
    for (const [name, text] of pages) {
      expect(text, name).to.equal(readFileSync(join(HELP_DIRECTORY, name), "utf8"));
    }
  });

  it("fits into 80 columns", () => {
    for (const [name, text] of helpPages()) {
      for (const line of text.split("\n"))
        expect(line.length, `${name}: ${line}`).to.be.at.most(80);
    }
  });

  it("is printed by --help of each command, on standard output, with 0", async () => {
    for (const path of pathsOf(programForHelp())) {
      const { code, stdout, stderr } = await runCommand([...path, "--help"]);
      expect({ code, stderr }, path.join(" ")).to.deep.equal({ code: 0, stderr: "" });
      expect(stdout).to.match(new RegExp(`^Usage: ${["sessiond", ...path].join(" ")}\\b`));
      expect(await runCommand([...path, "-h"])).to.deep.equal({ code, stdout, stderr });
      expect(await runCommand(["help", ...path])).to.deep.equal({ code, stdout, stderr });
    }
  });

  it("says which of the words after help is no command", async () => {
    expect(await runCommand(["help", "sessions", "lst"])).to.deep.equal({
      code: 2,
      stdout: "",
      stderr: "sessiond: sessiond sessions has no command 'lst' (see sessiond sessions --help)\n",
    });
  });

  it("describes every command and option", () => {
    const visit = (command: Command): void => {
      expect(command.description(), command.name()).to.match(/^[A-Z].*\.$/s);
      for (const { flags, description } of command.options)
        expect(description, flags).not.to.equal("");
      command.commands.forEach(visit);
    };
    visit(programForHelp());
  });

  describe("of shells", () => {
    let directory: string;
    before(async () => {
      directory = await mkdtemp(join(tmpdir(), "sessiond-completion-"));
    });
    after(() => rm(directory, { recursive: true }));

    async function scriptFor(shell: string): Promise<string> {
      const { code, stdout } = await runCommand(["completion", shell]);
      expect(code).to.equal(0);
      const path = join(directory, shell);
      await writeFile(path, stdout);
      return path;
    }

    const bash = findProgram("bash");
    (bash === undefined ? it.skip : it)("completes words in bash", async () => {
      const script = await scriptFor("bash");
      /** What bash offers after these words, the last of which is not complete. */
      const complete = (...words: readonly string[]): string[] => {
        const code = `source "$1"; shift; COMP_WORDS=(sessiond "$@"); COMP_CWORD=$#; _sessiond
          printf '%s\\n' "\${COMPREPLY[@]}"`;
        const args = ["--norc", "-c", code, "bash", script, ...words];
        const text = execFileSync(bash as string, args, { encoding: "utf8" });
        return text.split("\n").filter((line) => line !== "");
      };
      expect(complete("se")).to.deep.equal(["serve", "sessions"]);
      expect(complete("sessions", "re")).to.deep.equal(["revoke", "revoke-all"]);
      expect(complete("--json", "sessions", "")).to.deep.equal([
        "list",
        "get",
        "revoke",
        "revoke-all",
      ]);
      expect(complete("--address", "sessions", "audit", "")).to.deep.equal(["tail", "export"]);
      expect(complete("sessions", "revoke-all", "--every")).to.deep.equal(["--everything"]);
      expect(complete("audit", "tail", "--js")).to.deep.equal(["--json"]);
      expect(complete("sessions", "list", "--limit", "")).to.deep.equal([]);
      expect(complete("help", "se")).to.deep.equal(["serve", "sessions"]);
      expect(complete("help", "sessions", "re")).to.deep.equal(["revoke", "revoke-all"]);
      expect(complete("help", "sessions", "list", "")).to.deep.equal([]);
      expect(complete("completion", "")).to.deep.equal(["bash", "zsh", "fish"]);
      expect(complete("--token-file", join(directory, "ba"))).to.deep.equal([script]);
    });

    const fish = findProgram("fish");
    (fish === undefined ? it.skip : it)("completes words in fish", async () => {
      const script = await scriptFor("fish");
      const complete = (line: string): string[] => {
        const args = ["--no-config", "-c", 'source $argv[1]; complete -C "$argv[2]"', script, line];
        const text = execFileSync(fish as string, args, { encoding: "utf8" });
        return text
          .split("\n")
          .flatMap((offer) => offer.split("\t").slice(0, 1))
          .filter(Boolean);
      };
      expect(complete("sessiond se")).to.deep.equal(["serve", "sessions"]);
      expect(complete("sessiond sessions re")).to.deep.equal(["revoke", "revoke-all"]);
      expect(complete("sessiond sessions revoke-all --every")).to.deep.equal(["--everything"]);
      expect(complete("sessiond help sessions re")).to.deep.equal(["revoke", "revoke-all"]);
      expect(complete("sessiond completion ")).to.have.members(["bash", "zsh", "fish"]);
    });

    // With -n, a shell reads all of a script, and runs nothing.
    for (const shell of ["bash", "zsh", "fish"] as const) {
      const program = findProgram(shell);
      (program === undefined ? it.skip : it)(`is valid in ${shell}`, async () => {
        const { status, stderr } = spawnSync(program as string, ["-n", await scriptFor(shell)], {
          encoding: "utf8",
        });
        expect({ status, stderr }).to.deep.equal({ status: 0, stderr: "" });
      });
    }

    it("names every command and option in each of them", async () => {
      for (const shell of ["bash", "zsh", "fish"]) {
        const script = readFileSync(await scriptFor(shell), "utf8");
        const visit = (command: Command): void => {
          expect(script, shell).to.include(command.name());
          for (const { long } of command.options) {
            expect(script, `${shell} ${long}`).to.include(String(long).replace(/^--/, ""));
          }
          command.commands.forEach(visit);
        };
        visit(programForHelp());
      }
    });
  });
});
