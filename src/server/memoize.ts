/**
 * Remembers the results of `compute` for the last `maxEntries` new arguments. For header values
 * that clients send again and again; the bound keeps a client from filling the memory.
 */
export function memoize<T extends NonNullable<unknown>>(
  maxEntries: number,
  compute: (text: string) => T,
): (text: string) => T {
  const results = new Map<string, T>();
  return (text) => {
    const known = results.get(text);
    if (known !== undefined) return known;
    const result = compute(text);
    if (results.size >= maxEntries) {
      // A Map iterates in insertion order, so this is the oldest entry.
      const [oldest] = results.keys();
      results.delete(oldest as string);
    }
    results.set(text, result);
    return result;
  };
}
