/** What a person sees who opens the server's address in a browser. */
export const about = `This is sessiond, a login-session service for backends. It has no pages for browsers.

Call it over gRPC, gRPC-Web or Connect. As JSON over HTTP, each call is a POST, for example

  curl -H 'content-type: application/json' -d '{"cookie": "..."}' ADDRESS/sessiond.v1.SessionService/Validate

where ADDRESS is that of this page, such as http://127.0.0.1:8480. The contract is in
proto/sessiond/v1/session_service.proto, and the server describes itself by gRPC reflection:

  grpcurl -plaintext HOST:PORT describe sessiond.v1.SessionService
`;
