#!/usr/bin/env bash
# `buf curl` as a client: gRPC-Web and Connect over HTTP/1.1 and over h2c, and native gRPC over h2c.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/cases.sh"

# Each call type over each transport that carries it: gRPC-Web and Connect are half duplex on HTTP/1.1.
web=(--protocol grpcweb)
web_h2=(--protocol grpcweb --http2-prior-knowledge)
native=(--protocol grpc --http2-prior-knowledge)
connect=(--protocol connect)
connect_h2=(--protocol connect --http2-prior-knowledge)

# call METHOD DATA FLAG...
call() {
  timeout 15 "$peers/node/node_modules/.bin/buf" curl --schema "$schema" -d "$2" "${@:3}" "http://$address/$1"
}

unary() {
  call $orders/GetOrder '{"orderId": "order-1"}' "$@" | json '(len(m), m[0]["orderId"])' | equals "(1, 'order-1')"
}
case_web_unary() { unary "${web[@]}"; }
case_web_h2_unary() { unary "${web_h2[@]}"; }
case_native_unary() { unary "${native[@]}"; }
case_connect_unary() { unary "${connect[@]}"; }
case_connect_h2_unary() { unary "${connect_h2[@]}"; }

server_stream() {
  call $diagnostics/Stream '{"count": 4, "size": 10}' "$@" \
    | json '[(v.get("index", 0), len(v["payload"])) for v in m]' | equals "[(0, 16), (1, 16), (2, 16), (3, 16)]"
}
case_web_server_stream() { server_stream "${web[@]}"; }
case_web_h2_server_stream() { server_stream "${web_h2[@]}"; }
case_native_server_stream() { server_stream "${native[@]}"; }
case_connect_server_stream() { server_stream "${connect[@]}"; }
case_connect_h2_server_stream() { server_stream "${connect_h2[@]}"; }

client_stream() {
  call $diagnostics/Collect '{"payload": "AAAA"} {"payload": "AAAA"}' "$@" \
    | json '(m[0]["messages"], m[0]["bytes"])' | equals "('2', '6')"
}
case_web_h2_client_stream() { client_stream "${web_h2[@]}"; }
case_native_client_stream() { client_stream "${native[@]}"; }
case_connect_client_stream() { client_stream "${connect[@]}"; }
case_connect_h2_client_stream() { client_stream "${connect_h2[@]}"; }

bidi_stream() {
  call $diagnostics/Chat '{"text": "one"} {"text": "two"}' "$@" \
    | json '[(v.get("index", 0), v["text"]) for v in m]' | equals "[(0, 'one'), (1, 'two')]"
}
case_web_h2_bidi_stream() { bidi_stream "${web_h2[@]}"; }
case_native_bidi_stream() { bidi_stream "${native[@]}"; }
case_connect_h2_bidi_stream() { bidi_stream "${connect_h2[@]}"; }

error_with_details() {
  local error
  if error=$(call $orders/CreateOrder '{}' "$@" 2>&1); then
    echo "expected an error, found $error"
    return 1
  fi
  json '(m[0]["code"], m[0]["details"][0]["type"])' <<<"$error" \
    | equals "('invalid_argument', 'google.rpc.BadRequest')"
  json '[name in base64.b64decode(m[0]["details"][0]["value"] + "==") for name in (b"user_id", b"items")]' \
    <<<"$error" | equals "[True, True]"
}
case_web_error_with_details() { error_with_details "${web[@]}"; }
case_native_error_with_details() { error_with_details "${native[@]}"; }
case_connect_error_with_details() { error_with_details "${connect[@]}"; }

metadata() {
  call $diagnostics/Echo '{"message": "hello"}' -H 'x-peer: one' -H 'x-peer-bin: AAEC/w' "$@" \
    | json 'sorted((e["key"], e.get("value") or e.get("binaryValue")) for e in m[0]["metadata"] if "x-peer" in e["key"])' \
    | equals "[('x-peer', 'one'), ('x-peer-bin', 'AAEC/w==')]"
}
case_web_metadata() { metadata "${web[@]}"; }
case_native_metadata() { metadata "${native[@]}"; }
case_connect_metadata() { metadata "${connect[@]}"; }

run_cases
