/** An empty handler that reads the session's row by primary key: a prepared statement on a pg pool. */
import { fromBinary } from "@bufbuild/protobuf";
import type { ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import pg from "pg";
import {
  type ValidateRequest,
  ValidateResponseSchema,
} from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { recordedAnswer, setting } from "./listen.ts";
import { serveWithGrpcJs } from "./validate-service.ts";

const answer = fromBinary(ValidateResponseSchema, recordedAnswer());
const pool = new pg.Pool({ connectionString: setting("BENCH_DATABASE_URL"), max: 10 });
const READ = { name: "read", text: "SELECT * FROM sessions WHERE id = $1" };

async function read(cookie: string): Promise<typeof answer> {
  const [, id] = cookie.split(".", 2);
  const { rows } = await pool.query({ ...READ, values: [id] });
  if (rows.length !== 1) throw new Error("no such session");
  return answer;
}

serveWithGrpcJs({
  validate: (
    { request }: ServerUnaryCall<ValidateRequest, typeof answer>,
    callback: sendUnaryData<typeof answer>,
  ) => {
    read(request.credential.value ?? "").then(
      (response) => callback(null, response),
      (error: Error) => callback(error),
    );
  },
});
