#!/usr/bin/env node
/** Runs sessiond in this process, so that signals and exit codes are its own. */
import "./check-node-version.js";
import { existsSync } from "node:fs";
import module from "node:module";

// A checkout has the sources, the npm package the bundle that was made of them.
const sources = new URL("../src/main.ts", import.meta.url);
if (existsSync(sources)) await import(sources.href);
else {
  module.setSourceMapsSupport(true, { nodeModules: true });
  await import("../dist/main.js");
}
