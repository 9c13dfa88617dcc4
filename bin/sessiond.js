#!/usr/bin/env node
/** Runs sessiond in this process, so that signals and exit codes are its own. */
import "./check-node-version.js";

await import("../src/main.ts");
