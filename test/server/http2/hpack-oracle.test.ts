import { type IncomingHttpHeaders, sensitiveHeaders } from "node:http2";
import { expect } from "chai";
import fc from "fast-check";
import { HpackDecoder } from "../../../src/server/http2/hpack-decoder.ts";
import { encodeHeaders, HpackEncoder } from "../../../src/server/http2/hpack-encoder.ts";
import { NodePeer } from "./hpack-node-peer.ts";

/** Names of the static table and others; all of them may have any value in node:http2's client. */
const name = fc.oneof(
  fc.constantFrom("accept", "user-agent", "grpc-timeout", "via", "link", "x-a", "x-b"),
  fc.stringMatching(/^[a-z0-9!#$%&'*+.^_`|~-]{1,20}$/).map((rest) => `x-${rest}`),
);

const visible = fc.stringMatching(/^[!-~\x80-\xff]$/);
const value = fc.oneof(
  fc.constantFrom("", "0", "application/grpc", "trailers"),
  fc.stringMatching(/^[0-9]{1,8}[mun]$/),
  fc
    .tuple(visible, fc.stringMatching(/^[\t -~\x80-\xff]{0,200}$/), visible)
    .map((all) => all.join("")),
  // Some that are not worth a place in the dynamic table.
  fc.tuple(visible, fc.integer({ min: 500, max: 5000 })).map(([text, count]) => text.repeat(count)),
);

const fields = fc.uniqueArray(fc.tuple(name, value), { maxLength: 12, selector: ([key]) => key });
const tableSize = fc.oneof(fc.constantFrom(0, 31, 32, 4096, 65_536), fc.nat({ max: 10_000 }));

const limits = { tableSize: 4096, maxListSize: 100_000, maxFields: 100, memoEntries: 4 };

describe("HPACK with node:http2's client", () => {
  it("has the same Huffman code for all octets that a value may have", async () => {
    using peer = new NodePeer();
    await peer.sendSettings();
    const octets = Array.from({ length: 256 }, (_, octet) => octet);
    const permitted = octets.filter((octet) => octet === 9 || (octet >= 32 && octet !== 127));
    // The zeros are there so that the coded value is shorter: otherwise it is not coded.
    const value = `!${String.fromCharCode(...permitted)}${"0".repeat(2000)}`;
    peer.request({ "x-octets": value });
    await peer.until(() => peer.blocks.length === 1);
    const block = peer.blocks[0]?.block ?? Buffer.alloc(0);
    expect(block).to.have.length.lessThan(value.length);
    expect(new HpackDecoder(limits).decode(block, 0, block.length)?.get("x-octets")).to.equal(
      value,
    );
  });

  it("decodes what it encodes, whatever size its table has", async () => {
    const request = fc.record({
      fields,
      repeats: fc.integer({ min: 1, max: 4 }),
      sensitive: fc.boolean(),
      settings: fc.option(tableSize),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 8 }), async (requests) => {
        using peer = new NodePeer();
        await peer.sendSettings();
        const expected: string[][] = [];
        for (const { fields, repeats, sensitive, settings } of requests) {
          if (settings !== null) await peer.sendSettings(settings);
          const head = { ":method": "POST", ":scheme": "http", ":authority": "a", ":path": "/a/b" };
          const headers = { ...head, ...Object.fromEntries(fields) };
          for (let round = 0; round < repeats; round += 1) {
            peer.request(
              sensitive ? { ...headers, [sensitiveHeaders]: fields.map(([key]) => key) } : headers,
            );
            expected.push(Object.entries(headers).flat());
          }
          await peer.until(() => peer.blocks.length === expected.length);
        }
        const decoder = new HpackDecoder(limits);
        const decoded = peer.blocks.map(({ block }) => decoder.decode(block, 0, block.length)?.raw);
        expect(decoded).to.deep.equal(expected);
      }),
      { numRuns: 60 },
    );
  });

  it("is read by it, whatever size its table has", async () => {
    const response = fc.record({
      fields,
      indexed: fc.array(fc.nat({ max: 11 })),
      dated: fc.boolean(),
      settings: fc.option(tableSize),
    });
    await fc.assert(
      fc.asyncProperty(
        tableSize,
        fc.array(response, { minLength: 1, maxLength: 12 }),
        async (firstSize, responses) => {
          using peer = new NodePeer({ headerTableSize: firstSize });
          const encoder = new HpackEncoder();
          let applied = 0;
          const applySettings = async (count: number) => {
            await peer.until(() => peer.tableSizes.length >= count);
            for (const size of peer.tableSizes.slice(applied)) {
              if (size !== undefined) encoder.setTableSize(size);
            }
            applied = peer.tableSizes.length;
          };
          await peer.sendSettings();
          await applySettings(1);
          for (const { fields, indexed, dated, settings } of responses) {
            if (settings !== null) {
              const count = applied + 1;
              peer.session.settings({ headerTableSize: settings });
              await applySettings(count);
            }
            const raw = [":status", "200", ...fields.flat()];
            const names = indexed.flatMap((at) => fields[at]?.[0] ?? []);
            const encoded = encodeHeaders(raw, { indexed: names, dated });
            // Each twice: the second time from the dynamic table.
            for (let round = 0; round < 2; round += 1) {
              const before = peer.blocks.length;
              const stream = peer.request({ ":path": "/" });
              const answered = new Promise<IncomingHttpHeaders>((resolve, reject) => {
                stream.once("response", resolve).once("close", () => reject(stream.rstCode));
                stream.resume();
              });
              await peer.until(() => peer.blocks.length > before);
              const out = Buffer.alloc(encoded.maxBytes);
              const end = encoder.write(encoded, out, 0);
              expect(end).to.be.at.most(out.length);
              peer.respond(peer.blocks.at(-1)?.streamId ?? 0, out.subarray(0, end));
              const { date, ...headers } = await answered;
              expect(date !== undefined).to.equal(dated);
              expect(Object.entries(headers)).to.deep.equal([[":status", 200], ...fields]);
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
