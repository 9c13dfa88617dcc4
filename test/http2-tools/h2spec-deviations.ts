type Deviations = Readonly<Record<string, string>>;

/**
 * The cases of h2spec that sessiond answers in another way on purpose, by name, each with the reason.
 * There are none.
 */
export function deviationsOf(_: { readonly tls: boolean }): Deviations {
  return {};
}
