/** What is in a built package, and whether that may be published. */
import { execFileSync } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

interface Kind {
  /** Of the package's path below release/. */
  readonly path: RegExp;
  /** Each must match one of the package's files. */
  readonly required: readonly RegExp[];
  /** The file with the metadata, and what it must say. Without one, another package has it. */
  readonly metadata?: { readonly file: RegExp; readonly says: (version: string) => RegExp[] };
  /** A module of Go consists of its whole directory, its tests included. */
  readonly hasTests?: true;
}

const literally = (version: string) => version.replaceAll(".", String.raw`\.`);

const KINDS: readonly Kind[] = [
  {
    path: /^npm\/.*\.tgz$/,
    required: [/^package\/LICENSE$/, /^package\/README\.md$/],
    metadata: {
      file: /^package\/package\.json$/,
      says: (version) => [
        new RegExp(`"version": "${literally(version)}"`),
        /"license": "Apache-2\.0"/,
        /"description": "\w/,
      ],
    },
  },
  {
    path: /^go\/.*\.zip$/,
    required: [/@v[\d.]+\/LICENSE$/, /@v[\d.]+\/README\.md$/],
    metadata: { file: /@v[\d.]+\/go\.mod$/, says: () => [/^module github\.com\/sessiond\//m] },
    hasTests: true,
  },
  {
    path: /^python\/.*\.whl$/,
    required: [/\.dist-info\/licenses\/LICENSE$/, /\/py\.typed$/, /^sessiond\/v1\/.*_pb2\.py$/],
    metadata: { file: /\.dist-info\/METADATA$/, says: pythonMetadata },
  },
  {
    path: /^python\/.*\.tar\.gz$/,
    required: [/^[^/]+\/LICENSE$/, /^[^/]+\/README\.md$/, /^[^/]+\/pyproject\.toml$/],
    metadata: { file: /^[^/]+\/PKG-INFO$/, says: pythonMetadata },
  },
  { path: /^maven\/.*-(sources|javadoc)\.jar$/, required: [/\.(java|html)$/] },
  { path: /^maven\/.*\.jar$/, required: [/^META-INF\/LICENSE/, /\.class$/] },
  {
    path: /^rust\/.*\.crate$/,
    required: [/^[^/]+\/LICENSE$/, /^[^/]+\/README\.md$/, /^[^/]+\/src\/lib\.rs$/],
    metadata: {
      file: /^[^/]+\/Cargo\.toml$/,
      says: (version) => [
        new RegExp(`^version = "${literally(version)}"$`, "m"),
        /^license = "Apache-2\.0"$/m,
        /^description = "\w/m,
      ],
    },
  },
];

function pythonMetadata(version: string): RegExp[] {
  return [
    new RegExp(`^Version: ${literally(version)}$`, "m"),
    /^License-Expression: Apache-2\.0$/m,
    /^Summary: \w/m,
    // The README, below the headers.
    /^Description-Content-Type: text\/markdown$/m,
  ];
}

const FORBIDDEN: readonly (readonly [RegExp, string])[] = [
  [/(^|\/)(node_modules|target|coverage|\.tools|\.venv|\.git|\.idea|\.vscode)\//, "is not source"],
  [/(^|\/)__pycache__\/|\.pyc$|\.tsbuildinfo$|\.log$/, "is a by-product"],
  [/(^|\/)(\.env|\.npmrc|\.pypirc|id_\w+)$|\.(pem|key|p12|jks)$/, "may contain a secret"],
];

const TESTS =
  /(^|\/)(tests?|__tests__|conformance)\/|\.test\.[cm]?[jt]s$|_test\.(go|py)$|(^|\/)test_\w+\.py$|Tests?\.(java|class)$/;

// With the key itself: programs that read keys contain the first line, too.
const SECRET = /-----BEGIN [A-Z ]*PRIVATE KEY-----(\s|\\n)*[\w+/]{32}/;

export interface PackedFile {
  readonly path: string;
  readonly size: number;
}

/** Unpacks a package into a directory that exists: a tar archive, or else a zip archive. */
export function unpack(file: string, directory: string): void {
  const isTar = /\.(tgz|tar\.gz|crate)$/.test(file);
  const command = isTar
    ? ["tar", "-xzf", file, "-C", directory]
    : ["unzip", "-qo", file, "-d", directory];
  execFileSync(command[0] as string, command.slice(1), { stdio: ["ignore", "ignore", "inherit"] });
}

/** The files below a directory, in the order of their paths. */
function filesBelow(directory: string): PackedFile[] {
  const entries = globSync("**/*", { cwd: directory, withFileTypes: true });
  // A glob's ** does not match names that begin with a dot.
  entries.push(...globSync("**/.*{,/**}", { cwd: directory, withFileTypes: true }));
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  const files = [...new Set(paths)].sort();
  return files.map((path) => ({
    path: path.slice(directory.length + 1),
    size: statSync(path).size,
  }));
}

/**
 * Lists and checks the content of a package.
 *
 * @param path of the package below `release`; it tells the kind of the package
 * @param root the checkout that it was built in, whose path must not be in it
 * @returns its files, and what is wrong, without the name of the package
 */
export function inspectPackage(
  release: string,
  path: string,
  { version, root }: { readonly version: string; readonly root: string },
): { readonly files: readonly PackedFile[]; readonly problems: readonly string[] } {
  const kind = KINDS.find((candidate) => candidate.path.test(path));
  if (kind === undefined) return { files: [], problems: ["is of no known kind"] };
  const directory = mkdtempSync(join(tmpdir(), "sessiond-package-"));
  try {
    unpack(join(release, path), directory);
    const files = filesBelow(directory);
    const problems: string[] = [];
    for (const file of files) {
      for (const [pattern, reason] of FORBIDDEN) {
        if (pattern.test(file.path)) problems.push(`${file.path} ${reason}`);
      }
      if (!kind.hasTests && TESTS.test(file.path)) problems.push(`${file.path} is a test`);
      const content = readFileSync(join(directory, file.path), "latin1");
      if (SECRET.test(content)) problems.push(`${file.path} contains a private key`);
      const local = [root, homedir()].find((prefix) => containsPath(content, prefix));
      if (local !== undefined) problems.push(`${file.path} contains the path ${local}`);
    }
    for (const pattern of kind.required) {
      if (!files.some((file) => pattern.test(file.path)))
        problems.push(`no file matches ${pattern}`);
    }
    const { metadata } = kind;
    if (metadata !== undefined) {
      const manifest = files.find((file) => metadata.file.test(file.path));
      const text = manifest && readFileSync(join(directory, manifest.path), "utf8");
      if (text === undefined) problems.push(`no file matches ${metadata.file}`);
      for (const pattern of text === undefined ? [] : metadata.says(version)) {
        if (!pattern.test(text ?? ""))
          problems.push(`${manifest?.path} has nothing like ${pattern}`);
      }
    }
    return { files, problems };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Whether a text has an absolute path below a directory. `/` itself is in every path. */
function containsPath(content: string, directory: string): boolean {
  for (
    let at = content.indexOf(`${directory}/`);
    at >= 0;
    at = content.indexOf(`${directory}/`, at + 1)
  ) {
    if (directory.length > 1 && !/[\w.-]/.test(content[at - 1] ?? " ")) return true;
  }
  return false;
}
