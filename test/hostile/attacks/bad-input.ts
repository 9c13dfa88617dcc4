import { brotliCompressSync, gzipSync } from "node:zlib";
import { fromJson, type JsonObject, toBinary } from "@bufbuild/protobuf";
import { ValidateRequestSchema } from "../../../gen/es/sessiond/v1/session_service_pb.ts";
import { newActor } from "../../support/actors.ts";
import type { Attack, Target } from "../attack.ts";
import { envelope } from "../attack-connection.ts";
import { badRequests, type Known } from "../bad-requests.ts";
import {
  ConnectWire,
  GrpcWire,
  healthOn,
  isInternal,
  methodOf,
  type Outcome,
  ok,
} from "../wire.ts";

const MIB = 2 ** 20;
const WORKERS = 16;
/**
 * Node's HTTP/2 client sometimes drops an answer that comes while it still uploads. What is larger
 * is sent over Connect only; test/server/request-too-large.test.ts shows it for gRPC.
 */
const MAX_GRPC_BYTES = 65_000;
const INVALID = ["invalid_argument"];
const REFUSED = ["invalid_argument", "unimplemented", "resource_exhausted"];

/** Sums up what bad input was answered with. */
export class Tally {
  tried = 0;
  internal = 0;
  readonly failures: string[] = [];
  readonly outcomes: Record<string, number> = {};

  note(what: string, outcome: Outcome, allowed: readonly Outcome[]): void {
    this.tried += 1;
    this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + 1;
    if (isInternal(outcome) && !allowed.includes(outcome)) this.internal += 1;
    if (!allowed.includes(outcome)) {
      this.failures.push(`${what}: ${outcome}, and allowed are ${allowed.join(", ")}`);
    }
  }

  finding(shownFailures = 20) {
    const { tried, internal, failures, outcomes } = this;
    const more = failures.length - shownFailures;
    return {
      summary: `${tried} bad inputs: ${JSON.stringify(outcomes)}`,
      failures: [...failures.slice(0, shownFailures), ...(more > 0 ? [`and ${more} more`] : [])],
      inputs: { tried, internal },
    };
  }
}

/** Sessions and page tokens that bad input refers to. */
async function prepare({ client, open }: Target): Promise<Known> {
  const own = await open();
  const foreign = newActor({ tenantId: "bad-input" });
  const created = await client.create({ actor: foreign });
  await client.create({ actor: foreign });
  await client.create({ actor: own.actor });
  const pages = await Promise.all([
    client.list({ actor: own.actor, pageSize: 1 }),
    client.list({ actor: foreign, pageSize: 1 }),
    client.listAuditEvents({ tenantId: foreign.tenantId, pageSize: 1 }),
  ]);
  return {
    cookie: own.cookie,
    csrfToken: own.csrfToken,
    sessionId: own.id,
    foreignCookie: created.cookie,
    foreignSessionId: created.session?.id ?? "",
    pageTokens: pages.map(({ nextPageToken }) => nextPageToken),
  };
}

const validate = (init: JsonObject) =>
  toBinary(ValidateRequestSchema, fromJson(ValidateRequestSchema, init));

/** What is wrong with the bytes of a gRPC call, and the codes that the contract allows. */
function wireRequests(
  good: Uint8Array,
): [
  what: string,
  body: Uint8Array | undefined,
  headers: Record<string, string>,
  codes: readonly string[],
][] {
  const lying = (length: number) => {
    const bytes = envelope(good);
    bytes.writeUInt32BE(length, 1);
    return bytes;
  };
  const bytes = (hex: string) => envelope(Buffer.from(hex, "hex"));
  const gzip = { "grpc-encoding": "gzip" };
  const anyEnd = [ok, ...REFUSED, "deadline_exceeded", "unauthenticated"];
  const timeouts = [
    "",
    "1",
    "m",
    "-1S",
    "1.5S",
    "1e3S",
    "100000000S",
    "1s",
    "1S, 1S",
    "NaN",
    "0x1S",
  ];
  return [
    ["no message", undefined, {}, REFUSED],
    ["an empty body", Buffer.alloc(0), {}, REFUSED],
    ["two messages", Buffer.concat([envelope(good), envelope(good)]), {}, REFUSED],
    [
      "1000 messages",
      Buffer.concat(Array.from({ length: 1000 }, () => envelope(good))),
      {},
      REFUSED,
    ],
    ["half a prefix", Buffer.alloc(3), {}, REFUSED],
    ["a truncated message", envelope(good).subarray(0, -1), {}, REFUSED],
    ["a byte after the message", Buffer.concat([envelope(good), Buffer.alloc(1)]), {}, REFUSED],
    ...[0, good.length - 1, good.length + 1, 65_537, 2 ** 31, 2 ** 32 - 1].map(
      (length): ReturnType<typeof wireRequests>[number] => [
        `a length of ${length} that lies`,
        lying(length),
        {},
        REFUSED,
      ],
    ),
    ...[MIB, 8 * MIB, 60 * MIB].flatMap((size): ReturnType<typeof wireRequests> => {
      const zeros = Buffer.alloc(size);
      const brotli = { "grpc-encoding": "br" };
      return [
        [`a gzip bomb of ${size} bytes`, envelope(gzipSync(zeros), 1), gzip, REFUSED],
        [`a brotli bomb of ${size} bytes`, envelope(brotliCompressSync(zeros), 1), brotli, REFUSED],
      ];
    }),
    ["gzip that is none", envelope(Buffer.from("not gzip"), 1), gzip, REFUSED],
    ["truncated gzip", envelope(gzipSync(good).subarray(0, 20), 1), gzip, REFUSED],
    ["gzip of gzip", envelope(gzipSync(gzipSync(good)), 1), gzip, REFUSED],
    ["an unknown compression", envelope(good, 1), { "grpc-encoding": "zstd" }, REFUSED],
    ["a compressed message without a compression", envelope(good, 1), {}, [...REFUSED, "internal"]],
    ...[2, 4, 0x80, 0xff].map((flags): ReturnType<typeof wireRequests>[number] => [
      `the flags ${flags}`,
      envelope(good, flags),
      gzip,
      anyEnd,
    ]),
    // In a message: fields and wire types that there are not, and lengths that lead outside.
    ...Object.entries({
      "invalid UTF-8": "0a03fffefd",
      "a lone surrogate": "0a03eda080",
      "an overlong character": "0a02c080",
      "field number 0": "020161",
      "wire type 6": "0e01",
      "wire type 7": "0f01",
      "the end of a group alone": "0c",
      "a varint of 11 bytes": "18ffffffffffffffffffffff",
      "a length beyond the end": "0a7f61",
      "a negative length": "0affffffffffffffffff01",
      "a string as a number": "0801",
      "unfinished groups": "9b".repeat(60_000),
      "an unknown enum and field": "c0012a20ffffffffffffffffff01",
    }).map(([what, hex]): ReturnType<typeof wireRequests>[number] => [
      what,
      bytes(hex),
      {},
      [...INVALID, "unauthenticated"],
    ]),
    ...timeouts.map((value): ReturnType<typeof wireRequests>[number] => [
      `grpc-timeout ${JSON.stringify(value)}`,
      envelope(good),
      { "grpc-timeout": value },
      anyEnd,
    ]),
    ...["0n", "0S", "1n", "99999999H", "99999999n"].map(
      (value): ReturnType<typeof wireRequests>[number] => [
        `grpc-timeout ${value}`,
        envelope(good),
        { "grpc-timeout": value },
        [ok, "deadline_exceeded"],
      ],
    ),
    ...["text/plain", "application/json", "application/grpcx", "application/grpc+xml", ""].map(
      (type): ReturnType<typeof wireRequests>[number] => [
        `content-type ${JSON.stringify(type)}`,
        envelope(good),
        { "content-type": type },
        ["http 415", "http 400", ...REFUSED],
      ],
    ),
  ];
}

async function tryWire(wire: GrpcWire, tally: Tally, cookie: string): Promise<void> {
  for (const [what, body, headers, codes] of wireRequests(validate({ cookie }))) {
    tally.note(`gRPC, ${what}`, await wire.send(body, { headers }), codes);
  }
  for (const verb of ["GET", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]) {
    const allowed = ["http 405", "http 415", "http 404", "http 403", "http 400", "unimplemented"];
    tally.note(`gRPC, ${verb}`, await wire.send(undefined, { verb }), allowed);
  }
  for (const path of ["/", "/x", "//", "/sessiond.v1.SessionService/", "/%00", "/../etc/passwd"]) {
    const message = envelope(new Uint8Array());
    tally.note(`gRPC, ${path}`, await wire.send(message, { path }), ["http 404", "unimplemented"]);
  }
}

async function tryJson(wire: ConnectWire, tally: Tally): Promise<void> {
  const refused = ["invalid_argument", "resource_exhausted"];
  const deep = `${"[".repeat(30_000)}${"]".repeat(30_000)}`;
  const bodies: Record<string, string | Uint8Array> = {
    "an empty body": "",
    "a number": "1",
    "a list": "[]",
    "a truncated object": '{"cookie":"',
    "an unknown field": '{"nonsense":1}',
    "a number for a string": '{"cookie":1}',
    "both of a oneof": '{"cookie":"a","cookieHeader":"b"}',
    "a list for a message": '{"cookie":[]}',
    "deep nesting": deep,
    "invalid UTF-8": Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]),
    "a byte-order mark": "\ufeff{}",
    "1 MiB": JSON.stringify({ cookie: "x".repeat(MIB) }),
    "a duration that is none": '{"cookie":"x","maxAuthAge":"9223372036854775807s"}',
    "a duration with bad nanos": '{"cookie":"x","maxAuthAge":"1.9999999999s"}',
  };
  for (const [what, body] of Object.entries(bodies)) {
    const allowed = [...refused, "unauthenticated", "http 413"];
    tally.note(`Connect, ${what}`, await wire.send(body), allowed);
  }
  for (const verb of ["GET", "PUT", "DELETE", "PATCH", "PROPFIND"]) {
    const allowed = ["http 405", "http 415", "http 400", "unimplemented"];
    tally.note(`Connect, ${verb}`, await wire.send("{}", { verb }), allowed);
  }
  for (const value of ["", "-1", "x", "99999999999", "1.5", "0"]) {
    const headers = { "connect-timeout-ms": value };
    const allowed = [...refused, "unauthenticated", "deadline_exceeded"];
    tally.note(`Connect, timeout ${value}`, await wire.send("{}", { headers }), allowed);
  }
  for (const type of ["text/plain", "application/xml", "application/json; charset=latin1", ""]) {
    const headers = { "content-type": type };
    tally.note(`Connect, ${type}`, await wire.send("{}", { headers }), [...refused, "http 415"]);
  }
  for (const encoding of ["gzip", "br", "zstd", "gzip, gzip"]) {
    const headers = { "content-encoding": encoding };
    const allowed = [...refused, "unimplemented", "http 415"];
    tally.note(`Connect, ${encoding}`, await wire.send("not compressed", { headers }), allowed);
  }
}

export const attacks: readonly Attack[] = [
  {
    name: "bad-input",
    shows: "every listed bad input is refused with the right code, and never as an internal error",
    async run(target) {
      using grpc = new GrpcWire(target);
      using connect = new ConnectWire(target);
      const tally = new Tally();
      const known = await prepare(target);
      const rows = badRequests(known).values();
      const worker = async () => {
        for (const { what, rpc, message, codes } of rows) {
          const method = methodOf(rpc);
          const name = `${rpc} with ${what}`;
          tally.note(`Connect: ${name}`, await connect.call(method, message), codes);
          let bytes: Uint8Array;
          try {
            bytes = toBinary(method.input, fromJson(method.input, message));
          } catch {
            // It cannot be said in Protobuf's binary form.
            continue;
          }
          if (bytes.length > MAX_GRPC_BYTES) continue;
          tally.note(`gRPC: ${name}`, await grpc.call(method, bytes), codes);
        }
      };
      await Promise.all(Array.from({ length: WORKERS }, worker));
      await tryWire(grpc, tally, known.cookie);
      await tryJson(connect, tally);
      if (grpc.lost > 0) tally.failures.push(`the connection was lost ${grpc.lost} times`);
      if ((await healthOn(grpc)) !== ok) tally.failures.push("it does not serve afterwards");
      return tally.finding();
    },
  },
];
