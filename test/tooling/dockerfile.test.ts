import { expect } from "chai";
import {
  commandOf,
  DockerfileError,
  environmentOf,
  type Instruction,
  ignores,
  parseDockerfile,
} from "../../scripts/dockerfile.ts";

function instructionOf(line: string): Instruction {
  const [instruction] = parseDockerfile(`FROM a\n${line}`)[0]?.instructions ?? [];
  if (instruction === undefined) throw new Error("no instruction");
  return instruction;
}

describe("reading Dockerfiles", () => {
  it("splits stages, puts arguments into FROM, joins lines and drops comments", () => {
    const stages = parseDockerfile(
      [
        "# comment",
        "ARG NODE=node:1.2.3",
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the Dockerfile's own syntax
        "FROM ${NODE}-slim AS build",
        "RUN one \\",
        "  # in between",
        "  && two",
        "",
        "from $NODE",
        'COPY --from=build /a "$NODE"',
      ].join("\n"),
    );
    expect(stages.map(({ image, name }) => [image, name])).to.deep.equal([
      ["node:1.2.3-slim", "build"],
      ["node:1.2.3", "1"],
    ]);
    const [run, copy] = stages.flatMap(({ instructions }) => instructions);
    expect(run).to.include({ line: 4, keyword: "RUN" });
    expect(run?.text).to.match(/^one\s+&& two$/);
    // An argument from before the first FROM is unknown inside a stage.
    expect(copy).to.include({ line: 9, keyword: "COPY", text: '/a "$NODE"' });
    expect(copy?.flags.get("from")).to.equal("build");
  });

  it("tells a list of words from a shell's line", () => {
    expect(commandOf(instructionOf('ENTRYPOINT ["node", "a b.js"]'))).to.deep.equal([
      "node",
      "a b.js",
    ]);
    expect(commandOf(instructionOf("RUN a && b"))).to.deep.equal(["/bin/sh", "-c", "a && b"]);
  });

  it("reads ENV", () => {
    expect(environmentOf(instructionOf('ENV A=1 B="2 3" C='))).to.deep.equal({
      A: "1",
      B: "2 3",
      C: "",
    });
  });

  for (const source of [
    "RUN too-early",
    "FROM $UNKNOWN",
    "ARG NAME\nFROM a",
    "FROM --platform=x a",
    "FROM a\nRUN <<END",
    "FROM a\nRUN continued \\",
    "FROM a\n&&",
  ]) {
    it(`refuses ${JSON.stringify(source)}`, () => {
      expect(() => parseDockerfile(source)).to.throw(DockerfileError, /^Dockerfile, line \d+: /);
    });
  }

  for (const line of ["ENV A 1", "ENV A=$B"]) {
    it(`refuses ${line}`, () => {
      expect(() => environmentOf(instructionOf(line))).to.throw(DockerfileError, /line 2/);
    });
  }

  it("leaves out what .dockerignore names: from the root, with content, the last line wins", () => {
    const patterns = ["# comment", "node_modules", "/docs/", "**/*.md", "!README.md", ""];
    const left = (path: string) => ignores(patterns, path);
    expect(["node_modules", "node_modules/a/b", "docs/a", "a/b.md"].map(left)).to.deep.equal([
      true,
      true,
      true,
      true,
    ]);
    expect(["src/node_modules", "src/docs/a", "README.md", "."].map(left)).to.deep.equal([
      false,
      false,
      false,
      false,
    ]);
  });
});
