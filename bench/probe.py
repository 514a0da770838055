"""One call of each kind through a gateway, and whether its answer is the right one.

Usage: probe.py PORT FOLDER, where FOLDER holds the request bodies. Prints a JSON object of body sizes by case,
which tells a short answer under load from a whole one. Ends with a message at the first wrong answer.
"""

import http.client
import json
import pathlib
import sys

import grpc

SERVICE = "/bench.v1.OrderService/"

# case, method, path, file of the body, what the answer has to hold
REST = [
    ("rest_get_261B", "GET", "/v1/orders/small", None, "order-00000042"),
    ("rest_get_1.4kB", "GET", "/v1/orders/mid", None, "order-00000042"),
    ("rest_post_200B", "POST", "/v1/orders", "post.json", "order-00000042"),
    ("rest_post_40kB", "POST", "/v1/orders", "postbig.json", "order-00000042"),
    ("rest_list_87kB", "GET", "/v1/users/u1/orders", None, "order-00000199"),
    ("rest_stream_100", "GET", "/v1/orders/x:watch", None, "order-00000099"),
]
# case, RPC method, file of the body
GRPC_WEB = [
    ("grpcweb_unary_h1", "GetOrder", "get.bin"),
    ("grpcweb_stream_100", "WatchOrder", "one.bin"),
]
GRPC = [
    ("grpc_unary", "GetOrder", "get.bin"),
    ("grpc_list_39kB", "ListOrders", "one.bin"),
]
FRAME_PREFIX = 5


def main(port, folder):
    sizes = {}
    for case, method, path, file, expected in REST:
        headers = {"content-type": "application/json"} if file else {}
        body = (folder / file).read_bytes() if file else None
        answer = request(case, port, method, path, body, headers)
        json.loads(answer)
        if expected not in answer.decode():
            sys.exit(f"{case}: {expected} is not in the answer: {answer[:200]}")
        sizes[case] = len(answer)
    for case, method, file in GRPC_WEB:
        headers = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
        answer = request(case, port, "POST", SERVICE + method, (folder / file).read_bytes(), headers)
        if b"grpc-status:0" not in answer.replace(b" ", b""):
            sys.exit(f"{case}: no status 0 in the trailer frame: {answer[-80:]}")
        sizes[case] = len(answer)
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    for case, method, file in GRPC:
        message = (folder / file).read_bytes()[FRAME_PREFIX:]
        sizes[case] = FRAME_PREFIX + len(channel.unary_unary(SERVICE + method)(message, timeout=5))
    sizes["rest_get_h2"] = sizes["rest_get_261B"]
    sizes["grpcweb_unary_h2"] = sizes["grpcweb_unary_h1"]
    print(json.dumps(sizes))


def request(case, port, method, path, body, headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200:
        sys.exit(f"{case}: HTTP {response.status} {answer[:200]}")
    return answer


if __name__ == "__main__":
    main(int(sys.argv[1]), pathlib.Path(sys.argv[2]))
