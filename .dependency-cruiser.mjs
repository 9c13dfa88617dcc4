/**
 * The architecture in rules: which folder may import which. `npm run check` enforces them, for
 * imports of types too.
 */

/** Imports of one folder that are not among those it may have. */
function only(folder, may, why) {
  return {
    name: `${folder.replaceAll("/", "-")}-imports`,
    comment: why,
    severity: "error",
    from: { path: `^${folder}/` },
    to: { path: "^(src|packages|gen)/", pathNot: [folder, ...may].map((path) => `^${path}`) },
  };
}

export default {
  forbidden: [
    {
      name: "no-circles",
      comment: "No file may, through its imports, depend on itself.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    only("src/session", [], "The rules know no transport, no storage and no configuration."),
  ],
  options: {
    parser: "swc",
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^(node_modules|dist|coverage)/" },
    enhancedResolveOptions: { extensions: [".ts", ".js", ".json"] },
  },
};
