/**
 * Where the version of a release is written: the manifests of all packages, what their lock files say
 * of each other, and the pages that tell how to install them. All of it has one version, the contract's.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, matchesGlob } from "node:path";

/** A place that contains the version. */
interface Place {
  /** A glob of the files, relative to the project. */
  readonly files: string;
  versions(text: string): string[];
  withVersion(text: string, version: string): string;
}

/** Places that a pattern finds: it matches the version alone. */
function matches(files: string, pattern: RegExp): Place {
  return {
    files,
    versions: (text) => text.match(pattern) ?? [],
    withVersion: (text, version) => text.replace(pattern, () => version),
  };
}

const packageLock: Place = {
  files: "package-lock.json",
  versions(text) {
    const lock = JSON.parse(text);
    return [lock.version, lock.packages[""].version];
  },
  withVersion(text, version) {
    const lock = JSON.parse(text);
    lock.version = version;
    lock.packages[""].version = version;
    return `${JSON.stringify(lock, null, 2)}\n`;
  },
};

const npmManifest = /(?<=^ {2}"version": ")[^"]*/gm;
const pythonManifest = /(?<=^version = ")[^"]*/gm;
// The crates' own versions, in Cargo.toml and in Cargo.lock.
const cargoPackage = /(?<=^name = "sessiond-(?:client|proto)"\nversion = ")[^"]*/gm;
const cargoDependency = /(?<=^sessiond-(?:client|proto) = (?:\{.*\bversion = )?")[^"]*/gm;
const goModule = /(?<=\bgithub\.com\/sessiond\/sessiond\/[a-z/]+[@ ]v)\d+\.\d+\.\d+(?![\w.-])/g;
const mavenCoordinates =
  /(?<=<groupId>io\.github\.sessiond<\/groupId>\s*<artifactId>[^<]*<\/artifactId>\s*<version>)[^<$]+/g;
const gradleCoordinates = /(?<=\bio\.github\.sessiond:[a-z-]+:)\d+\.\d+\.\d+/g;
// In commands and in the names of built files.
const packageName = /(?<=\bsessiond[-_](?:client|proto)(?:@|==|-))\d+\.\d+\.\d+/g;

// Of the chart and of its application, and of the image and the labels in the manifests made from it.
const chart = /(?<=^(?:version|appVersion): )\S+/gm;
const manifest = /(?<=\bimage: "?sessiond:|app\.kubernetes\.io\/version: ")[\w.+-]+/g;

const pages = ["docs/**/*.md", "clients/**/README.md", "gen/**/README.md"];
const onPages = [goModule, mavenCoordinates, gradleCoordinates, packageName, cargoDependency];

const PLACES: readonly Place[] = [
  matches("package.json", npmManifest),
  packageLock,
  matches("clients/typescript/package.json", npmManifest),
  matches("clients/python/pyproject.toml", pythonManifest),
  matches("clients/java/**/pom.xml", mavenCoordinates),
  matches("{clients,gen}/rust/**/Cargo.toml", cargoPackage),
  matches("{clients,gen}/rust/**/Cargo.toml", cargoDependency),
  matches("{clients,gen}/rust/**/Cargo.lock", cargoPackage),
  matches("{clients,gen}/go/**/go.mod", goModule),
  matches("Dockerfile", /(?<=^LABEL org\.opencontainers\.image\.version=")[^"]*/gm),
  matches("deploy/helm/sessiond/Chart.yaml", chart),
  matches("docs/deploy.md", /(?<=\bsessiond:|^ {4}newTag: )\d+\.\d+\.\d+/gm),
  matches("deploy/{kubernetes,compose}/**/*.yaml", manifest),
  ...pages.flatMap((files) => onPages.map((pattern) => matches(files, pattern))),
];

/** The files of a project that Git knows. */
export function trackedFiles(root: string): string[] {
  const options = { cwd: root, encoding: "utf8", maxBuffer: 2 ** 26 } as const;
  return execFileSync("git", ["ls-files", "-z"], options).split("\0").filter(Boolean);
}

function placesOf(file: string): Place[] {
  return PLACES.filter(({ files }) => matchesGlob(file, files));
}

/** Every version of ours that a file states. */
export function versionsIn(file: string, text: string): string[] {
  return placesOf(file).flatMap((place) => place.versions(text));
}

/** A file's text with another version of ours; the same text if it states none. */
export function withVersion(file: string, text: string, version: string): string {
  return placesOf(file).reduce((result, place) => place.withVersion(result, version), text);
}

/**
 * The files that state the version, as they are with another one.
 *
 * @returns their new contents by path, relative to the project
 */
export function filesWithVersion(root: string, version: string): Map<string, string> {
  const changed = new Map<string, string>();
  for (const file of trackedFiles(root).filter((path) => placesOf(path).length > 0)) {
    const text = readFileSync(join(root, file), "utf8");
    if (versionsIn(file, text).length > 0) changed.set(file, withVersion(file, text, version));
  }
  return changed;
}
