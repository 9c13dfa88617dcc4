import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import * as grpc from "@grpc/grpc-js";
import { expect } from "chai";
import {
  CreateRequestSchema,
  CreateResponseSchema,
} from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { newActor } from "../support/actors.ts";
import { useBadInputConnection, withoutTrace } from "../support/bad-input.ts";
import { frame, rawCall } from "../support/transport.ts";

const createPath = "/sessiond.v1.SessionService/Create";
/** Bytes before each message on the wire. */
const FRAME_HEAD = 5;
const { actor: actorField, appType, metadata, userAgent, ipAddress } = CreateRequestSchema.field;

/** What generated clients cannot send: text that is not text. */
describe("bad input: encoding", () => {
  const target = useBadInputConnection();

  async function createWith(extra: Uint8Array) {
    const request = toBinary(
      CreateRequestSchema,
      create(CreateRequestSchema, { actor: newActor() }),
    );
    const call = rawCall(target.connection, { ":path": createPath });
    call.stream.end(frame(Buffer.concat([request, extra])));
    return call.response;
  }

  const field = (number: number, bytes: Uint8Array) =>
    new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(bytes).finish();
  const entry = (key: Uint8Array, value: Uint8Array) =>
    field(metadata.number, Buffer.concat([field(1, key), field(2, value)]));

  const notUtf8: Record<string, number[]> = {
    "a byte that never occurs": [0x61, 0xff],
    "a sequence that is cut": [0xf0, 0x9f, 0x98],
    "a continuation without start": [0x80],
    "a lone surrogate": [0xed, 0xa0, 0x80],
    "an overlong NUL": [0xc0, 0x80],
    "a code point beyond the last": [0xf4, 0x90, 0x80, 0x80],
    "Latin-1": [0x63, 0x61, 0x66, 0xe9],
  };
  const places: Record<string, (bytes: Uint8Array) => Uint8Array> = {
    user_agent: (bytes) => field(userAgent.number, bytes),
    ip_address: (bytes) => field(ipAddress.number, bytes),
    app_type: (bytes) => field(appType.number, bytes),
    "actor.actor_id": (bytes) => field(actorField.number, field(3, bytes)),
    "a key of metadata": (bytes) => entry(bytes, Buffer.from("v")),
    "a value of metadata": (bytes) => entry(Buffer.from("k"), bytes),
  };
  for (const [place, put] of Object.entries(places)) {
    it(`${place} that is not UTF-8 is refused before it is looked at`, async () => {
      for (const [what, bytes] of Object.entries(notUtf8)) {
        const answer = await withoutTrace(target.app, () =>
          createWith(put(Uint8Array.from(bytes))),
        );
        expect(answer.grpcStatus, what).to.equal(grpc.status.INVALID_ARGUMENT);
        expect(answer.grpcMessage, what).to.equal("the request is not a message of its type");
        expect(answer.body, what).to.have.lengthOf(0);
      }
      // The control: the same bytes, but for what is wrong with them, are accepted.
      const good = place === "ip_address" ? "192.0.2.1" : "é😀";
      expect((await createWith(put(Buffer.from(good)))).grpcStatus).to.equal(grpc.status.OK);
    });
  }

  it("fields that are not known are ignored", async () => {
    const unknown = field(1000, Buffer.from("x"));
    expect((await createWith(unknown)).grpcStatus).to.equal(grpc.status.OK);
  });

  it("of a key of metadata that is there twice, the last value counts", async () => {
    const twice = [
      entry(Buffer.from("k"), Buffer.from("a")),
      entry(Buffer.from("k"), Buffer.from("b")),
    ];
    const { body } = await createWith(Buffer.concat(twice));
    const { session } = fromBinary(CreateResponseSchema, body.subarray(FRAME_HEAD));
    expect(session?.metadata).to.deep.equal({ k: "b" });
  });

  const actor = '"actor":{"actorType":"user","actorId":"a"}';
  const badJson: [what: string, rpc: string, body: string, names: string][] = [
    ["a lone surrogate in actor_id", "Create", '{"actor":{"actorId":"\\ud800"}}', "actor_id"],
    ["a lone surrogate in actor_type", "Create", '{"actor":{"actorType":"\\udc00"}}', "actor_type"],
    ["a lone surrogate in tenant_id", "Create", '{"actor":{"tenantId":"\\ud800"}}', "tenant_id"],
    ["a lone surrogate in app_type", "Create", `{${actor},"appType":"\\ud800"}`, "app_type"],
    [
      "surrogates in the wrong order",
      "Create",
      `{${actor},"appType":"\\udc00\\ud800"}`,
      "app_type",
    ],
    ["a lone surrogate in user_agent", "Create", `{${actor},"userAgent":"a\\ud83d"}`, "user_agent"],
    ["a lone surrogate in ip_address", "Create", `{${actor},"ipAddress":"\\ud800"}`, "ip_address"],
    ["a lone surrogate in a key", "Create", `{${actor},"metadata":{"\\ud800":""}}`, "metadata"],
    ["a lone surrogate in a value", "Create", `{${actor},"metadata":{"k":"\\ud800"}}`, "metadata"],
    ["null for a value", "Create", `{${actor},"metadata":{"k":null}}`, "metadata"],
    ["a list for a map", "Create", `{${actor},"metadata":[]}`, "metadata"],
    ["a nested map", "Create", `{${actor},"metadata":{"k":{}}}`, "metadata"],
    ["a lone surrogate in a cookie", "Validate", '{"cookie":"\\ud800"}', "cookie"],
    ["a number for a cookie", "Validate", '{"cookie":1}', "cookie"],
    ["both of a oneof", "Validate", '{"cookie":"a","cookieHeader":"b"}', "credential"],
    ["a lone surrogate in reason", "Revoke", '{"reason":"\\ud800"}', "reason"],
    ["a lone surrogate in session_id", "Get", '{"session":{"sessionId":"\\ud800"}}', "session_id"],
    ["a page_size above int32", "List", `{${actor},"pageSize":2147483648}`, "page_size"],
    ["a page_size that is not whole", "List", `{${actor},"pageSize":1.5}`, "page_size"],
    ["a duration of int64's size", "Create", '{"idleTimeout":"9223372036854775807s"}', "Duration"],
    ["a duration without unit", "Create", '{"idleTimeout":"60"}', "Duration"],
    ["what is not JSON", "Create", "actor=a", "CreateRequest"],
    ["null in what is not JSON", "Validate", '{"csrfToken":null', "ValidateRequest"],
    ["nothing", "Create", "", "CreateRequest"],
    ["null", "Create", "null", "CreateRequest"],
    ["a list", "Create", "[]", "CreateRequest"],
    ["arrays 10,000 deep", "Create", "[".repeat(10_000), "CreateRequest"],
  ];
  for (const [what, rpc, body, names] of badJson) {
    it(`JSON with ${what} is refused with 400, naming ${names}`, async () => {
      const response = await withoutTrace(target.app, () =>
        fetch(`${target.app.url}/sessiond.v1.SessionService/${rpc}`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body,
        }),
      );
      const error = (await response.json()) as {
        code: string;
        message: string;
        details: { debug: { reason: string } }[];
      };

      expect([response.status, error.code]).to.deep.equal([400, "invalid_argument"]);
      expect(error.message).to.include(names);
      expect(error.details[1]?.debug.reason).to.equal("INVALID_REQUEST");
    });
  }

  const canary = "canary-of-a-secret";
  const quoting: Record<string, string> = {
    "a field of another type": `{"touch":"${canary}"}`,
    "a field that is not known": `{"${canary}":1}`,
    "a wrong list": `{"cookie":["${canary}"]}`,
    "what is not JSON": canary,
    "a value that is longer than a compressed answer": `{"touch":"${canary.repeat(200)}"}`,
  };
  for (const [what, body] of Object.entries(quoting)) {
    it(`${what} is not quoted in the answer`, async () => {
      const response = await fetch(`${target.app.url}/sessiond.v1.SessionService/Validate`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
      expect(await response.text()).not.to.include(canary);
    });
  }

  for (const contentType of ["application/grpc+json", "application/grpc-web+json"]) {
    it(`${contentType} with half a surrogate pair is answered all the same`, async () => {
      const path = "/sessiond.v1.SessionService/List";
      const call = rawCall(target.connection, { ":path": path, "content-type": contentType });
      call.stream.end(frame(Buffer.from('{"pageSize":"\\ud800"}')));
      const answer = await call.response;
      const inBody = /grpc-status: (\d+)/.exec(Buffer.from(answer.body).toString())?.[1];
      expect(Number(answer.grpcStatus ?? inBody)).to.equal(grpc.status.INVALID_ARGUMENT);
    });
  }

  const binaryProtocols: Record<string, (bytes: Buffer) => Uint8Array> = {
    "application/proto": (bytes) => bytes,
    "application/grpc-web+proto": frame,
  };
  for (const [contentType, encode] of Object.entries(binaryProtocols)) {
    it(`bytes that do not decode are INVALID_REQUEST in ${contentType} too`, async () => {
      const response = await fetch(target.app.url + createPath, {
        method: "POST",
        headers: { "content-type": contentType },
        body: Buffer.from(encode(Buffer.from([0xff, 0xff]))),
      });
      const answer = await response.text();
      expect(answer).to.match(/invalid_argument|grpc-status: 3/);
      expect(answer).to.include("the request is not a message of its type");
    });
  }
});
