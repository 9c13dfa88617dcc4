/**
 * The architecture as rules: which folder may import which. `npm run check` enforces them, also for
 * imports of types. docs/ARCHITECTURE.md has the same rules as a picture.
 */

import swcVisitor from "@swc/core/Visitor.js";

// swc's visitor does not know `await using` yet and throws. It declares variables like `const`.
const { Visitor } = swcVisitor;
const { visitStatement } = Visitor.prototype;
Visitor.prototype.visitStatement = function (statement) {
  if (statement.type !== "UsingDeclaration") return visitStatement.call(this, statement);
  this.visitVariableDeclarators(statement.decls);
  return statement;
};

/** The files at the top of src that put the parts together and so may import all of them. */
const TOP =
  "^src/(main|primary|worker|worker-messages|app|app-log|app-tracing|routes|call-observer|banner|healthcheck|local-url|embedded-database|tls-files|unreadable-key-log|prepare-signing-keys|open-encrypted-storage|observability|workers-observability|token-keys|sweeps|doctor-checks)\\.ts$";

/** Where the process of the service and that of its health check begin. */
const ENTRY_POINTS = "^src/(main|healthcheck)\\.ts$";

/** The folder may import itself, what is in `allowed`, and nothing else of this project. */
function only(folder, allowed, comment) {
  return {
    name: `${folder.replaceAll("/", "-")}-imports`,
    comment,
    severity: "error",
    from: { path: `^${folder}/` },
    to: {
      path: "^(src|packages|gen|clients)/",
      pathNot: [folder, ...allowed].map((path) => `^${path}/`),
    },
  };
}

/** Only the given folders may import these npm packages. */
function onlyIn(folders, packages, name, comment) {
  return {
    name,
    comment,
    severity: "error",
    from: { path: "^(src|packages)/", pathNot: [...folders, "packages/[^/]+/test/"] },
    to: { path: `^node_modules/(${packages.join("|")})/` },
  };
}

export default {
  forbidden: [
    {
      name: "no-circles",
      comment: "No file may depend on itself through its imports.",
      severity: "error",
      from: {},
      to: { circular: true },
    },

    only("src/session", [], "The rules know no protocol, no storage and no configuration."),
    only(
      "src/server",
      ["src/files", "src/wire"],
      "The server is generic: it knows nothing of sessions, not even gen/.",
    ),
    only("src/storage", ["src/session"], "The storage implements the interfaces of src/session."),
    only("src/storage/pg", ["src/session"], "What all stores use knows none of them."),
    only("src/storage/schema", [], "Migrations stay as they are, whatever becomes of the code."),
    only("src/storage/audit", ["src/session", "src/storage/pg"], "The audit knows no other store."),
    ...["sessions", "signing-keys", "token-keys"].map((store) =>
      only(
        `src/storage/${store}`,
        ["src/session", "src/storage/pg", "src/storage/audit"],
        "A store knows the audit, since changes are audited, and no other store.",
      ),
    ),
    only("src/storage/sweep", ["src/session", "src/storage/pg"], "The sweep is SQL on all tables."),
    only(
      "src/rpc",
      ["src/session", "src/callers", "src/wire", "gen"],
      "The services map messages to the rules and back, for the callers that may call them.",
    ),
    only("src/callers", ["src/files"], "Who calls is decided without sessions, SQL and protocols."),
    only(
      "src/config",
      ["src/session", "src/files"],
      "The configuration has the types of src/session, and checks what files hold.",
    ),
    {
      name: "src-commands-imports",
      comment: "A command is a way into the rules, as src/rpc is, without a server.",
      severity: "error",
      from: { path: "^src/commands/" },
      to: {
        path: "^(src|packages|gen|clients)/",
        pathNot: ["^src/(commands|callers|config|session)/", "^src/open-encrypted-storage\\.ts$"],
      },
    },
    {
      name: "src-cli-imports",
      comment: "The command line is a client of the service, and runs the commands that need none.",
      severity: "error",
      from: { path: "^src/cli/" },
      to: {
        path: "^(src|packages|gen|clients)/",
        pathNot: [
          "^src/(cli|callers|commands|config|session)/",
          "^src/(open-encrypted-storage|doctor-checks|local-url)\\.ts$",
          "^gen/",
          "^clients/typescript/src/",
        ],
      },
    },
    only("src/log", [], "What is logged is told by the others."),
    only("src/metrics", [], "What is measured is told by the others."),
    only("src/tracing", [], "What is traced is told by the others."),
    only("src/tokens", ["src/session"], "Signs what src/session says is in a token."),
    only("src/jobs", [], "A job is told what to run."),
    only("src/wire", [], "How Protobuf is written depends on no message."),
    only("src/files", [], "Reading files knows nothing of what is in them."),
    only("src/vault", ["src/session"], "A key management service implements KeyWrapper."),
    only("gen", [], "Generated code stands alone."),
    only("packages", [], "A package knows nothing of sessiond."),
    only("clients/typescript/src", ["gen"], "A client has the contract only, never the service."),
    {
      name: "top-of-src-imports",
      comment: "Of the files at the top of src, only those in TOP import the folders.",
      severity: "error",
      from: { path: "^src/[^/]+$", pathNot: TOP },
      to: { path: "^(src/[^/]+|packages|gen)/" },
    },
    {
      name: "packages-by-index",
      comment: "What a package offers is in its index.ts.",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^packages/", pathNot: "^packages/[^/]+/index\\.ts$" },
    },

    {
      name: "no-tools",
      comment: "The service and its client do not use the tests, the benchmark or the scripts.",
      severity: "error",
      from: { path: "^(src|packages|gen|clients/typescript/src)/" },
      to: { path: "^(test|bench|scripts|examples)/" },
    },
    {
      name: "no-dev-dependencies",
      comment: "The image has the production dependencies only.",
      severity: "error",
      from: { path: "^(src|packages|gen)/", pathNot: "^packages/[^/]+/test/" },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"] },
    },
    {
      name: "unresolvable",
      comment: "Every import leads to a file.",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: "session-libraries",
      comment: "The rules need no library but Node's own.",
      severity: "error",
      from: { path: "^src/session/" },
      to: { path: "^node_modules/" },
    },
    onlyIn(["^src/storage/", "^packages/"], ["pg", "typeorm"], "sql", "SQL is in src/storage."),
    onlyIn(
      ["^src/(callers|tokens)/"],
      ["jose"],
      "jwt",
      "JWTs are verified in src/callers, and signed in src/tokens.",
    ),
    onlyIn(["^src/metrics/"], ["@prometheus-io"], "metrics", "Metrics are in src/metrics."),
    onlyIn(["^src/tracing/"], ["@opentelemetry"], "traces", "Traces are in src/tracing."),
    onlyIn(["^src/cli/"], ["commander"], "command-line", "Arguments are parsed in src/cli."),
    {
      name: "http2",
      comment: "HTTP/2 is served by src/server/http2, and spoken by no other part.",
      severity: "error",
      from: { path: "^(src|packages)/" },
      to: { path: "^(node:)?http2$" },
    },
    only("src/server/http2", [], "The engine knows HTTP/2, and neither gRPC nor the server."),
    onlyIn(
      ["^src/(rpc|server|cli)/", TOP],
      ["@connectrpc", "@bufbuild"],
      "rpc-libraries",
      "Protocols are served by src/rpc and src/server, and called by src/cli.",
    ),
    {
      name: "no-unused-files",
      comment: "Every file of the service is used by one of its entry points.",
      severity: "error",
      from: { path: ENTRY_POINTS },
      to: {
        path: "^(src|packages)/",
        pathNot: [ENTRY_POINTS, "^packages/[^/]+/test/"],
        reachable: false,
      },
    },
  ],
  options: {
    // TypeScript 7 has no API yet. With swc, `import type` counts like any import; only a type that
    // is written as import("./file.ts").Name is not seen.
    parser: "swc",
    combinedDependencies: true,
    doNotFollow: { path: "node_modules" },
    exclude: { path: ["^(dist|coverage)/", "^clients/typescript/dist/"] },
    enhancedResolveOptions: {
      extensions: [".ts", ".js", ".json"],
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default"],
    },
  },
};
