"""The servers under measurement: ours and its peers, each pinned to a core, alike in what they must do."""

import atexit
import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import bcrypt
import jwt

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SECRET = "bench-jwt-secret-bench-jwt-secret-bench"
KEY = "bench-broadcast-key-bench-broadcast-key"
TOKENS = 20_001
OPERATOR, PASSWORD = "operator", "bench-operator-bench-operator"
INGEST_PREFIX = "bench_database_"
SERVER_CORE = "0"
CLIENT_CORE = "1"


@dataclass
class Server:
    """One running server, with the Redis that it needs."""

    name: str
    port: int
    process: subprocess.Popen
    directory: Path
    redis: "Redis | None" = None

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def pids(self) -> list[int]:
        """Every process of the server whose processor time and memory count; Redis is apart."""
        found = [self.process.pid]
        for pid in found:
            children = Path(f"/proc/{pid}/task/{pid}/children")
            found += [int(child) for child in children.read_text().split()]
        return found

    def workers(self) -> list[int]:
        """The processes that serve: gunicorn's master does not."""
        return self.pids()[1:] or self.pids()

    def stop(self) -> None:
        for pid in self.workers():
            os.kill(pid, signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        if self.redis is not None:
            self.redis.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class Redis:
    """A private redis-server on the load client's core: its work is measured apart from the server's."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            raise SystemExit("redis-server is not installed")
        options = ["--port", str(port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(
            ["taskset", "-c", CLIENT_CORE, program, *options], stdout=quiet, stderr=quiet
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise SystemExit("redis-server did not start")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def start(
    name: str,
    port: int,
    *,
    workers: int = 1,
    redis: bool = False,
    ingest: bool = False,
    app: str = "wsgi:app",
) -> Server:
    """Start one of ``ours``, ``forgetful``, ``stock``, ``node``, ``climit`` and wait until it answers.

    Args:
        workers: of ours; several share both cores with everything else.
        redis: give ours a Redis of its own as the broker.
        ingest: give ours a Redis of its own to listen to as Laravel's redis driver publishes.
        app: what gunicorn serves, for ours.
    """
    _must_be_free(port)
    raise_descriptor_limit()
    directory = Path(tempfile.mkdtemp(prefix=f"bench-{name}-"))
    store = Redis(port + 1_000) if redis or ingest else None
    command, env, cwd = _COMMANDS[name](port, directory)
    if name in ("ours", "forgetful"):
        command[-1] = app if name == "ours" else "forgetful:app"
        env["WEB_CONCURRENCY"] = str(workers)
        env["PYTHONPATH"] = os.pathsep.join((str(HERE), str(ROOT)))
        if redis:
            env["REDIS_URL"] = store.url
        if ingest:
            env.update({"LARAVEL_REDIS_URL": store.url, "LARAVEL_REDIS_PREFIX": INGEST_PREFIX})
        upgrade = [sys.executable, "-m", "flask", "db", "upgrade"]
        subprocess.run(upgrade, env={**os.environ, **env}, cwd=cwd, check=True, capture_output=True)
    pin = ["taskset", "-c", SERVER_CORE] if workers == 1 else []
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [*pin, *command], env={**os.environ, **env}, cwd=cwd, stdout=log, stderr=log
        )
    server = Server(name, port, process, directory, store)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).read()
        except urllib.error.HTTPError:
            pass  # a peer that has no such page answers all the same
        except OSError:
            time.sleep(0.2)
            continue
        _await_workers(server, workers)
        return server
    said = (directory / "log").read_text()[-2000:]
    server.stop()
    raise SystemExit(f"{name} did not start:\n{said}")


def _await_workers(server: Server, workers: int) -> None:
    """One worker answers before the others are there, and a load that began then would be on that one.

    Each of several opens a door to the others when it is ready.
    """
    deadline = time.monotonic() + 30
    while workers > 1 and _open_doors(server.directory) < workers:
        if time.monotonic() > deadline:
            raise SystemExit(f"not all workers came:\n{server.log()[-2000:]}")
        time.sleep(0.1)


def _open_doors(directory: Path) -> int:
    found = 0
    for door in directory.glob("realtime-*/*"):
        with socket.socket(socket.AF_UNIX) as probe:
            found += probe.connect_ex(str(door)) == 0
    return found


def _must_be_free(port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise SystemExit(f"port {port} is in use: another server would be measured (see --port)")


def raise_descriptor_limit() -> None:
    """As far as it goes: 20,000 connections need a hard limit of more (``ulimit -Hn``)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def most_connections() -> int:
    """What one worker can hold under the limit of open files, with room for everything else."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 300


def _ours(port: int, directory: Path) -> tuple[list[str], dict[str, str], Path]:
    laravel = directory / "laravel.sqlite"
    with closing(sqlite3.connect(laravel)) as database:
        database.execute(
            "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, role TEXT, username TEXT, password TEXT)"
        )
        rows = ((user_id(n), f"user {n}", "member") for n in range(TOKENS))
        database.executemany("INSERT INTO users VALUES (?, ?, ?, NULL, NULL)", rows)
        password = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        operator = (1, "Operator", "super_admin", OPERATOR, password)  # no browser has this id
        database.execute("INSERT INTO users VALUES (?, ?, ?, ?, ?)", operator)
        database.execute("CREATE TABLE forums (id INTEGER PRIMARY KEY, required_role TEXT)")
        database.execute("CREATE TABLE threads (id INTEGER PRIMARY KEY, forum_id INTEGER)")
        database.execute("INSERT INTO forums VALUES (1, NULL)")
        database.execute("INSERT INTO threads VALUES (1, 1)")
        database.commit()
    env = {
        "PORT": str(port), "INSTANCE_PATH": str(directory), "JWT_SECRET": SECRET, "WEBSOCKET_API_KEY": KEY,
        "LARAVEL_DATABASE_URL": f"sqlite:///{laravel}", "RATE_LIMITS": "off", "LOG_LEVEL": "WARNING",
        "MAX_CONNECTIONS": "50000", "MAX_SUBSCRIPTIONS": "10000", "RECHECK_SECONDS": "300",
        "TMPDIR": str(directory), "REDIS_URL": "",
    }  # fmt: skip
    return [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"], env, ROOT


def _stock(port: int, directory: Path) -> tuple[list[str], dict[str, str], Path]:
    command = [
        sys.executable, "-m", "gunicorn", "-k", "geventwebsocket.gunicorn.workers.GeventWebSocketWorker",
        "-w", "1", "-b", f"127.0.0.1:{port}", "--worker-connections", "20000", "--backlog", "4096",
        "--log-level", "warning", "--no-control-socket", "flask_stock:app",
    ]  # fmt: skip
    return command, {"JWT_SECRET": SECRET}, HERE / "peers"


def _node(port: int, directory: Path) -> tuple[list[str], dict[str, str], Path]:
    if not (HERE / "peers" / "node_modules").exists():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=HERE / "peers", check=True)
    return ["node", "node_socketio.js"], {"PORT": str(port), "JWT_SECRET": SECRET}, HERE / "peers"


def _climit(port: int, directory: Path) -> tuple[list[str], dict[str, str], Path]:
    program = directory / "climit"
    subprocess.run(["cc", "-O2", "-o", str(program), str(HERE / "peers" / "climit.c")], check=True)
    return [str(program), str(port)], {}, directory


_COMMANDS = {"ours": _ours, "forgetful": _ours, "stock": _stock, "node": _node, "climit": _climit}


def user_id(number: int) -> int:
    """The user of connection ``number``: ``1`` and the number, because no user is 0 and the load client can
    only put the number into a text."""
    return int(f"1{number}")


@cache
def tokens() -> Path:
    """A file with one JWT a line: line n, counted from 0, is of user ``1n``."""
    path = Path(tempfile.gettempdir()) / f"bench-tokens-{os.getpid()}.txt"
    atexit.register(path.unlink, missing_ok=True)
    end = int(time.time()) + 86_400
    lines = (jwt.encode({"userId": user_id(n), "exp": end}, SECRET, algorithm="HS256") for n in range(TOKENS))
    path.write_text("\n".join(lines) + "\n")
    return path
