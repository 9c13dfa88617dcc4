import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { expect } from "chai";
import { ErrorInfoSchema } from "../../gen/es/google/rpc/error_details_pb.ts";
import {
  type SessionService,
  ValidateResponseSchema,
} from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { useFastPathPairs } from "../support/fast-path-pair.ts";

type Validate = ServiceImpl<typeof SessionService>["validate"];
type Case = [string, Validate, Code | 0];

const codes = Object.values(Code).filter((code) => typeof code === "number");
const throwing = (error: unknown) => (): never => {
  throw error;
};
const refusal = (message: string, code = Code.FailedPrecondition) =>
  new ConnectError(message, code);

function withDetails(error: ConnectError): ConnectError {
  const value = { reason: "SOME_REASON", domain: "sessiond", metadata: { field: "é" } };
  error.details.push({ desc: ErrorInfoSchema, value });
  error.details.push({ type: "google.rpc.Unknown", value: Uint8Array.of(8, 1) });
  return error;
}

function withMetadata(error: ConnectError, metadata: [string, string][]): ConnectError {
  for (const [name, value] of metadata) error.metadata.append(name, value);
  return error;
}

const answers: Case[] = [
  ["an init object", () => ({ session: { id: "a" } }), 0],
  ["a promise", async () => ({ session: { id: "a" } }), 0],
  ["a message", () => create(ValidateResponseSchema, { secondsLeft: 7 }), 0],
  ["an empty message", () => ({}), 0],
  ["nothing at all", () => undefined as never, 0],
  ["a large response", () => ({ session: { id: "a".repeat(300_000) } }), 0],
  [
    "a response that is too large",
    () => ({ session: { id: "a".repeat(4 * 1024 * 1024) } }),
    Code.ResourceExhausted,
  ],
  ["a number out of range", () => ({ secondsLeft: -1 }), Code.Internal],
  ["a value of another type", () => ({ secondsLeft: "many" as never }), Code.Internal],
];

const failures: Case[] = [
  ...codes.map(
    (code): Case => [
      Code[code] as string,
      throwing(
        withMetadata(withDetails(refusal("no", code)), [
          ["x-text", "a, b"],
          ["x-text", "c"],
          ["x-bytes-bin", "AAEC"],
        ]),
      ),
      code,
    ],
  ),
  ["a message with every kind of character", throwing(refusal("é €😀 \r\n\t\0 % , \x7f ~")), 9],
  ["an empty message", throwing(refusal("")), Code.FailedPrecondition],
  ["a long message", throwing(refusal("é".repeat(500))), Code.FailedPrecondition],
  ["a rejection", () => Promise.reject(refusal("no")), Code.FailedPrecondition],
  ["an Error", throwing(new Error("a secret")), Code.Internal],
  ["what is not an error", throwing("a secret"), Code.Internal],
  ["an AbortError", throwing(AbortSignal.abort().reason), Code.Internal],
  [
    "metadata that belongs to the protocol",
    throwing(
      withMetadata(refusal("no"), [
        ["grpc-status", "0"],
        ["grpc-message", "yes"],
        ["content-type", "text/plain"],
        ["x-kept", "1"],
      ]),
    ),
    Code.FailedPrecondition,
  ],
  [
    "headers and trailers beside the failure",
    (_, { responseHeader, responseTrailer }) => {
      responseHeader.set("x-header", "1");
      responseTrailer.set("x-trailer", "1");
      throw withMetadata(refusal("no"), [["x-trailer", "2"]]);
    },
    Code.FailedPrecondition,
  ],
];

const metadata: [string, [string, string][]][] = [
  ["one value", [["x-one", "1"]]],
  [
    "several values",
    [
      ["x-many", "1"],
      ["x-many", "2"],
    ],
  ],
  ["bytes", [["x-bytes-bin", "AAEC"]]],
  [
    "bytes twice",
    [
      ["x-bytes-bin", "AAEC"],
      ["x-bytes-bin", "AQ"],
    ],
  ],
  ["an empty value", [["x-empty", ""]]],
  ["Latin-1", [["x-latin", "\xe9"]]],
  [
    "cookies",
    [
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
    ],
  ],
  ["capitals", [["X-Capital", "A"]]],
  ["a date", [["date", "yesterday"]]],
];

describe("the fast path against Connect: handlers", () => {
  const pairs = useFastPathPairs();

  async function check(validate: Validate, code: Code | 0) {
    const pair = await pairs.pair(() => ({ service: { validate } }));
    const answer = await pairs.compare(pair);
    expect(pair.fastPath.servedBy).to.deep.equal(["fast-path"]);
    expect(pair.connect.servedBy).to.deep.equal(["connect"]);
    expect(answer.trailers).to.include(`grpc-status: ${code}`);
    return answer;
  }

  for (const [name, validate, code] of answers) {
    it(`answers ${name} alike`, async () => {
      await check(validate, code);
    });
  }

  for (const [name, validate, code] of failures) {
    it(`fails alike with ${name}`, async () => {
      const answer = await check(validate, code);
      expect(JSON.stringify(answer)).not.to.contain("a secret");
      expect(answer.error?.code).to.equal(code);
    });
  }

  it("keeps the details of a failure", async () => {
    const answer = await check(throwing(withDetails(refusal("no"))), Code.FailedPrecondition);
    expect(answer.error?.details).to.have.length(2);
    expect(answer.error?.details[1]).to.deep.equal({
      type: "google.rpc.Unknown",
      value: Uint8Array.of(8, 1),
    });
  });

  for (const [name, values] of metadata) {
    for (const place of ["responseHeader", "responseTrailer"] as const) {
      it(`sends ${name} alike in ${place}`, async () => {
        const answer = await check((_, context) => {
          for (const [key, value] of values) context[place].append(key, value);
          return {};
        }, 0);
        const sent = place === "responseHeader" ? answer.headers : answer.trailers;
        expect(sent.join()).to.contain(values[0]?.[0].toLowerCase());
      });
    }
  }

  for (const [name, value] of [
    ["keep-alive", "1"],
    ["x-too-long", "a".repeat(100_000)],
  ] as const) {
    it(`ends a call alike whose handler set the header ${name}`, async () => {
      const pair = await pairs.pair(() => ({
        service: {
          validate: (_, { responseHeader }) => {
            responseHeader.set(name, value);
            return {};
          },
        },
      }));
      const answer = await pairs.compare(pair);
      expect(answer.headers).to.deep.equal([]);
      expect(pair.fastPath.servedBy).to.deep.equal(["fast-path"]);
    });
  }

  for (const place of ["responseHeader", "responseTrailer"] as const) {
    for (const [name, value] of [
      ["content-type", "text/plain"],
      ["grpc-status", "5"],
      ["grpc-message", "why not, say"],
    ] as const) {
      it(`treats a ${name} alike that the handler puts into ${place}`, async () => {
        const pair = await pairs.pair(() => ({
          service: {
            validate: (_, context) => {
              context[place].set(name, value);
              return {};
            },
          },
        }));
        await pairs.compare(pair);
        expect(pair.fastPath.servedBy).to.deep.equal(["fast-path"]);
      });
    }
  }
});
