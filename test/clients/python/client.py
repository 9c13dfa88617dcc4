"""Makes gRPC calls with grpcio and prints what it reports of each.

The calls are a JSON array on standard input, the results one on standard output: see
test/support/grpc-clients.ts.
"""

import base64
import json
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc

AT_ONCE = 16


def run(call):
    with connect(call) as channel, ThreadPoolExecutor(AT_ONCE) as executor:
        calls = [executor.submit(first_response, channel, call) for _ in range(call["times"])]
        try:
            response = [future.result() for future in calls][-1]
        except grpc.RpcError as error:
            executor.shutdown(cancel_futures=True)
            return failure(error)
        return {"code": "OK", "message": "", "status": "", "response": encode(response)}


def connect(call):
    if not call["ca"]:
        return grpc.insecure_channel(call["target"])
    credentials = grpc.ssl_channel_credentials(call["ca"].encode())
    return grpc.secure_channel(call["target"], credentials)


def first_response(channel, call):
    message = base64.b64decode(call["message"])
    options = {
        "metadata": list(call["metadata"].items()),
        "timeout": call["deadlineMs"] / 1000,
    }
    # Without serializers, messages are bytes.
    if not call["streaming"]:
        return channel.unary_unary(call["path"])(message, **options)
    responses = channel.stream_stream(call["path"])(iter([message]), **options)
    response = next(responses)
    responses.cancel()
    return response


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
