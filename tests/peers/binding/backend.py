"""A grpcio server that answers every call with the bytes of its request, as binding.test.Seen.

Usage: backend.py
"""

from concurrent import futures

import grpc

import binding_pb2


class Mirror(grpc.GenericRpcHandler):
    """One handler for all methods. Nothing decodes the request on its way."""

    def service(self, handler_call_details):
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: binding_pb2.Seen(request=request).SerializeToString(),
            request_deserializer=None,
            response_serializer=None,
        )


def main():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    server.add_generic_rpc_handlers((Mirror(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
