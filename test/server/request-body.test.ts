import { Code, type ConnectError } from "@connectrpc/connect";
import { expect } from "chai";
import fc from "fast-check";
import { RequestBody } from "../../src/server/request-body.ts";
import { failureOf } from "../support/transport.ts";

describe("the body of an HTTP/2 request", () => {
  function create() {
    const consumed: number[] = [];
    const body = new RequestBody((bytes) => consumed.push(bytes));
    const add = (bytes: Uint8Array, last = false) => body.add(bytes, 0, bytes.length, last);
    return { body, add, consumed };
  }

  it("is one part, however many frames it came in, and is consumed when it is read", async () => {
    const { body, add, consumed } = create();
    const sent = Buffer.from(Array.from({ length: 10_000 }, (_, index) => index % 251));
    for (const byte of sent) add(Buffer.of(byte));
    add(Buffer.alloc(0), true);
    expect(consumed).to.deep.equal([]);

    const parts = await Array.fromAsync(body.read());
    expect(parts.map((part) => Buffer.from(part))).to.deep.equal([sent]);
    expect(consumed).to.deep.equal([10_000]);
  });

  it("is what was sent, whenever it is read, and none of the buffers it came in (property)", async () => {
    const steps = fc.array(
      fc.oneof(fc.uint8Array({ maxLength: 50 }), fc.constant("read" as const)),
    );
    await fc.assert(
      fc.asyncProperty(steps, async (taken) => {
        const { body, add, consumed } = create();
        const reader = body.read();
        const sent = taken.filter((step) => step !== "read").map((bytes) => Buffer.from(bytes));
        const reads: Promise<IteratorResult<Uint8Array, unknown>>[] = [];
        for (const step of taken) {
          if (step === "read") {
            reads.push(reader.next());
            await undefined;
          } else {
            add(step);
            step.fill(0);
          }
        }
        add(Buffer.alloc(0), true);
        const read = (await Promise.all(reads)).flatMap(({ value }) =>
          value === undefined ? [] : [value as Uint8Array],
        );
        for await (const part of reader) read.push(part);
        expect(Buffer.concat(read).equals(Buffer.concat(sent))).to.equal(true);
        expect(consumed).to.deep.equal(read.map(({ length }) => length));
      }),
    );
  });

  it("fails for a reader whose client has gone, after what has come", async () => {
    const { body, add } = create();
    const reader = body.read();
    add(Buffer.of(1));
    body.close();
    expect((await reader.next()).value).to.deep.equal(Buffer.of(1));
    const failure = await failureOf<ConnectError>(reader.next());
    expect(failure.code).to.equal(Code.Canceled);
  });
});
