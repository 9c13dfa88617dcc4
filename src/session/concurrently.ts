/**
 * Does the work for each item, for at most `limit` of them at a time. After a failure it begins with no
 * further item, waits for the work that has begun, and rejects with the first failure.
 */
export async function forEachConcurrently<T>(
  items: AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.asyncIterator]();
  let failure: { readonly error: unknown } | undefined;

  async function worker(): Promise<void> {
    try {
      while (failure === undefined) {
        const { done, value } = await iterator.next();
        if (done) return;
        await work(value);
      }
    } catch (error) {
      failure ??= { error };
    }
  }

  await Promise.all(Array.from({ length: limit }, worker));
  if (failure === undefined) return;
  await iterator.return?.();
  throw failure.error;
}
