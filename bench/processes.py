"""The programs under measurement: started on a core of their own, watched, stopped."""

import os
import socket
import subprocess
import sys
import time

TICK = os.sysconf("SC_CLK_TCK")


class Processes:
    """Starts programs with their log in a folder, and leaves none behind."""

    def __init__(self, folder):
        self.folder = folder
        self.running = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.running:
            process.kill()
            process.wait()

    def start(self, name, core, command, port):
        """Starts a program pinned to a core, and returns when it listens on the port, 10 s at most."""
        if listens(port):
            sys.exit(f"compare.py: port {port}, which {name} needs, is taken by another program")
        with open(self.folder / f"{name}.log", "w") as log:
            pinned = ["taskset", "-c", str(core), *map(str, command)]
            process = subprocess.Popen(pinned, stdout=subprocess.DEVNULL, stderr=log)
        self.running.append(process)
        for _ in range(200):
            if process.poll() is not None:
                sys.exit(f"compare.py: {name} ended at once, see {log.name}")
            if listens(port):
                return process
            time.sleep(0.05)
        sys.exit(f"compare.py: {name} does not listen on {port}, see {log.name}")

    def stop(self, process):
        """Stops a program with SIGTERM, which has to do within 15 s."""
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            print("did not end within 15 s of SIGTERM: killed")
            process.kill()
            process.wait()
        self.running.remove(process)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def cpu_seconds(pid):
    """User and system time that a process has used."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident_mib(pid):
    with open(f"/proc/{pid}/status") as file:
        line = next(line for line in file if line.startswith("VmRSS"))
    return int(line.split()[1]) // 1024
