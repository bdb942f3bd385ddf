"""Somebody who has the console open, in a process of their own: asks what the open page asks every two
seconds, and opens a list in between. Keeps the times of the answers."""

import http.cookiejar
import json
import re
import select
import subprocess
import sys
import time
import urllib.parse
import urllib.request

from servers import CLIENT_CORE, OPERATOR, PASSWORD

LISTS = ("/admin/connections/", "/admin/channels/", "/admin/")
LIVE = "/admin/live.json"
EVERY = 2.0


class Viewer:
    """`viewer = Viewer(port)`: signed in. `look()`, and `result()` ends it: times in milliseconds."""

    def __init__(self, port: int) -> None:
        command = ["taskset", "-c", CLIENT_CORE, sys.executable, __file__, str(port)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        if self._process.stdout.readline() != "ready\n":
            raise SystemExit("the viewer could not sign in")

    def look(self) -> None:
        """Begin to watch."""
        self._process.stdin.write("look\n")
        self._process.stdin.flush()

    def result(self) -> dict[str, float]:
        said, _ = self._process.communicate("stop\n", timeout=60)
        return json.loads(said)


def main(port: int) -> None:
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    url = f"http://127.0.0.1:{port}"

    def timed(path: str) -> float:
        began = time.perf_counter()
        with browser.open(url + path, timeout=30) as answer:
            answer.read()
        return (time.perf_counter() - began) * 1000

    form = browser.open(f"{url}/admin/login").read().decode()
    [token] = re.findall(r'name="csrf_token" value="([^"]+)"', form)
    fields = urllib.parse.urlencode({"csrf_token": token, "login": OPERATOR, "password": PASSWORD})
    browser.open(f"{url}/admin/login", fields.encode()).read()
    timed(LIVE)  # 401 ends it here
    print("ready", flush=True)
    sys.stdin.readline()
    live: list[float] = []
    lists: list[float] = []
    while not select.select([sys.stdin], [], [], EVERY)[0]:
        live.append(timed(LIVE))
        lists.append(timed(LISTS[len(lists) % len(LISTS)]))
    found = {"looks": len(live), "live_ms": max(live, default=0.0), "list_ms": max(lists, default=0.0)}
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]))
