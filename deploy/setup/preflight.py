"""Before `make run` serves: are the settings sound, is the port free; prints `demo` if demo data is due."""

import os
import socket
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from dotenv import dotenv_values  # noqa: E402

from mechamap.settings import SettingsError, load  # noqa: E402


def port_problem(host: str, port: int) -> str | None:
    """Why nothing can listen on host:port, in a sentence naming the variable; None when something can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            # As gunicorn does: connections of the last run that still linger do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror:
        return f"HOST: {host!r} is no address of this machine."
    except PermissionError:
        return f"PORT: {port} needs privileges; choose one above 1023, for example `make run PORT=3000`."
    except OSError:
        return (
            f"PORT: {port} on {host} is already in use; stop what listens there, or choose another port:"
            f" `make run PORT={port + 1 if port < 65535 else 3000}`."
        )
    return None


def main() -> int:
    try:
        settings = load()
    except SettingsError as err:
        print(f"make: {err}", file=sys.stderr)
        return 1
    if problem := port_problem(settings.host, settings.port):
        print(f"make: {problem}", file=sys.stderr)
        return 1
    given = {**dotenv_values(ROOT / ".env"), **os.environ}
    if not settings.production and not any(given.get(n) for n in ("DATABASE_URL", "LARAVEL_DATABASE_URL")):
        print("demo")
    return 0


if __name__ == "__main__":
    sys.exit(main())
