import { constants } from "node:http2";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { expect } from "chai";
import { ErrorInfoSchema } from "../../gen/es/google/rpc/error_details_pb.ts";
import {
  type SessionService,
  ValidateResponseSchema,
} from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { sendMessage } from "../support/exchange.ts";
import { expectServedBy, useFastPathPairs } from "../support/fast-path-pair.ts";
import { cookieOf } from "../support/transport.ts";

type Validate = ServiceImpl<typeof SessionService>["validate"];
type Case = [string, Validate, Code | 0];
type Metadata = [string, string][];

const failWith = (error: unknown) => (): never => {
  throw error;
};

function failure(message: string, code = Code.FailedPrecondition, metadata: Metadata = []) {
  return new ConnectError(message, code, new Headers(metadata));
}

function withDetails(error: ConnectError): ConnectError {
  const value = { reason: "SOME_REASON", domain: "sessiond", metadata: { field: "é" } };
  error.details.push({ desc: ErrorInfoSchema, value });
  error.details.push({ type: "google.rpc.Unknown", value: Uint8Array.of(8, 1) });
  return error;
}

const tooLarge = "a".repeat(4 * 1024 * 1024);
const results: Case[] = [
  ["an init object", () => ({ session: { id: "a" } }), 0],
  ["a promise", async () => ({ session: { id: "a" } }), 0],
  ["a message", () => create(ValidateResponseSchema, { secondsLeft: 7 }), 0],
  ["an empty message", () => ({}), 0],
  ["undefined", () => undefined as never, 0],
  ["a large response", () => ({ session: { id: "a".repeat(300_000) } }), 0],
  ["too large a response", () => ({ session: { id: tooLarge } }), Code.ResourceExhausted],
  ["a number out of range", () => ({ secondsLeft: -1 }), Code.Internal],
  ["a value of another type", () => ({ secondsLeft: "many" as never }), Code.Internal],
];

const repeatedMetadata: Metadata = [
  ["x-text", "a, b"],
  ["x-text", "c"],
  ["x-bytes-bin", "AAEC"],
];
const protocolMetadata: Metadata = [
  ["grpc-status", "0"],
  ["grpc-message", "yes"],
  ["content-type", "text/plain"],
  ["x-kept", "1"],
];
const codes = Object.values(Code).filter((code) => typeof code === "number");
const failures: Case[] = [
  ...codes.map((code): Case => {
    const error = withDetails(failure("no", code, repeatedMetadata));
    return [Code[code] as string, failWith(error), code];
  }),
  ["a message with all kinds of characters", failWith(failure("é €😀 \r\n\t\0 % , \x7f ~")), 9],
  ["an empty message", failWith(failure("")), Code.FailedPrecondition],
  ["a long message", failWith(failure("é".repeat(500))), Code.FailedPrecondition],
  ["a rejection", () => Promise.reject(failure("no")), Code.FailedPrecondition],
  ["an Error", failWith(new Error("a secret")), Code.Internal],
  ["a thrown string", failWith("a secret"), Code.Internal],
  ["an AbortError", failWith(AbortSignal.abort().reason), Code.Internal],
  ["metadata of the protocol", failWith(failure("no", 9, protocolMetadata)), 9],
  [
    "headers and trailers set before",
    (_, { responseHeader, responseTrailer }) => {
      responseHeader.set("x-header", "1");
      responseTrailer.set("x-trailer", "1");
      throw failure("no", Code.FailedPrecondition, [["x-trailer", "2"]]);
    },
    Code.FailedPrecondition,
  ],
];

/** Each name with its values. */
const metadata: [string, string, ...string[]][] = [
  ["one value", "x-one", "1"],
  ["several values", "x-many", "1", "2"],
  ["bytes", "x-bytes-bin", "AAEC"],
  ["bytes twice", "x-bytes-bin", "AAEC", "AQ"],
  ["an empty value", "x-empty", ""],
  ["Latin-1", "x-latin", "\xe9"],
  ["cookies", "set-cookie", "a=1", "b=2"],
  ["capitals", "X-Capital", "A"],
  ["a date", "date", "yesterday"],
];

const places = ["responseHeader", "responseTrailer"] as const;

describe("fast path compared with Connect: responses", () => {
  const pairs = useFastPathPairs();

  async function compare(validate: Validate) {
    const pair = await pairs.pair(() => ({ service: { validate } }));
    const response = await pairs.compare(pair);
    expectServedBy(pair, "fast-path");
    return response;
  }

  async function expectCode(validate: Validate, code: Code | 0) {
    const response = await compare(validate);
    expect(response.trailers).to.include(`grpc-status: ${code}`);
    return response;
  }

  for (const [name, validate, code] of results) {
    it(`sends the same response if the handler returns ${name}`, async () => {
      await expectCode(validate, code);
    });
  }

  for (const [name, validate, code] of failures) {
    it(`sends the same error if the handler fails with ${name}`, async () => {
      const response = await expectCode(validate, code);
      expect(JSON.stringify(response)).not.to.contain("a secret");
      expect(response.error?.code).to.equal(code);
    });
  }

  it("keeps the details of an error", async () => {
    const { error } = await expectCode(failWith(withDetails(failure("no"))), 9);
    expect(error?.details).to.have.length(2);
    const unknown = { type: "google.rpc.Unknown", value: Uint8Array.of(8, 1) };
    expect(error?.details[1]).to.deep.equal(unknown);
  });

  for (const place of places) {
    for (const [title, name, ...values] of metadata) {
      it(`sends ${title} the same in ${place}`, async () => {
        const { headers, trailers } = await expectCode((_, context) => {
          for (const value of values) context[place].append(name, value);
          return {};
        }, 0);
        const sent = place === "responseHeader" ? headers : trailers;
        expect(sent.join()).to.contain(name.toLowerCase());
      });
    }

    for (const [name, value] of [
      ["content-type", "text/plain"],
      ["grpc-status", "5"],
      ["grpc-message", "why not, say"],
    ] as const) {
      it(`treats a ${name} the same that the handler sets in ${place}`, async () => {
        await compare((_, context) => {
          context[place].set(name, value);
          return {};
        });
      });
    }
  }

  for (const place of places) {
    for (const name of ["connection", "keep-alive", "transfer-encoding"]) {
      it(`ends the same only the call whose handler sets ${name} in ${place}`, async () => {
        const reported: string[] = [];
        const pair = await pairs.pair((unaryFastPath) => ({
          service: {
            validate: (request, context) => {
              if (cookieOf(request) === "bad") context[place].set(name, "close");
              return {};
            },
          },
          onError: (_error, where) => reported.push(`${unaryFastPath}: ${where}`),
        }));
        const { headers, rstCode } = await pairs.compareAndServeNext(pair, {
          send: sendMessage("bad"),
        });
        expect(headers).to.deep.equal([]);
        expect(rstCode).to.equal(constants.NGHTTP2_INTERNAL_ERROR);
        expect(reported).to.have.length(2);
      });
    }
  }

  it("sends headers the same that are larger than a frame", async () => {
    const value = "a".repeat(30_000);
    const { headers } = await expectCode((_, { responseHeader }) => {
      responseHeader.set("x-long", value);
      return {};
    }, 0);
    expect(headers).to.include(`x-long: ${value}`);
  });
});
