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
});
