"""The servers under measurement: ours and its peers, each pinned to one core, alike in what they must do."""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import jwt

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SECRET = "bench-jwt-secret-bench-jwt-secret-bench"
KEY = "bench-broadcast-key-bench-broadcast-key"
SERVER_CORE = "0"
CLIENT_CORE = "1"


@dataclass
class Server:
    """One running server.

    Attributes:
        channel: how it names the room of everyone and of user ``@I@``.
        data: the place of the event's data in a publication's body.
    """

    name: str
    port: int
    process: subprocess.Popen
    directory: Path
    workers: int = 1
    extra: list[subprocess.Popen] = field(default_factory=list)

    def pids(self) -> list[int]:
        """Every process whose processor time and memory count."""
        found = [self.process.pid]
        for pid in found:
            children = Path(f"/proc/{pid}/task/{pid}/children")
            found += [int(child) for child in children.read_text().split()]
        return found

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        for process in self.extra:
            process.terminate()


def start(name: str, port: int, workers: int = 1, redis_url: str = "") -> Server:
    """Start one of ``ours``, ``stock``, ``node``, ``climit`` and wait until it answers."""
    directory = Path(tempfile.mkdtemp(prefix=f"bench-{name}-"))
    command, env, cwd = _COMMANDS[name](port, directory, workers, redis_url)
    pin = ["taskset", "-c", SERVER_CORE] if workers == 1 else []
    log = (directory / "log").open("wb")
    process = subprocess.Popen([*pin, *command], env={**os.environ, **env}, cwd=cwd, stdout=log, stderr=log)
    server = Server(name, port, process, directory, workers)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).read()
            return server
        except urllib.error.HTTPError:
            return server
        except OSError:
            time.sleep(0.2)
        if process.poll() is not None:
            break
    raise SystemExit(f"{name} did not start:\n{(directory / 'log').read_text()[-2000:]}")


def _ours(port: int, directory: Path, workers: int, redis_url: str) -> tuple[list[str], dict[str, str], Path]:
    laravel = directory / "laravel.sqlite"
    with closing(sqlite3.connect(laravel)) as database:
        database.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, role TEXT)")
        rows = ((user_id(n), f"user {n}", "member") for n in range(20_001))
        database.executemany("INSERT INTO users VALUES (?, ?, ?)", rows)
        database.commit()
    env = {
        "PORT": str(port), "INSTANCE_PATH": str(directory), "JWT_SECRET": SECRET, "WEBSOCKET_API_KEY": KEY,
        "LARAVEL_DATABASE_URL": f"sqlite:///{laravel}", "RATE_LIMITS": "off", "LOG_LEVEL": "WARNING",
        "WEB_CONCURRENCY": str(workers), "REDIS_URL": redis_url, "MAX_CONNECTIONS": "20000",
        "RECHECK_SECONDS": "300",
    }  # fmt: skip
    return [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"], env, ROOT


def _stock(
    port: int, directory: Path, workers: int, redis_url: str
) -> tuple[list[str], dict[str, str], Path]:
    command = [
        sys.executable, "-m", "gunicorn", "-k", "geventwebsocket.gunicorn.workers.GeventWebSocketWorker",
        "-w", "1", "-b", f"127.0.0.1:{port}", "--worker-connections", "20000", "--backlog", "4096",
        "--log-level", "warning", "--no-control-socket", "flask_stock:app",
    ]  # fmt: skip
    return command, {"JWT_SECRET": SECRET}, HERE / "peers"


def _node(port: int, directory: Path, workers: int, redis_url: str) -> tuple[list[str], dict[str, str], Path]:
    if not (HERE / "peers" / "node_modules").exists():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=HERE / "peers", check=True)
    return ["node", "node_socketio.js"], {"PORT": str(port), "JWT_SECRET": SECRET}, HERE / "peers"


def _climit(
    port: int, directory: Path, workers: int, redis_url: str
) -> tuple[list[str], dict[str, str], Path]:
    program = directory / "climit"
    subprocess.run(["cc", "-O2", "-o", str(program), str(HERE / "peers" / "climit.c")], check=True)
    return [str(program), str(port)], {}, directory


_COMMANDS = {"ours": _ours, "stock": _stock, "node": _node, "climit": _climit}


def user_id(number: int) -> int:
    """The user of connection ``number``: ``1`` and the number, because no user is 0 and the load client can
    only put the number into a text."""
    return int(f"1{number}")


def tokens(number: int) -> Path:
    """A file with one JWT a line: line n, counted from 0, is of user ``1n``."""
    path = Path(tempfile.gettempdir()) / f"bench-tokens-{number}.txt"
    end = int(time.time()) + 86_400
    lines = (jwt.encode({"userId": user_id(n), "exp": end}, SECRET, algorithm="HS256") for n in range(number))
    path.write_text("\n".join(lines) + "\n")
    return path


def load(*options: str) -> dict:
    """One run of the load client on its own core; its JSON."""
    program = Path(tempfile.gettempdir()) / "bench-sioload"
    if not program.exists():
        subprocess.run(["cc", "-O2", "-o", str(program), str(HERE / "sioload.c")], check=True)
    pin = ["taskset", "-c", CLIENT_CORE]
    done = subprocess.run([*pin, str(program), *options], capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise SystemExit(f"sioload failed: {done.stdout[-500:]} {done.stderr[-500:]}") from None
