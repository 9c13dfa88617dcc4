import { execFileSync } from "node:child_process";
import { renameSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { type FileWatch, type WatchOptions, watchFiles } from "../../src/files/watch-file.ts";
import { until } from "../support/until.ts";

describe("watchFiles", () => {
  let directory: string;
  const watches: FileWatch[] = [];
  const seen: Record<string, string>[] = [];
  const errors: string[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "sessiond-watch-"));
    seen.length = 0;
    errors.length = 0;
  });
  afterEach(async () => {
    for (const watch of watches.splice(0)) await watch[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });

  const file = (name: string) => join(directory, name);

  async function watch<Name extends string>(
    paths: Record<Name, string>,
    options: Partial<WatchOptions<Name>> & {
      onChange?: (contents: Record<Name, string>) => void;
    } = {},
  ): Promise<FileWatch> {
    const { onChange = () => {}, ...rest } = options;
    const load = (contents: Record<Name, string>) => {
      onChange(contents);
      seen.push(contents);
    };
    const onError = (error: Error) => errors.push(error.message);
    // Tests look by themselves; the one about the interval sets it.
    const started = await watchFiles(paths, load, {
      onError,
      intervalMs: 86_400_000,
      settleMs: 1,
      ...rest,
    });
    watches.push(started);
    return started;
  }

  it("passes on the contents at the start, and then only changes", async () => {
    await writeFile(file("a"), "1");
    await writeFile(file("b"), "2");
    const watching = await watch({ first: file("a"), second: file("b") });
    await watching.check();
    await writeFile(file("b"), "2");
    await watching.check();
    expect(seen).to.deep.equal([{ first: "1", second: "2" }]);

    await writeFile(file("b"), "3");
    await watching.check();
    await watching.check();
    expect(seen.slice(1)).to.deep.equal([{ first: "1", second: "3" }]);
    expect(errors).to.deep.equal([]);
  });

  it("does not pass on contents that are in force already, but what changed since they were read", async () => {
    await writeFile(file("a"), "1");
    const watching = await watch({ a: file("a") }, { initial: { a: "1" } });
    await watching.check();
    expect(seen).to.deep.equal([]);

    const late = await watch({ a: file("a") }, { initial: { a: "0" } });
    await late.check();
    expect(seen).to.deep.equal([{ a: "1" }]);
  });

  it("looks by itself at each interval", async () => {
    await writeFile(file("a"), "1");
    await watch({ a: file("a") }, { intervalMs: 1 });
    for (const content of ["2", "3"]) {
      await writeFile(file("a"), content);
      await until("the change is seen", async () => seen.at(-1)?.a === content);
    }
  });

  it("sees a file that is renamed over the old one, as certbot and editors do it", async () => {
    await writeFile(file("a"), "1");
    const watching = await watch({ a: file("a") });
    await writeFile(file("new"), "2");
    await rename(file("new"), file("a"));
    await watching.check();
    expect(seen.at(-1)).to.deep.equal({ a: "2" });
  });

  it("sees the symbolic link ..data of a Kubernetes secret change, with all files at once", async () => {
    for (const version of ["1", "2"]) {
      await mkdir(file(`..${version}`));
      await writeFile(join(file(`..${version}`), "crt"), `certificate ${version}`);
      await writeFile(join(file(`..${version}`), "key"), `key ${version}`);
    }
    await symlink("..1", file("..data"));
    for (const name of ["crt", "key"]) await symlink(join("..data", name), file(name));
    const watching = await watch({ crt: file("crt"), key: file("key") });

    await symlink("..2", file("..data_tmp"));
    await rename(file("..data_tmp"), file("..data"));
    await watching.check();
    expect(seen).to.deep.equal([
      { crt: "certificate 1", key: "key 1" },
      { crt: "certificate 2", key: "key 2" },
    ]);
  });

  it("sees a change that keeps the size and the times of the file", async () => {
    await writeFile(file("a"), "1");
    const watching = await watch({ a: file("a") });
    execFileSync("sh", ["-c", "cp -p a b && printf 2 > a && touch -r b a"], { cwd: directory });
    await watching.check();
    expect(seen.at(-1)).to.deep.equal({ a: "2" });
  });

  it("waits until a file that is being written does not change any more", async () => {
    await writeFile(file("a"), "old");
    const watching = await watch({ a: file("a") }, { settleMs: 20 });
    const { promise: written, resolve } = Promise.withResolvers<void>();
    let text = "";
    // Its timer is always due before that of the watch, so the content differs at every two looks.
    const writer = setInterval(() => {
      text += "line\n";
      // In one step: two looks in a row could find the file truncated.
      writeFileSync(file("b"), text);
      renameSync(file("b"), file("a"));
      if (text.length < 500) return;
      clearInterval(writer);
      resolve();
    }, 1);
    await until("the file has changed", async () => text !== "");
    await watching.check();
    await written;
    expect(seen.slice(1)).to.deep.equal([{ a: text }]);
  });

  it("reports a file that is gone once, and passes its content on when it is back", async () => {
    await writeFile(file("a"), "1");
    const watching = await watch({ a: file("a") });
    await rm(file("a"));
    await watching.check();
    await watching.check();
    expect(errors).to.deep.equal([`the file "${file("a")}" cannot be read (ENOENT)`]);
    expect(seen).to.have.length(1);

    await writeFile(file("a"), "1");
    await watching.check();
    expect(seen).to.deep.equal([{ a: "1" }, { a: "1" }]);
  });

  it("reports contents that are refused once, and passes the next ones on", async () => {
    await writeFile(file("a"), "good");
    const onChange = ({ a }: { a: string }) => {
      if (a === "bad") throw new Error("it is bad");
    };
    const watching = await watch({ a: file("a") }, { onChange });
    await writeFile(file("a"), "bad");
    await watching.check();
    await watching.check();
    expect(errors).to.deep.equal(["it is bad"]);

    await writeFile(file("a"), "good");
    await watching.check();
    expect(seen).to.deep.equal([{ a: "good" }, { a: "good" }]);
    expect(errors).to.have.length(1);
  });

  it("fails at the start if a file is missing or its content is refused", async () => {
    const failure = async (paths: Record<string, string>, onChange?: () => never) => {
      const error = await watch(paths, { ...(onChange && { onChange }) }).catch((e: Error) => e);
      return error instanceof Error ? error.message : "no failure";
    };
    expect(await failure({ a: file("a") })).to.include("cannot be read (ENOENT)");
    await writeFile(file("a"), "1");
    const refuse = () => {
      throw new Error("refused");
    };
    expect(await failure({ a: file("a") }, refuse)).to.equal("refused");
  });

  it("reads a pipe once, as a shell's process substitution needs it", async () => {
    const script = `
      import { watchFiles } from ${JSON.stringify(join(import.meta.dirname, "../../src/files/watch-file.ts"))};
      const watch = await watchFiles({ a: process.argv[1] }, ({ a }) => console.log(a.trim()), {
        onError: (error) => console.log(error.message),
      });
      await watch.check();
      console.log("done");`;
    const command = `"$NODE" --input-type=module -e "$SCRIPT" <(echo secret)`;
    const env = { ...process.env, NODE: process.execPath, SCRIPT: script };
    const output = execFileSync("bash", ["-c", command], { env, encoding: "utf8" });
    expect(output).to.equal("secret\ndone\n");
  });

  it("does nothing after it has been disposed", async () => {
    await writeFile(file("a"), "1");
    const watching = await watch({ a: file("a") }, { settleMs: 86_400_000 });
    await writeFile(file("a"), "2");
    const checked = watching.check();
    await watching[Symbol.asyncDispose]();
    await checked;
    await watching.check();
    expect(seen).to.have.length(1);
  });

  it("does not keep a process alive", () => {
    const script = `
      import { watchFiles } from ${JSON.stringify(join(import.meta.dirname, "../../src/files/watch-file.ts"))};
      await watchFiles({ a: ${JSON.stringify(import.meta.filename)} }, () => {});`;
    execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  });
});
