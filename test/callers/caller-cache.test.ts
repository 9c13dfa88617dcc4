import { expect } from "chai";
import { anonymousCaller } from "../../src/callers/caller.ts";
import { CallerCache } from "../../src/callers/caller-cache.ts";

describe("cache of callers", () => {
  const caller = anonymousCaller({ address: "192.0.2.1", network: "192.0.2.1", connection: 1 });
  const header = (name: string) => `Bearer ${name.padStart(60, ".")}`;

  /** Which of the headers are known. */
  function known(cache: CallerCache, ...names: readonly string[]): readonly string[] {
    return names.filter((name) => cache.get(header(name), 0) !== undefined);
  }

  it("compares the whole header, and ends with the expiry", () => {
    const cache = new CallerCache(10);
    cache.set(header("a"), caller, 1000);
    expect(cache.get(header("a"), 999)).to.equal(caller);
    expect(cache.get(header("a"), 1000)).to.equal(undefined);
    expect(cache.get(`x${header("a")}`, 0)).to.equal(undefined);
    cache.clear();
    expect(cache.get(header("a"), 0)).to.equal(undefined);
  });

  it("forgets what was not used, not what is in use", () => {
    const cache = new CallerCache(3);
    for (const name of ["a", "b", "c"]) cache.set(header(name), caller, 1000);
    expect(known(cache, "a", "c")).to.deep.equal(["a", "c"]);
    cache.set(header("d"), caller, 1000);
    expect(known(cache, "a", "b", "c", "d")).to.deep.equal(["a", "c", "d"]);
    // All were used: the next one in turn goes.
    cache.set(header("e"), caller, 1000);
    expect(known(cache, "a", "b", "c", "d", "e")).to.deep.equal(["a", "d", "e"]);
  });

  it("forgets no other one when an entry is renewed, which then counts as new", () => {
    const renewed = (name: string) => {
      const cache = new CallerCache(2);
      for (const each of ["a", "b", name]) cache.set(header(each), caller, 1000);
      return cache;
    };
    expect(known(renewed("b"), "a", "b")).to.deep.equal(["a", "b"]);
    const cache = renewed("a");
    cache.set(header("c"), caller, 1000);
    expect(known(cache, "a", "b", "c")).to.deep.equal(["a", "c"]);
  });
});
