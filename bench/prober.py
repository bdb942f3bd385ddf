"""Asks `/health` again and again on one connection, in a process of its own, and keeps the slowest answer."""

import http.client
import json
import subprocess
import sys
import time

from servers import CLIENT_CORE


class Prober:
    """`with Prober(port) as prober: ...; prober.result()`: times in milliseconds."""

    def __init__(self, port: int, interval: float) -> None:
        command = ["taskset", "-c", CLIENT_CORE, sys.executable, __file__, str(port), str(interval)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self._process.stdout.readline()  # it has its first answer

    def __enter__(self) -> "Prober":
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.communicate()

    def result(self) -> dict[str, float]:
        said, _ = self._process.communicate("stop\n", timeout=60)
        return json.loads(said)


def main(port: int, interval: float) -> None:
    import select

    connection, times = http.client.HTTPConnection("127.0.0.1", port, timeout=60), []
    stopped = False
    while not stopped:
        began = time.perf_counter()
        connection.request("GET", "/health")
        connection.getresponse().read()
        times.append((time.perf_counter() - began) * 1000)
        if len(times) == 1:
            print("ready", flush=True)
        stopped = bool(select.select([sys.stdin], [], [], interval)[0])
    times.sort()
    found = {"probes": len(times), "p50": times[len(times) // 2], "p99": times[len(times) * 99 // 100]}
    print(json.dumps({**found, "max": times[-1]}))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
