/**
 * Generates gen/ from the .proto files: ours and those that packages ship. With --check, fails if
 * what is committed differs from what would be generated.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const buf = join(root, "node_modules", ".bin", "buf");

function generate(output: string): void {
  execFileSync(buf, ["generate", "--output", output], { cwd: root, stdio: "inherit" });
}

if (!process.argv.includes("--check")) {
  generate(root);
} else {
  const directory = mkdtempSync(join(tmpdir(), "sessiond-gen-"));
  try {
    generate(directory);
    execFileSync("diff", ["-r", join(directory, "gen"), join(root, "gen")], { stdio: "inherit" });
  } catch {
    console.error("gen/ is not what the .proto files make of it: run npm run generate");
    process.exitCode = 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
