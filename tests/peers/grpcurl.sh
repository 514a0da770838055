#!/usr/bin/env bash
# grpcurl as a client: native gRPC over h2c with a protoset, all four call types.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/cases.sh"

# call METHOD DATA [FLAG...]
call() {
  "$peers/bin/grpcurl" -plaintext -connect-timeout 3 -max-time 15 -protoset "$schema" "${@:3}" -d "$2" "$address" "$1"
}

case_unary() {
  call $orders/GetOrder '{"orderId": "order-1"}' | json '(len(m), m[0]["orderId"])' | equals "(1, 'order-1')"
}

case_server_stream() {
  call $diagnostics/Stream '{"count": 4, "size": 10}' \
    | json '[(v.get("index", 0), len(v["payload"])) for v in m]' | equals "[(0, 16), (1, 16), (2, 16), (3, 16)]"
  call $orders/ListOrders '{"userId": "alice"}' \
    | json 'len(m) > 0 and {v["buyer"]["userId"] for v in m}' | equals "{'alice'}"
}

case_client_stream() {
  local item='{"productId": "tea-green", "quantity": 2, "unitPrice": 3.25}'
  local good='{"userId": "alice", "items": ['$item']}' bad='{"userId": "alice"}'
  call $orders/BatchCreateOrders "$good $bad $good" \
    | json '(m[0]["createdCount"], m[0]["rejectedCount"], m[0]["total"])' | equals "(2, 1, 13)"
}

case_bidi_stream() {
  call $diagnostics/Chat '{"text": "one"} {"text": "two"} {"text": "three"}' \
    | json '[(v.get("index", 0), v["text"]) for v in m]' | equals "[(0, 'one'), (1, 'two'), (2, 'three')]"
}

case_error_with_details() {
  local error
  if error=$(call $orders/CreateOrder '{}' -format-error 2>&1); then
    echo "expected an error, found $error"
    return 1
  fi
  json '(m[0]["code"], m[0]["details"][0]["@type"])' <<<"$error" \
    | equals "(3, 'type.googleapis.com/google.rpc.BadRequest')"
  json '{"user_id", "items"} <= {v["field"] for v in m[0]["details"][0]["fieldViolations"]}' <<<"$error" \
    | equals True
}

case_metadata() {
  call $diagnostics/Echo '{"message": "hello"}' -H 'x-peer: one' -H 'x-peer-bin: AAEC/w==' \
    | json 'sorted((e["key"], e.get("value") or e.get("binaryValue")) for e in m[0]["metadata"] if "x-peer" in e["key"])' \
    | equals "[('x-peer', 'one'), ('x-peer-bin', 'AAEC/w==')]"
}

case_deadline() {
  local error
  if error=$(call $diagnostics/Sleep '{"duration": "10s"}' -max-time 0.3 -format-error 2>&1); then
    echo "expected an error, found $error"
    return 1
  fi
  [[ $error == *DeadlineExceeded* || $error == *'"code": 4'* ]] || { echo "expected code 4, found $error"; return 1; }
}

run_cases
