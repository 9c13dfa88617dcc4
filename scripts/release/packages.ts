/** Builds the packages of all languages into release/, as they would be published. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join, sep } from "node:path";
import { inspectPackage, unpack } from "./contents.ts";

const root = join(import.meta.dirname, "..", "..");

/** The directories of the Go modules that are published, each before those that require it. */
export const GO_MODULES: readonly string[] = ["gen/go", "clients/go", "clients/go/sessiondgin"];

/** The crates that are published. */
const CRATES = ["sessiond-proto", "sessiond-client"];

// Only makes the archives; what builds the wheel is pinned in pyproject.toml.
const PYTHON_BUILD = "build==1.3.0";
const MAVEN_SOURCES = "org.apache.maven.plugins:maven-source-plugin:3.3.1:jar-no-fork";
const MAVEN_JAVADOC = "org.apache.maven.plugins:maven-javadoc-plugin:3.12.0:jar";
const MAVEN_DEPLOY = "org.apache.maven.plugins:maven-deploy-plugin:3.1.4:deploy";

/** An error whose message is enough, without a stack trace. */
export class PackageError extends Error {}

export interface BuildOptions {
  /** The languages, all by default: typescript, go, python, java, rust. */
  readonly only?: readonly string[] | undefined;
  /** Where the directories of the packages go. release/ of the project by default. */
  readonly output?: string;
  /** Gets each line about what was built or skipped. Standard output by default. */
  readonly log?: (line: string) => void;
}

interface Build {
  /** An empty directory. */
  readonly output: string;
  readonly version: string;
}

interface Language {
  /** The directory in release/. */
  readonly directory: string;
  /** What must be on PATH. */
  readonly programs: readonly string[];
  build(build: Build): void;
  /** The packages, as globs relative to the directory. */
  readonly packages: readonly string[];
}

function run(command: readonly string[], cwd = root, env: NodeJS.ProcessEnv = {}): void {
  const [program = "", ...args] = command;
  // What they print is of interest only when they fail.
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  if (status === 0) return;
  const cause = error?.message ?? `exit status ${status}`;
  const output = [stdout, stderr].filter(Boolean).join("\n");
  throw new PackageError(`${command.join(" ")} in ${cwd}: ${cause}\n${output}`);
}

const languages: Readonly<Record<string, Language>> = {
  typescript: {
    directory: "npm",
    programs: ["npm"],
    packages: ["*.tgz"],
    build({ output }) {
      for (const directory of [root, join(root, "clients/typescript")]) {
        run(["npm", "pack", "--pack-destination", output], directory);
      }
    },
  },
  go: {
    directory: "go",
    programs: ["go"],
    packages: ["**/*.zip"],
    build({ output, version }) {
      const git = (...args: string[]) =>
        execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
      // The files as they are, in a commit: with changes, one that nothing refers to.
      const isClean = git("status", "--porcelain", "--untracked-files=no") === "";
      const revision = isClean ? git("rev-parse", "HEAD") : git("stash", "create");
      const program = ["go", "run", "-C", join(import.meta.dirname, "go-module-proxy"), "."];
      const flags = ["-repository", root, "-revision", revision, "-version", `v${version}`];
      run([...program, ...flags, "-output", output, ...GO_MODULES]);
    },
  },
  python: {
    directory: "python",
    programs: ["python3"],
    packages: ["*.whl", "*.tar.gz"],
    build({ output }) {
      const environment = join(root, ".tools", "python-build");
      const python = join(environment, "bin", "python");
      if (!existsSync(python)) run(["python3", "-m", "venv", environment]);
      run([python, "-m", "pip", "install", "--quiet", PYTHON_BUILD]);
      run([python, "-m", "build", "--outdir", output, "clients/python"]);
    },
  },
  java: {
    directory: "maven",
    programs: ["mvn", "java"],
    packages: ["**/*.jar"],
    build({ output }) {
      const target = `-DaltDeploymentRepository=release::file://${output}`;
      const goals = ["package", MAVEN_SOURCES, MAVEN_JAVADOC, MAVEN_DEPLOY];
      run(["mvn", "--batch-mode", "-DskipTests", target, ...goals], join(root, "clients/java"));
      checkMavenRepository(output);
    },
  },
  rust: {
    directory: "rust",
    programs: ["cargo"],
    packages: ["*.crate"],
    build({ output }) {
      // What is compiled is not packed, and the pages of the clients compile what is packed.
      const target = process.env.CARGO_TARGET_DIR ?? join(root, "clients/rust/target");
      const crates = CRATES.flatMap((name) => ["--package", name]);
      const flags = ["--allow-dirty", "--no-verify", "--target-dir", target];
      rmSync(join(target, "package"), { recursive: true, force: true });
      run(["cargo", "package", ...flags, ...crates], join(root, "clients/rust"));
      for (const file of globSync(join(target, "package", "sessiond-*.crate"))) {
        run(["cp", file, output]);
        unpack(join(output, basename(file)), output);
      }
    },
  },
};

/** The languages that there are packages for. */
export const LANGUAGES: readonly string[] = Object.keys(languages);

/** What is not on PATH of what it takes to build the packages of a language. */
export function missingPrograms(language: string): string[] {
  return (languages[language]?.programs ?? []).filter((program) => !isInstalled(program));
}

/** What Maven's central repository asks of each artifact. */
function checkMavenRepository(output: string): void {
  const poms = globSync("**/*.pom", { cwd: output });
  const problems = poms.flatMap((file) => {
    const text = readFileSync(join(output, file), "utf8");
    const isParent = text.includes("<packaging>pom</packaging>");
    const elements = isParent ? ["url", "licenses", "developers", "scm"] : [];
    const missing = ["name", "description", ...elements]
      .filter((element) => !text.includes(`<${element}>`))
      .map((element) => `${file} has no <${element}>`);
    if (isParent) return missing;
    const jars = ["", "-sources", "-javadoc"].map((part) => file.replace(/\.pom$/, `${part}.jar`));
    return [
      ...missing,
      ...jars.filter((jar) => !existsSync(join(output, jar))).map((jar) => `there is no ${jar}`),
    ];
  });
  if (problems.length > 0) throw new PackageError(problems.join("\n"));
}

/** Whether a program is on PATH. */
function isInstalled(program: string): boolean {
  return spawnSync(program, ["--version"], { stdio: "ignore" }).error === undefined;
}

/**
 * Builds the packages, lists their files in contents.txt beside them, and prints their sizes. A
 * language without its programs is skipped, unless REQUIRE_ALL_CLIENTS is 1.
 *
 * @throws {PackageError} with everything that failed: a build, or a package that must not be
 *   published as it is
 */
export function buildPackages(options: BuildOptions = {}): void {
  const { only, output = join(root, "release"), log = console.log } = options;
  const unknown = only?.filter((name) => !LANGUAGES.includes(name)) ?? [];
  if (unknown.length > 0) {
    throw new PackageError(
      `there are no packages for ${unknown}; there are for ${LANGUAGES.join(", ")}`,
    );
  }
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const failures: string[] = [];
  const contents: string[] = [];
  for (const [name, language] of Object.entries(languages)) {
    if (only !== undefined && !only.includes(name)) continue;
    const missing = missingPrograms(name);
    if (missing.length > 0) {
      const message = `${name}: ${missing.join(" and ")} ${missing.length > 1 ? "are" : "is"} not on PATH`;
      if (process.env.REQUIRE_ALL_CLIENTS === "1") failures.push(message);
      else log(`${message}: skipped`);
      continue;
    }
    const directory = join(output, language.directory);
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true });
    try {
      language.build({ output: directory, version });
    } catch (error) {
      if (!(error instanceof PackageError)) throw error;
      failures.push(`${name}: ${error.message}`);
      continue;
    }
    const packages = globSync([...language.packages], { cwd: directory }).sort();
    if (packages.length === 0) failures.push(`${name}: nothing was built`);
    for (const file of packages.map((path) => join(language.directory, path))) {
      const { files, problems } = inspectPackage(output, file.replaceAll(sep, "/"), {
        version,
        root,
      });
      const size = Math.ceil(statSync(join(output, file)).size / 1024);
      log(`${file}: ${size} KiB, ${files.length} files`);
      contents.push(`${file}\n${files.map(({ path, size }) => `${size}\t${path}\n`).join("")}`);
      failures.push(...problems.map((problem) => `${file}: ${problem}`));
    }
  }
  mkdirSync(output, { recursive: true });
  writeFileSync(join(output, "contents.txt"), contents.join("\n"));
  if (failures.length > 0) throw new PackageError(failures.join("\n"));
  log(`All files are listed in ${join(output, "contents.txt")}.`);
}
