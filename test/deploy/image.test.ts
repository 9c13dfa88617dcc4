import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { parseDockerfile } from "../../scripts/dockerfile.ts";
import { ROOT } from "./support.ts";

describe("the image", () => {
  const stages = parseDockerfile(readFileSync(join(ROOT, "Dockerfile"), "utf8"));
  const last = stages.at(-1);
  const find = (keyword: string) => last?.instructions.filter((one) => one.keyword === keyword);

  it("has a base that nobody can exchange (N01)", () => {
    for (const { image } of stages)
      expect(image).to.match(/^node:[\d.]+-slim@sha256:[0-9a-f]{64}$/);
  });

  it("runs as a user whose number says that it is not root (N01)", () => {
    expect(find("USER")?.map(({ args }) => args[0])).to.deep.equal(["1000:1000"]);
  });

  it("is labelled with what it is, of which version and commit (N01)", () => {
    const labels = find("LABEL")?.map(({ args }) => args[0]);
    expect(labels).to.deep.equal(
      ["title", "description", "source", "licenses", "version", "revision"].map(
        (name) => `org.opencontainers.image.${name}`,
      ),
    );
  });

  it("takes a command in the place of the service (N01)", () => {
    const [entrypoint] = find("ENTRYPOINT") ?? [];
    const words: string[] = JSON.parse(entrypoint?.args[0] ?? "[]");
    expect(words.at(-1)).to.equal("dist/main.js");
    expect(find("CMD")).to.deep.equal([]);
  });
});
