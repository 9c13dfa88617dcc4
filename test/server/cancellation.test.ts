import { expect } from "chai";
import { CancellationSource } from "../../src/server/cancellation.ts";

describe("a cancellation", () => {
  const listener = (told: string[], name: string) => ({ handleEvent: () => told.push(name) });

  it("tells all that listen, once, and whoever asks later", () => {
    const source = new CancellationSource();
    const told: string[] = [];
    const [one, two, three] = ["one", "two", "three"].map((name) => listener(told, name));
    for (const each of [one, two, three, one]) source.addEventListener("abort", each as never);
    expect([source.aborted, source.reason]).to.deep.equal([false, undefined]);
    expect(source.fire("gone")).to.equal(true);
    expect(source.fire("again")).to.equal(false);
    expect(told).to.deep.equal(["one", "two", "three"]);
    expect([source.aborted, source.reason]).to.deep.equal([true, "gone"]);
  });

  it("tells nobody who has stopped listening", () => {
    const source = new CancellationSource();
    const told: string[] = [];
    const [one, two, three] = ["one", "two", "three"].map((name) => listener(told, name));
    for (const each of [one, two, three]) source.addEventListener("abort", each as never);
    for (const each of [one, two]) source.removeEventListener("abort", each as never);
    source.fire("gone");
    expect(told).to.deep.equal(["three"]);
  });

  it("tells nobody whom another listener has removed, or who begins to listen meanwhile", () => {
    const source = new CancellationSource();
    const told: string[] = [];
    const [two, three, late] = ["two", "three", "late"].map((name) => listener(told, name));
    source.addEventListener("abort", {
      handleEvent() {
        told.push("one");
        source.removeEventListener("abort", two as never);
        source.addEventListener("abort", late as never);
      },
    });
    for (const each of [two, three]) source.addEventListener("abort", each as never);
    source.fire("gone");
    expect(told).to.deep.equal(["one", "three"]);
  });

  it("tells one that listens twice only once", () => {
    const source = new CancellationSource();
    const told: string[] = [];
    const [one, two] = ["one", "two"].map((name) => listener(told, name));
    for (const each of [one, two]) source.addEventListener("abort", each as never);
    source.removeEventListener("abort", one as never);
    source.addEventListener("abort", two as never);
    source.fire("gone");
    expect(told).to.deep.equal(["two"]);
  });
});
