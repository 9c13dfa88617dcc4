import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Metadata, status } from "@grpc/grpc-js";
import { expect } from "chai";
import { ErrorInfoSchema } from "../../../gen/es/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../../gen/es/google/rpc/status_pb.ts";
import { createErrorDecoder } from "../../grpc-js/conformance/errors.ts";
import { ErrorDetailSchema, ErrorReason } from "../src/index.ts";

const root = join(import.meta.dirname, "../../..");
const decodeError = createErrorDecoder([
  join(root, "proto"),
  join(root, "node_modules/@grpc/grpc-js-xds/deps/googleapis"),
]);

const info = anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { reason: "REVOKED" }));
const detail = anyPack(
  ErrorDetailSchema,
  create(ErrorDetailSchema, { reason: ErrorReason.REVOKED, httpStatus: 401 }),
);
const statusOf = (details: (typeof info)[]) =>
  Buffer.from(toBinary(StatusSchema, create(StatusSchema, { details })));

describe("the decoder of errors for @grpc/grpc-js", () => {
  function decoded(bytes?: Buffer) {
    const metadata = new Metadata();
    if (bytes !== undefined) metadata.set("grpc-status-details-bin", bytes);
    return decodeError({ code: status.UNAUTHENTICATED, metadata });
  }

  it("has the reason and the status of sessiond", () => {
    expect(decoded(statusOf([info, detail]))).to.include({ reason: "REVOKED", browserStatus: 401 });
  });

  for (const [what, bytes] of [
    ["no details", undefined],
    ["details that do not decode", Buffer.from([0x1a, 0xff])],
    ["the details of a proxy", statusOf([info])],
  ] as const) {
    it(`takes ${what} for an outage`, () => {
      expect(decoded(bytes)).to.include({ reason: "", httpStatus: 0, browserStatus: 503 });
    });
  }
});
