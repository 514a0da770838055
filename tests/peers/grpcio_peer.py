"""grpcio as a client: native gRPC over h2c, all four call types.

Usage: grpcio_peer.py HOST:PORT
"""

import queue
import sys
import time
import traceback

import grpc
from google.protobuf import duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from ecommerce.v1 import diagnostics_pb2 as diagnostics
from ecommerce.v1 import diagnostics_pb2_grpc
from ecommerce.v1 import order_service_pb2 as orders
from ecommerce.v1 import order_service_pb2_grpc

TIMEOUT = 15  # seconds a call may take where the case is not about time
STREAM = "ecommerce.v1.DiagnosticsService/Stream"


class Peer:
    """The two services through one channel. Each method named `case_...` is a case."""

    def __init__(self, address):
        self.channel = grpc.insecure_channel(address)
        self.orders = order_service_pb2_grpc.OrderServiceStub(self.channel)
        self.diagnostics = diagnostics_pb2_grpc.DiagnosticsServiceStub(self.channel)

    def case_unary(self):
        order = self.orders.GetOrder(orders.GetOrderRequest(order_id="order-1"), timeout=TIMEOUT)
        equal(order.order_id, "order-1")
        total = sum(item.quantity * item.unit_price for item in order.items)
        check(order.items and abs(order.total - total) < 1e-6, f"total {order.total} of {order.items}")

    def case_server_stream(self):
        listed = list(self.orders.ListOrders(orders.ListOrdersRequest(user_id="alice"), timeout=TIMEOUT))
        check(listed, "alice has no orders")
        equal({order.buyer.user_id for order in listed}, {"alice"})

    def case_server_stream_message_by_message(self):
        arrivals = []
        for message in self.diagnostics.Stream(stream_request(4, size=100, interval=0.2), timeout=TIMEOUT):
            equal((message.index, len(message.payload)), (len(arrivals), 100))
            arrivals.append(time.monotonic())
        equal(len(arrivals), 4)
        check(arrivals[-1] - arrivals[0] > 0.4, "the first message waited for the last")

    def case_server_stream_of_none(self):
        equal(list(self.diagnostics.Stream(stream_request(0), timeout=TIMEOUT)), [])

    def case_client_stream(self):
        item = orders.OrderItem(product_id="tea-green", quantity=2, unit_price=3.25)
        good = orders.CreateOrderRequest(user_id="alice", items=[item])
        bad = orders.CreateOrderRequest(user_id="alice")
        summary = self.orders.BatchCreateOrders(iter([good, bad, good]), timeout=TIMEOUT)
        equal((summary.created_count, summary.rejected_count, len(summary.order_ids)), (2, 1, 2))
        equal(summary.total, 13.0)
        equal([(r.index, r.error.code) for r in summary.rejections], [(1, code_pb2.INVALID_ARGUMENT)])

    def case_bidi_stream_in_turns(self):
        """The next request is sent only when the answer to the one before is there."""
        turns = queue.Queue()
        requests = iter(lambda: turns.get(timeout=TIMEOUT), None)
        answers = self.diagnostics.Chat(requests, timeout=TIMEOUT)
        for index in range(5):
            turns.put(diagnostics.ChatRequest(text=f"turn {index}"))
            answer = next(answers)
            equal((answer.index, answer.text), (index, f"turn {index}"))
        turns.put(None)
        equal(list(answers), [])
        equal(answers.code(), grpc.StatusCode.OK)

    def case_bidi_stream_with_an_error_inside(self):
        requests = [orders.ProcessOrdersRequest(order_id="no-such-order", advance={})] * 2
        updates = list(self.orders.ProcessOrders(iter(requests), timeout=TIMEOUT))
        equal([update.error.code for update in updates], [code_pb2.NOT_FOUND] * 2)

    def case_error_with_details(self):
        call = lambda: self.orders.CreateOrder(orders.CreateOrderRequest(), timeout=TIMEOUT)
        error = fails(call, grpc.StatusCode.INVALID_ARGUMENT)
        bad_request = details_of(error, error_details_pb2.BadRequest)
        fields = {violation.field for violation in bad_request.field_violations}
        check({"user_id", "items"} <= fields, f"violations of {fields}")

    def case_error_message_and_trailers(self):
        message = "100 % wrong: größer\nthan it looks"
        request = diagnostics.FailRequest(
            code=code_pb2.ABORTED,
            message=message,
            trailers=[
                {"key": "x-reason", "value": "because"},
                {"key": "x-reason-bin", "binary_value": bytes(range(256))},
            ],
        )
        error = fails(lambda: self.diagnostics.Fail(request, timeout=TIMEOUT), grpc.StatusCode.ABORTED)
        equal(error.details(), message)
        trailers = dict(error.trailing_metadata())
        equal((trailers.get("x-reason"), trailers.get("x-reason-bin")), ("because", bytes(range(256))))

    def case_error_after_messages(self):
        request = diagnostics.FailAfterRequest(
            stream=stream_request(3), failure={"code": code_pb2.DATA_LOSS, "message": "torn"}
        )
        received = []
        call = lambda: received.extend(self.diagnostics.FailAfter(request, timeout=TIMEOUT))
        equal(fails(call, grpc.StatusCode.DATA_LOSS).details(), "torn")
        equal(len(received), 3)

    def case_unknown_method(self):
        method = self.channel.unary_unary("/ecommerce.v1.OrderService/NoSuchMethod")
        fails(lambda: method(b"", timeout=TIMEOUT), grpc.StatusCode.UNIMPLEMENTED)

    def case_metadata_both_ways(self):
        request = diagnostics.EchoRequest(
            message="hello",
            response_headers=[
                {"key": "x-answer", "value": "yes"},
                {"key": "x-answer-bin", "binary_value": b"\x00\xff\x80"},
            ],
        )
        metadata = [("x-peer", "one"), ("x-peer", "two"), ("x-peer-bin", bytes(range(256)))]
        answer, call = self.diagnostics.Echo.with_call(request, metadata=metadata, timeout=TIMEOUT)
        equal(answer.message, "hello")
        seen = [(entry.key, entry.value or entry.binary_value) for entry in answer.metadata]
        text = ",".join(value for key, value in seen if key == "x-peer").replace(" ", "")
        equal(text, "one,two")
        equal([value for key, value in seen if key == "x-peer-bin"], [bytes(range(256))])
        headers = dict(call.initial_metadata())
        equal((headers.get("x-answer"), headers.get("x-answer-bin")), ("yes", b"\x00\xff\x80"))

    def case_deadline(self):
        request = diagnostics.SleepRequest(duration=duration(10))
        start = time.monotonic()
        fails(lambda: self.diagnostics.Sleep(request, timeout=0.3), grpc.StatusCode.DEADLINE_EXCEEDED)
        check(time.monotonic() - start < 2, "the deadline of 0.3 s came late")

    def case_cancel_reaches_the_backend(self):
        before = self.cancelled_streams()
        stream = self.diagnostics.Stream(stream_request(1000, interval=0.05), timeout=60)
        next(stream)
        next(stream)
        stream.cancel()
        fails(lambda: next(stream), grpc.StatusCode.CANCELLED)
        eventually(lambda: self.cancelled_streams() == before + 1, "the backend's stream goes on")

    def case_big_message_both_ways(self):
        payload = bytes(range(256)) * (3 << 12)
        answer = self.diagnostics.Echo(diagnostics.EchoRequest(payload=payload), timeout=TIMEOUT)
        check(answer.payload == payload, f"{len(payload)} bytes sent, {len(answer.payload)} came back")

    def cancelled_streams(self):
        stats = self.diagnostics.Stats(diagnostics.StatsRequest(), timeout=TIMEOUT)
        return stats.methods[STREAM].cancelled if STREAM in stats.methods else 0


def stream_request(count, size=0, interval=0.0):
    return diagnostics.StreamRequest(count=count, size=size, interval=duration(interval))


def duration(seconds):
    return duration_pb2.Duration(seconds=int(seconds), nanos=round(seconds % 1 * 1e9))


def details_of(error, kind):
    """The one detail of this message type in the error's `grpc-status-details-bin`."""
    encoded = dict(error.trailing_metadata()).get("grpc-status-details-bin")
    check(encoded is not None, "no grpc-status-details-bin")
    status = status_pb2.Status.FromString(encoded)
    equal((status.code, status.message), (error.code().value[0], error.details()))
    found = [detail for detail in status.details if detail.Is(kind.DESCRIPTOR)]
    equal(len(found), 1)
    message = kind()
    found[0].Unpack(message)
    return message


def fails(call, code):
    """The error of a call that must fail with this code."""
    try:
        answer = call()
    except grpc.RpcError as error:
        equal(error.code(), code)
        return error
    raise AssertionError(f"expected {code}, got an answer: {answer}")


def eventually(condition, complaint):
    end = time.monotonic() + 5
    while not condition():
        check(time.monotonic() < end, complaint)
        time.sleep(0.02)


def equal(found, expected):
    check(found == expected, f"expected {expected!r}, found {found!r}")


def check(condition, complaint):
    if not condition:
        raise AssertionError(complaint)


def main():
    peer = Peer(sys.argv[1])
    failed = 0
    for name in [name for name in vars(Peer) if name.startswith("case_")]:
        try:
            getattr(peer, name)()
        except Exception as error:
            failed += 1
            print(f"FAIL {name.removeprefix('case_')}: {error}", flush=True)
            traceback.print_exc()
        else:
            print(f"ok {name.removeprefix('case_')}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
