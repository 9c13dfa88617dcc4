/**
 * Bundles sessiond and the libraries that it uses into dist/, for the npm package and the image:
 * main.js, healthcheck.js, their source maps, and the licenses of the libraries.
 */
import { globSync, readFileSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { build, type Metafile, type Plugin } from "esbuild";
import packageJson from "../package.json" with { type: "json" };

const root = join(import.meta.dirname, "..");
const outdir = join(root, "dist");

/**
 * Maps each file of a library to its name, without lines, and sessiond's own files exactly. Node
 * parses a source map when it first formats a stack trace; with the lines of all libraries, that
 * would stop a serving process for a quarter of a second.
 */
const libraryNamesOnly: Plugin = {
  name: "library-names-only",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]node_modules[\\/].*\.[cm]?js$/ }, async ({ path }) => {
      const code = (await readFile(path, "utf8")).replace(/^\/\/# sourceMappingURL=.*/gm, "");
      // The first line, from there to the next mapping.
      const map = { version: 3, sources: [basename(path)], mappings: "AAAA" };
      const url = `data:application/json;base64,${Buffer.from(JSON.stringify(map)).toString("base64")}`;
      return { contents: `${code}\n//# sourceMappingURL=${url}`, loader: "js" };
    });
  },
};

/** The files of each library, both relative to the project. */
function librariesIn({ inputs }: Metafile): [directory: string, files: string[]][] {
  const libraries = Object.groupBy(
    Object.keys(inputs),
    (path) => /.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? "",
  );
  delete libraries[""];
  return Object.entries(libraries as Record<string, string[]>).sort(([one], [other]) =>
    one < other ? -1 : 1,
  );
}

function licenseOf([directory, files]: [directory: string, files: string[]]): string {
  const path = join(root, directory);
  const read = (file: string) => readFileSync(join(path, file), "utf8");
  const { name, version, license, repository } = JSON.parse(read("package.json"));
  const licenseFiles = globSync("{LICEN[CS]E,[Ll]icen[cs]e,NOTICE}*", { cwd: path }).sort();
  const texts = licenseFiles.map((file) => read(file).trim());
  if (texts.length === 0) texts.push(...licenseTextsIn(read("README.md"), files));
  if (texts.length === 0) texts.push(`Its package has no license text. See ${repository.url}`);
  return [`${name} ${version} (${license})`, ...texts].join("\n\n");
}

/** For a library without a file of its own: from its README, and from the tops of its files. */
function licenseTextsIn(readme: string, files: readonly string[]): string[] {
  const [section] = /^#+ licen[cs]e\n[\s\S]*?(?=^#|(?![\s\S]))/im.exec(readme) ?? [];
  const tops = files.map((file) => {
    const [comment = ""] =
      /^(\/\/.*\n)+|^\/\*[\s\S]*?\*\//.exec(readFileSync(join(root, file), "utf8")) ?? [];
    return /copyright/i.test(comment) ? comment.trim() : undefined;
  });
  return [...new Set([section?.trim(), ...tops])].filter((text) => text !== undefined);
}

await rm(outdir, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: ["src/main.ts", "src/healthcheck.ts"],
  outdir,
  bundle: true,
  platform: "node",
  define: { "process.env.BUILD_COMMIT": JSON.stringify(process.env.BUILD_COMMIT ?? "") },
  format: "esm",
  target: packageJson.engines.node.replace(">=", "node"),
  // pg loads it only if somebody asks for the native driver.
  external: ["pg-native"],
  // CommonJS libraries require Node's own modules.
  banner: {
    js: `import { createRequire as createBundleRequire } from "node:module";
const require = createBundleRequire(import.meta.url);`,
  },
  sourcemap: true,
  sourcesContent: false,
  legalComments: "none",
  metafile: true,
  plugins: [libraryNamesOnly],
  logLevel: "warning",
});
const separator = `\n\n${"-".repeat(80)}\n\n`;
const licenses = librariesIn(metafile).map(licenseOf).join(separator);
await writeFile(join(outdir, "THIRD-PARTY-LICENSES.txt"), `${licenses}\n`);
