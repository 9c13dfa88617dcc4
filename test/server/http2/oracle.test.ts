import { once } from "node:events";
import http2 from "node:http2";
import type { Duplex } from "node:stream";
import { expect } from "chai";
import fc from "fast-check";
import { Connection } from "../../../src/server/http2/connection.ts";
import { encodeHeaders } from "../../../src/server/http2/hpack-encoder.ts";
import type { Stream } from "../../../src/server/http2/stream.ts";
import { type Cut, cutPipe } from "./fuzz/cut-pipe.ts";
import { Random } from "./fuzz/random.ts";

/** Missing in the types of node:http2. */
const { PADDING_STRATEGY_ALIGNED } = http2.constants as unknown as Record<string, number>;

type Fields = readonly (readonly [name: string, value: string])[];

interface Message {
  readonly fields: Fields;
  /** The lengths of the parts of the body. */
  readonly parts: readonly number[];
  readonly trailers: Fields;
}

interface Scenario {
  readonly settings: http2.Settings;
  readonly padding: number;
  /** Of the connection, and settings that are sent between the requests. */
  readonly window: number;
  readonly updates: readonly http2.Settings[];
  readonly exchanges: readonly { readonly request: Message; readonly response: Message }[];
  readonly cutSeed: number;
}

/** What each end has seen of an exchange. */
interface Seen {
  readonly fields: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
}

interface Result {
  readonly requests: readonly Seen[];
  readonly responses: readonly (Seen & { readonly rstCode: number })[];
}

/** A server that answers the request with `x-exchange: N` by the N-th response. */
type Serve = (socket: Duplex, responses: readonly Message[], requests: Seen[]) => void;

const bodyOf = (parts: readonly number[], seed: number) =>
  parts.map((length, index) => Buffer.alloc(length, `${seed}.${index};`));

/** Missing in the types of node:http2. */
const WITHOUT_DATE = { sendDate: false } as http2.ServerStreamResponseOptions;

const digest = (body: Buffer) => `${body.length}: ${body.toString("latin1", 0, 40)}`;

const serveWithNode: Serve = (socket, responses, requests) => {
  const server = http2.createServer({ settings: { enablePush: false } });
  server.on("sessionError", () => {});
  server.on("stream", (stream, headers, _, raw) => {
    const index = Number(headers["x-exchange"]);
    const response = responses[index] as Message;
    const chunks: Buffer[] = [];
    let trailers: readonly string[] = [];
    stream.on("error", () => {});
    stream.on("trailers", (_headers, _flags, rawTrailers: string[]) => {
      trailers = rawTrailers;
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      requests[index] = { fields: raw as string[], body: digest(Buffer.concat(chunks)), trailers };
      stream.respond(Object.fromEntries(response.fields), {
        ...WITHOUT_DATE,
        waitForTrailers: response.trailers.length > 0,
        endStream: response.parts.length === 0 && response.trailers.length === 0,
      });
      stream.on("wantTrailers", () => stream.sendTrailers(Object.fromEntries(response.trailers)));
      for (const part of bodyOf(response.parts, index)) stream.write(part);
      stream.end();
    });
  });
  server.emit("connection", socket);
};

const serveWithEngine: Serve = (socket, responses, requests) => {
  const onRequest = (stream: Stream) => {
    const index = Number(stream.headers.get("x-exchange"));
    const { fields, parts, trailers } = responses[index] as Message;
    const chunks: Buffer[] = [];
    stream.receiver = {
      onData(buffer, start, end, last) {
        chunks.push(Buffer.from(buffer.subarray(start, end)));
        stream.consume(end - start);
        if (!last) return;
        requests[index] = {
          fields: stream.headers.raw,
          body: digest(Buffer.concat(chunks)),
          trailers: stream.trailers?.raw ?? [],
        };
        const head = encodeHeaders(fields.flat(), { indexed: ["x-a", "content-type"] });
        const tail = trailers.length === 0 ? undefined : encodeHeaders(trailers.flat());
        if (parts.length < 2) {
          stream.respond(head, bodyOf(parts, index)[0], tail);
          return;
        }
        stream.sendHeaders(head);
        for (const part of bodyOf(parts, index)) stream.write(part);
        stream.end(tail);
      },
      onClose() {},
    };
  };
  new Connection(socket, {
    maxConcurrentStreams: 100,
    maxHeaderListSize: 64 * 1024,
    maxHeaders: 200,
    settingsTimeoutMs: 60_000,
    stallTimeoutMs: 60_000,
    onRequest,
    onError: (error) => {
      throw error;
    },
    onClose() {},
  });
};

async function play(scenario: Scenario, serve: Serve): Promise<Result> {
  const random = new Random(scenario.cutSeed);
  const cut: Cut = (rest) => (random.oneIn(2) ? rest : random.between(1, 50));
  const { client, server } = cutPipe(cut);
  const requests: Seen[] = [];
  serve(
    server,
    scenario.exchanges.map(({ response }) => response),
    requests,
  );
  const session = http2.connect("http://oracle.test", {
    createConnection: () => client,
    settings: scenario.settings,
    paddingStrategy: scenario.padding,
  });
  session.on("error", () => {});
  try {
    await once(session, "remoteSettings");
    session.setLocalWindowSize(scenario.window);
    const responses = await Promise.all(
      scenario.exchanges.map(({ request }, index) => {
        const update = scenario.updates[index];
        if (update !== undefined) session.settings(update);
        return call(session, request, index);
      }),
    );
    return { requests, responses };
  } finally {
    session.destroy();
  }
}

function call(session: http2.ClientHttp2Session, request: Message, index: number) {
  const stream = session.request(
    { ...Object.fromEntries(request.fields), "x-exchange": String(index) },
    {
      endStream: request.parts.length === 0 && request.trailers.length === 0,
      waitForTrailers: request.trailers.length > 0,
    },
  );
  stream.on("wantTrailers", () => stream.sendTrailers(Object.fromEntries(request.trailers)));
  if (request.parts.length > 0 || request.trailers.length > 0) {
    for (const part of bodyOf(request.parts, index)) stream.write(part);
    stream.end();
  }
  let fields: readonly string[] = [];
  let trailers: readonly string[] = [];
  const chunks: Buffer[] = [];
  stream.on("response", (_headers, _flags, raw: string[]) => {
    fields = raw;
  });
  stream.on("trailers", (_headers, _flags, raw: string[]) => {
    trailers = raw;
  });
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("error", () => {});
  return new Promise<Result["responses"][number]>((resolve) => {
    stream.once("close", () => {
      const body = digest(Buffer.concat(chunks));
      resolve({ fields, body, trailers, rstCode: stream.rstCode });
    });
  });
}

const name = fc.oneof(
  fc.constantFrom("x-a", "cookie", "user-agent", "accept", "content-type", "grpc-timeout"),
  fc.stringMatching(/^x-[a-z0-9!#$%&'*+.^_`|~-]{1,20}$/),
);
const value = fc.oneof(
  fc.constantFrom("", "a", "v".repeat(200), "v".repeat(5000), "\u00e9", "a\tb"),
  fc.stringMatching(/^[!-~]([ -~]{0,40}[!-~])?$/),
);
const fields: fc.Arbitrary<Fields> = fc.uniqueArray(fc.tuple(name, value), {
  maxLength: 8,
  selector: ([key]) => key,
});
const parts = fc.array(fc.constantFrom(1, 100, 16_383, 16_384, 16_385, 70_000), { maxLength: 4 });
const trailers = fc.oneof(fc.constant<Fields>([]), fields);
const message = (pseudo: fc.Arbitrary<Fields>): fc.Arbitrary<Message> =>
  fc.record({ pseudo, fields, parts, trailers }).map((made) => ({
    fields: [...made.pseudo, ...made.fields],
    parts: made.parts,
    trailers: made.trailers.map(([key, text]) => [`${key}-end`, text] as const),
  }));
const settings = fc.record(
  {
    headerTableSize: fc.constantFrom(0, 100, 4096, 65_536),
    initialWindowSize: fc.constantFrom(1000, 65_535, 1_000_000),
    maxFrameSize: fc.constantFrom(16_384, 100_000),
  },
  { requiredKeys: [] },
);
const request = message(
  fc.constantFrom<Fields>(
    [
      [":method", "POST"],
      [":path", "/a"],
    ],
    [
      [":method", "PUT"],
      [":path", "/a?b=c"],
      [":authority", "other.test:1"],
    ],
  ),
);
const response = message(
  fc.constantFrom("200", "404", "500").map((code): Fields => [[":status", code]]),
);
const scenario: fc.Arbitrary<Scenario> = fc.record({
  settings,
  padding: fc.constantFrom(
    http2.constants.PADDING_STRATEGY_NONE,
    http2.constants.PADDING_STRATEGY_MAX,
    PADDING_STRATEGY_ALIGNED as number,
  ),
  window: fc.constantFrom(65_535, 70_000, 1_000_000),
  updates: fc.array(settings, { maxLength: 3 }),
  exchanges: fc.array(fc.record({ request, response }), { minLength: 1, maxLength: 5 }),
  cutSeed: fc.nat(),
});

const RUNS = 60;

describe("the HTTP/2 engine and node:http2's server", () => {
  it("are compared in all that they see and send", async () => {
    const exchange = {
      request: {
        fields: [
          [":method", "POST"],
          [":path", "/"],
          ["x-a", "1"],
        ],
        parts: [5],
        trailers: [["t", "1"]],
      },
      response: {
        fields: [
          [":status", "200"],
          ["x-a", "2"],
        ],
        parts: [100],
        trailers: [["u", "2"]],
      },
    } satisfies Scenario["exchanges"][number];
    const exchanges = [exchange];
    const made = { settings: {}, padding: 0, window: 65_535, updates: [], exchanges, cutSeed: 1 };
    const { requests, responses } = await play(made, serveWithEngine);
    const pseudo = [
      ":path",
      "/",
      ":method",
      "POST",
      ":authority",
      "oracle.test:80",
      ":scheme",
      "http",
    ];
    expect(requests[0]?.fields).to.have.members([...pseudo, "x-a", "1", "x-exchange", "0"]);
    expect(requests[0]).to.deep.include({ body: "5: 0.0;0", trailers: ["t", "1"] });
    expect(responses).to.deep.equal([
      {
        fields: [":status", "200", "x-a", "2"],
        body: `100: ${"0.0;".repeat(10)}`,
        trailers: ["u", "2"],
        rstCode: 0,
      },
    ]);
  });

  it("give node:http2's client the same, whatever it sends and however that is cut", async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (made) => {
        const expected = await play(made, serveWithNode);
        const got = await play(made, serveWithEngine);
        expect(expected.responses.every(({ rstCode }) => rstCode === 0)).to.equal(true);
        expect(got).to.deep.equal(expected);
      }),
      { numRuns: RUNS, seed: 1 },
    );
  });
});
