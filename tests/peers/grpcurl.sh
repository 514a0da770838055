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

# By the gateway's own reflection: no protoset, and nothing is asked of the backend.
reflected() {
  "$peers/bin/grpcurl" -plaintext -connect-timeout 3 -max-time 15 "$@"
}

case_reflection_lists() {
  local own="grpc.health.v1.Health grpc.reflection.v1.ServerReflection grpc.reflection.v1alpha.ServerReflection"
  reflected "$address" list | xargs | equals "ecommerce.v1.DiagnosticsService ecommerce.v1.OrderService $own"
  reflected "$address" list $orders | sed -n 1p | equals "$orders.BatchCreateOrders"
}

case_reflection_describes() {
  described $orders.GetOrder 'get: "/v1/orders/{order_id}"'
  described ecommerce.v1.Order 'string order_id = 1'
  described ecommerce.v1.Nothing 'Symbol not found'
}

# described SYMBOL TEXT: the description, or the error in its place, has the text.
described() {
  local found
  found=$(reflected "$address" describe "$1" 2>&1 || true)
  [[ $found == *"$2"* ]] || { echo "expected $2, found $found"; return 1; }
}

case_reflection_calls() {
  reflected -d '{"orderId": "order-1"}' "$address" $orders/GetOrder | json 'm[0]["orderId"]' | equals order-1
}

case_health() {
  local check=grpc.health.v1.Health/Check error
  reflected "$address" $check | json 'm[0]["status"]' | equals SERVING
  reflected -d "{\"service\": \"$orders\"}" "$address" $check | json 'm[0]["status"]' | equals SERVING
  error=$(reflected -d '{"service": "nobody"}' "$address" $check 2>&1 || true)
  [[ $error == *NotFound* ]] || { echo "expected NotFound, found $error"; return 1; }
}

run_cases
