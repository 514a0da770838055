"""The twelve cases: what is sent, by which load generator, and how its report is read."""

import math
import re
import struct
from dataclasses import dataclass

SERVICE = "/bench.v1.OrderService/"
LOAD_CORE = "1"

# The requests. `small` and `mid` are order ids that the backend knows.
GET_ORDER = b"\x0a\x05small"
ANY_ORDER = b"\x0a\x01x"
POST_SMALL = (
    b'{"userId":"user-000294","items":['
    b'{"productId":"product-01302","quantity":1,"price":9.99},'
    b'{"productId":"product-01303","quantity":2,"price":11.24},'
    b'{"productId":"product-01304","quantity":3,"price":12.49}]}'
)
POST_BIG = (
    b'{"userId":"user-000294","items":['
    + b",".join(
        b'{"productId":"product-%05d","quantity":%d,"price":%d.25}' % (i, i % 9 + 1, i)
        for i in range(700)
    )
    + b"]}"
)


@dataclass
class Load:
    """What a load generator reported about one case."""

    requests: int
    failed: int
    payload: float  # bytes of bodies; infinite where the generator does not tell
    p99: str


def write_requests(folder):
    """Writes the request bodies into `folder`, in the form that each load generator wants."""
    (folder / "get.bin").write_bytes(frame(GET_ORDER))
    (folder / "one.bin").write_bytes(frame(ANY_ORDER))
    (folder / "post.json").write_bytes(POST_SMALL)
    (folder / "postbig.json").write_bytes(POST_BIG)
    (folder / "post.lua").write_bytes(wrk_script(POST_SMALL))
    (folder / "postbig.lua").write_bytes(wrk_script(POST_BIG))


def frame(message):
    """A message behind its five-byte gRPC prefix."""
    return b"\0" + struct.pack(">I", len(message)) + message


def wrk_script(body):
    return b'wrk.method="POST"\nwrk.headers["content-type"]="application/json"\nwrk.body=[[%s]]\n' % body


def commands(folder, port, seconds):
    """The command line of each case, by name, against the gateway on this port."""
    base = f"http://127.0.0.1:{port}"
    pinned = ["taskset", "-c", LOAD_CORE]
    wrk = [*pinned, "wrk", "-t1", "-c32", f"-d{seconds}s", "--latency"]
    h2load = [*pinned, "h2load", "-t1", "-c4", "-m16", f"-D{seconds}"]
    web = ["-H", "content-type: application/grpc-web+proto", "-H", "x-grpc-web: 1"]
    grpc = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
    get = ["-d", str(folder / "get.bin")]
    one = ["-d", str(folder / "one.bin")]
    post_small = ["-s", str(folder / "post.lua")]
    post_big = ["-s", str(folder / "postbig.lua")]

    def method(name):
        return base + SERVICE + name

    return {
        "rest_get_261B": [*wrk, f"{base}/v1/orders/small"],
        "rest_get_1.4kB": [*wrk, f"{base}/v1/orders/mid"],
        "rest_post_200B": [*wrk, *post_small, f"{base}/v1/orders"],
        "rest_post_40kB": [*wrk, *post_big, f"{base}/v1/orders"],
        "rest_list_87kB": [*wrk, f"{base}/v1/users/u1/orders"],
        "rest_get_h2": [*h2load, f"{base}/v1/orders/small"],
        "rest_stream_100": [*wrk, f"{base}/v1/orders/x:watch"],
        "grpcweb_unary_h1": [*h2load, "--h1", "-m1", "-c32", *get, *web, method("GetOrder")],
        "grpcweb_unary_h2": [*h2load, *get, *web, method("GetOrder")],
        "grpcweb_stream_100": [*h2load, *one, *web, method("WatchOrder")],
        "grpc_unary": [*h2load, *get, *grpc, method("GetOrder")],
        "grpc_list_39kB": [*h2load, *one, *grpc, method("ListOrders")],
    }


def read_report(command, report):
    """What the load generator of this command line wrote when it was done.

    Raises ValueError when it wrote no summary, for example since it could not connect.
    """
    read = read_wrk if "wrk" in command else read_h2load
    try:
        return read(report)
    except AttributeError:
        raise ValueError(f"no summary in the report of {' '.join(command)}:\n{report}") from None


def read_wrk(report):
    requests = int(re.search(r"(\d+) requests in", report).group(1))
    failed = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", report)))
    for errors in re.findall(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", report
    ):
        failed += sum(map(int, errors))
    p99 = re.search(r"^\s+99%\s+(\S+)", report, re.M).group(1)
    return Load(requests, failed, math.inf, p99)


def read_h2load(report):
    requests, failed = map(int, re.search(r"(\d+) succeeded, (\d+) failed", report).groups())
    data = re.search(r"space savings[^)]*\), [\d.]+\w+ \((\d+)\) data|\((\d+)\) data", report)
    return Load(requests, failed, int(data.group(1) or data.group(2)), "-")
