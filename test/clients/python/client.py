"""Makes gRPC calls with grpcio and prints what it reports of each.

The calls are a JSON array on standard input, the results one on standard output: see
test/support/grpc-clients.ts.
"""

import base64
import json
import sys

import grpc

CALL_TIMEOUT_SECONDS = 60


def run(call):
    with grpc.insecure_channel(call["target"]) as channel:
        message = base64.b64decode(call["message"])
        options = {
            "metadata": list(call["metadata"].items()),
            "timeout": CALL_TIMEOUT_SECONDS,
        }
        # Without serializers, messages are bytes.
        try:
            if call["streaming"]:
                responses = channel.stream_stream(call["path"])(iter([message]), **options)
                response = next(responses)
            else:
                response = channel.unary_unary(call["path"])(message, **options)
        except grpc.RpcError as error:
            return failure(error)
        return {"code": "OK", "message": "", "status": "", "response": encode(response)}


def failure(error):
    trailers = dict(error.trailing_metadata() or [])
    return {
        "code": error.code().name,
        "message": error.details(),
        "status": encode(trailers.get("grpc-status-details-bin", b"")),
        "response": "",
    }


def encode(value):
    return base64.b64encode(value).decode()


json.dump([run(call) for call in json.load(sys.stdin)], sys.stdout)
