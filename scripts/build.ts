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

/** The libraries' directories, relative to the project. */
function librariesIn({ inputs }: Metafile): string[] {
  const directories = Object.keys(inputs).flatMap(
    (path) => /.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? [],
  );
  return [...new Set(directories)].sort();
}

function licenseOf(directory: string): string {
  const path = join(root, directory);
  const { name, version, license } = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
  const files = globSync("{LICEN[CS]E,licen[cs]e,NOTICE}*", { cwd: path }).sort();
  const texts = files.map((file) => readFileSync(join(path, file), "utf8").trim());
  return [`${name} ${version} (${license})`, ...texts].join("\n\n");
}

await rm(outdir, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: ["src/main.ts", "src/healthcheck.ts"],
  outdir,
  bundle: true,
  platform: "node",
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
