/** The same empty handler with the standard Connect adapter for Node. */
import { createServer } from "node:http2";
import { fromBinary } from "@bufbuild/protobuf";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  SessionService,
  ValidateResponseSchema,
} from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { listen, recordedAnswer } from "./listen.ts";

const answer = fromBinary(ValidateResponseSchema, recordedAnswer());
const handler = connectNodeAdapter({
  routes: (router) => router.service(SessionService, { validate: () => answer }),
});
listen(createServer(handler));
