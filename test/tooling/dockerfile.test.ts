import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import packageJson from "../../package.json" with { type: "json" };
import { parseDockerfile } from "../../scripts/dockerfile.ts";

describe("the Dockerfile", () => {
  it("uses the Node that the tests run on, which engines allow", () => {
    const source = readFileSync(join(import.meta.dirname, "..", "..", "Dockerfile"), "utf8");
    const { node } = packageJson.devDependencies;
    const images = new Set(parseDockerfile(source).map(({ image }) => image.split("@")[0]));
    expect([...images]).to.deep.equal([`node:${node}-slim`]);
    expect(process.versions.node).to.equal(node);
    const [, least = ""] = /^>=([\d.]+)$/.exec(packageJson.engines.node) ?? [];
    expect(least).not.to.equal("");
    expect(node.localeCompare(least, "en", { numeric: true })).to.be.at.least(0);
  });
});

describe("the options for the heap", () => {
  it("are the same in the image and for npm start", () => {
    const source = readFileSync(join(import.meta.dirname, "..", "..", "Dockerfile"), "utf8");
    const entrypoint = parseDockerfile(source)
      .flatMap(({ instructions }) => instructions)
      .find(({ keyword }) => keyword === "ENTRYPOINT");
    const ofImage = JSON.parse(entrypoint?.args[0] ?? "[]") as string[];
    const ofHeap = (words: readonly string[]) =>
      words.filter((word) => /^--(max-semi-space-size|heap-growing-percent)=/.test(word));
    expect(ofHeap(ofImage)).to.have.length(2);
    expect(ofHeap(packageJson.scripts.start.split(" "))).to.deep.equal(ofHeap(ofImage));
  });
});

describe("reading the Dockerfile", () => {
  it("splits stages, puts arguments into FROM, and drops comments", () => {
    const stages = parseDockerfile(
      [
        "# comment",
        "ARG NODE=node:1.2.3-slim@sha256:0abc",
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the Dockerfile's own syntax
        "FROM ${NODE} AS build",
        'RUN one && two "$HOME"',
        "",
        "FROM node:4",
        "ARG REVISION=unknown",
        'LABEL org.example.title="a b"',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the Dockerfile's own syntax
        'LABEL org.example.revision="${REVISION}"',
        "COPY a b c/",
        "COPY --from=build /a b",
        'HEALTHCHECK --interval=10s --timeout=3s CMD ["node", "a b.js"]',
        "ENV A=1 B=",
        "USER 1000:1000",
        "EXPOSE 1 2",
      ].join("\n"),
    );
    expect(stages.map(({ image, name }) => [image, name])).to.deep.equal([
      ["node:1.2.3-slim@sha256:0abc", "build"],
      ["node:4", "1"],
    ]);
    const instructions = stages.map((stage) =>
      stage.instructions.map(({ keyword, args }) => [keyword, ...args]),
    );
    expect(instructions).to.deep.equal([
      [["RUN", 'one && two "$HOME"']],
      [
        ["ARG", "REVISION", "unknown"],
        ["LABEL", "org.example.title", undefined, "a b"],
        ["LABEL", "org.example.revision", "REVISION", undefined],
        ["COPY", undefined, "a b c/"],
        ["COPY", "build", "/a b"],
        ["HEALTHCHECK", '["node", "a b.js"]'],
        ["ENV", "A=1 B="],
        ["USER", "1000:1000"],
        ["EXPOSE", "1 2"],
      ],
    ]);
  });

  for (const source of [
    "RUN too-early",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the Dockerfile's own syntax
    "FROM ${UNKNOWN}",
    "FROM --platform=x a",
    "FROM a\nARG NAME",
    "FROM a\nLABEL a=b",
    'FROM a\nLABEL a="$B"',
    "FROM a\nVOLUME /data",
    "FROM a\nCOPY --chown=node a b",
    "FROM a\nCOPY $A b",
    "FROM a\nCOPY *.json b",
    "FROM a\nRUN <<END",
    "FROM a\nRUN --mount=type=cache npm ci",
    "FROM a\nRUN continued \\",
    "FROM a\nENTRYPOINT node main.js",
    "FROM a\nHEALTHCHECK NONE",
    'FROM a\nENV A="1 2"',
    "FROM a\n&& b",
  ]) {
    it(`refuses ${JSON.stringify(source)}`, () => {
      const line = source.split("\n").at(-1);
      expect(() => parseDockerfile(source)).to.throw(`Dockerfile: not understood: ${line}`);
    });
  }
});
