# For the peers that are command line tools. A case is a function; `run_cases` runs all whose name begins
# with `case_`, in their order, each within 20 s.

peers=${EDGEWAY_PEERS:?the folder that scripts/peers installed into}
# The descriptor set of the demo services.
schema=$peers/ecommerce.binpb
# The address of the gateway.
address=${1:?usage: $0 HOST:PORT}
orders=ecommerce.v1.OrderService
diagnostics=ecommerce.v1.DiagnosticsService

# Each case is a process of its own, so that one that fails, or hangs, ends alone.
run_cases() {
  local name output failed=0
  if [ -n "${CASE:-}" ]; then
    "$CASE"
    return
  fi
  for name in $(compgen -A function case_); do
    if output=$(CASE=$name timeout --kill-after=2 20 bash -euo pipefail "$0" "$address" 2>&1); then
      echo "ok ${name#case_}"
    else
      output=${output:-no end within 20 s}
      echo "FAIL ${name#case_}: ${output//$'\n'/ }"
      failed=1
    fi
  done
  return "$failed"
}

# equals EXPECTED: compares with standard input.
equals() {
  local found
  found=$(cat)
  [ "$found" = "$1" ] || { echo "expected $1, found $found"; return 1; }
}

# json FILTER: a value out of the JSON on standard input. FILTER is a Python expression over `m`, the list of
# the JSON values that were there.
json() {
  python3 -c '
import base64, json, sys
text, m, decoder = sys.stdin.read().strip(), [], json.JSONDecoder()
while text:
    value, end = decoder.raw_decode(text)
    m.append(value)
    text = text[end:].lstrip()
print(eval(sys.argv[1]))' "$1"
}
