import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import {
  countCommands,
  matchesShown,
  PageError,
  stepsIn,
} from "../../scripts/client-pages/page.ts";
import { type PageResult, runPage } from "../../scripts/client-pages/run.ts";

const fence = (info: string, ...lines: string[]) =>
  [`\`\`\`${info}`, ...lines, "```", ""].join("\n");

describe("a page of a client", () => {
  it("tells what to execute: shell commands, files and commands with their output", () => {
    const page = [
      "# Title",
      fence("sh", "npm install x"),
      fence("ts title=src/server.ts", "listen();"),
      fence("sh background", "node server.ts"),
      fence("console", "$ curl a \\", "  b", "one", "", "two", "$ true"),
    ].join("\n");
    expect(stepsIn(page)).to.deep.equal([
      { kind: "shell", script: "npm install x\n", background: false, line: 2 },
      { kind: "file", path: "src/server.ts", content: "listen();\n", line: 6 },
      { kind: "shell", script: "node server.ts\n", background: true, line: 10 },
      {
        kind: "console",
        commands: [
          { command: "curl a \\\n  b", expected: "one\n\ntwo" },
          { command: "true", expected: "" },
        ],
        line: 14,
      },
    ]);
  });

  it("has other code blocks that are only read, also within a list or a longer fence", () => {
    const page = [
      fence("text", "npm start"),
      fence("go", "package main"),
      fence("", "$ no"),
      "````md",
      fence("sh", "rm x"),
      "````",
      "- item",
      "  ```js",
      "  f()",
      "  ```",
    ].join("\n");
    expect(stepsIn(page)).to.deep.equal([]);
  });

  for (const [page, problem] of [
    [fence("ts title=/etc/x"), /line 1: \/etc\/x is not a path in the project/],
    [fence("ts title=a/../../x"), /is not a path in the project/],
    ["\n```sh\nls\n", /line 2: the code block has no end/],
    ["- a\n  ```sh\n  ls\n  ```\n", /line 2: .* must not be indented/],
    [fence("console", "output"), /line 1: output without a command/],
    [fence("sh backgroud", "x"), /line 1: "backgroud" has no meaning/],
  ] as const) {
    it(`must not contain ${JSON.stringify(page)}`, () => {
      expect(() => stepsIn(page)).to.throw(PageError, problem);
    });
  }
});

describe("the output of a command", () => {
  for (const [output, shown] of [
    ["HTTP/1.1 200 OK\r\nx: 1\r\n\r\n", "HTTP/1.1 200 OK\nx: 1"],
    ['{"id":"ses-12","left":1800}\n', '{"id":"…","left":…}'],
    ["a\nb\nc\n", "a\n…\nc"],
    ["any (x) [y] $z.*\n", "any (x) [y] $z.*"],
    ["", ""],
  ] as const) {
    it(`${JSON.stringify(output)} is shown as ${JSON.stringify(shown)}`, () => {
      expect(matchesShown(output, shown)).to.equal(true);
    });
  }

  for (const [output, shown] of [
    ["401", "200"],
    ["a\nb\n", "a"],
    ["abc", "a.c"],
    ["a", ""],
    ["", "…x"],
  ] as const) {
    it(`${JSON.stringify(output)} is not what ${JSON.stringify(shown)} shows`, () => {
      expect(matchesShown(output, shown)).to.equal(false);
    });
  }
});

describe("counting the commands of a script", () => {
  it("counts lines, but not comments, continued lines and here-documents", () => {
    const script = "# why\na \\\n  --b\n\nc && d\ncat > x <<'END'\nnot one\nEND\n  e\n";
    expect(countCommands(script)).to.equal(4);
  });
});

describe("carrying out a page", () => {
  let base: string;
  let directory: string;

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), "sessiond-page-"));
    directory = join(base, "project");
    mkdirSync(directory);
  });
  afterEach(() => rmSync(base, { recursive: true }));

  const env = { PATH: process.env.PATH, NAME: "alice" };

  function run(page: string, ports: Readonly<Record<string, number>> = {}): Promise<PageResult> {
    return runPage(page, { directory, scratch: base, env, ports, applicationPort: "3000" });
  }

  async function failureOf(page: string): Promise<string> {
    const error = await run(page).then(
      () => expect.fail("it succeeds"),
      (reason) => reason,
    );
    expect(error).to.be.instanceOf(PageError);
    return error.message;
  }

  async function freePort(): Promise<number> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    await new Promise((resolve) => server.close(resolve));
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  it("writes files, runs commands there one after the other, and counts both", async () => {
    const result = await run(
      [
        fence("sh", "# first", "echo one > a", "export GREETING=hello"),
        fence("text title=sub/b", "two"),
        fence("sh", 'cat a sub/b > c; echo "$GREETING $NAME" >> c'),
      ].join("\n"),
    );
    expect(readFileSync(join(directory, "c"), "utf8")).to.equal("one\ntwo\nhello alice\n");
    expect(result).to.include({ commands: 3, files: 1 });
  });

  it("starts each step in the project's directory", async () => {
    await run([fence("sh", "mkdir x; cd x"), fence("sh", "touch here")].join("\n"));
    expect(readFileSync(join(directory, "here"), "utf8")).to.equal("");
  });

  it("compares what each command of a console prints, errors included", async () => {
    const page = fence("console", "$ a=1", "$ echo $a", "1", "$ ls no-file", "ls: …no-file…");
    expect(await run(page)).to.include({ commands: 3 });
  });

  for (const [what, page, problem] of [
    ["a command that fails", fence("sh", "true", "false", "true"), /^line 1: ended with 1/],
    ["a failure within a pipe", fence("sh", "false | true"), /^line 1: ended with 1/],
    ["a variable that is not set", fence("sh", "echo $missing"), /unbound variable/],
    [
      "another output",
      `\n${fence("console", "$ echo a", "a", "$ echo b", "c")}`,
      /^line 2: \$ echo b\nprinted\nb\n?\ninstead of\nc$/,
    ],
    ["an output that is not shown", fence("console", "$ echo a"), /^line 1: \$ echo a\nprinted\na/],
    ["an application that ends", fence("sh background", "echo no; false"), /does not listen.*\nno/],
  ] as const) {
    it(`fails with ${what}`, async () => {
      expect(await failureOf(page)).to.match(problem);
    });
  }

  it("waits until the application in the background serves, on another port than shown", async () => {
    const server = `import { createServer } from "node:http";
createServer((_, response) => response.end("hello\\n")).listen(3000, "127.0.0.1");`;
    const page = [
      fence("js title=server.mjs", server),
      fence("sh background", "exec node server.mjs"),
      fence("console", "$ curl -s http://127.0.0.1:3000/", "hello"),
    ].join("\n");
    const port = await freePort();
    await run(page, { 3000: port });
    expect(readFileSync(join(directory, "server.mjs"), "utf8")).to.include(`listen(${port},`);
    // And it has ended.
    const ended = fence("console", `$ curl -s http://127.0.0.1:${port}/ || echo gone`, "gone");
    await run(ended);
  });

  it("ends the application before another one takes its port", async () => {
    const server = (text: string) => `import { createServer } from "node:http";
createServer((_, response) => response.end("${text}\\n")).listen(3000, "127.0.0.1");`;
    const page = ["one", "two"].flatMap((text) => [
      fence("js title=server.mjs", server(text)),
      fence("sh background", "node server.mjs"),
      fence("console", "$ curl -s http://127.0.0.1:3000/", text),
    ]);
    await run(page.join("\n"), { 3000: await freePort() });
  });
});
