"""Sends requests through a gateway whose backend is backend.py, and compares what arrived with what Python's own
json_format makes of the same values.

Usage: check.py HOST:PORT
"""

import base64
import http.client
import json
import random
import sys

import binding_pb2
from maker import Maker
from values import parse

SEED = 20_240_229
AT_LEAST = 300


def main():
    connection = http.client.HTTPConnection(sys.argv[1], timeout=15)
    count = failed = 0
    for request in Maker(random.Random(SEED)).all():
        count += 1
        try:
            compare(parse(request.plain, request.message), arrived(connection, request))
        except Exception as error:
            failed += 1
            print(f"FAIL {request}: {type(error).__name__}: {error}", flush=True)
            connection.close()
    if count < AT_LEAST:
        failed += 1
        print(f"FAIL {count} requests, expected at least {AT_LEAST}")
    if not failed:
        print(f"ok {count} requests arrived as json_format builds them")
    return 1 if failed else 0


def arrived(connection, request):
    """The message as the backend saw it."""
    headers = {"content-type": "application/json"} if request.body is not None else {}
    body = None if request.body is None else request.body.encode()
    connection.request(request.verb, request.target, body, headers)
    response = connection.getresponse()
    text = response.read().decode()
    if response.status != 200:
        raise AssertionError(f"HTTP {response.status} {text}")
    seen = base64.b64decode(json.loads(text).get("request", ""))
    return request.message.FromString(seen)


def compare(expected, found):
    # Bytes and not messages: to those NaN is not what it is.
    if expected.SerializeToString(deterministic=True) != found.SerializeToString(deterministic=True):
        raise AssertionError(f"expected {expected!r}, found {found!r}")


if __name__ == "__main__":
    sys.exit(main())
