"""Secrets that nobody set, outside production."""

import os
import secrets
from pathlib import Path

from ..environment import Environment

DEV_SECRETS_FILE = "dev-secrets.env"


def development_secrets(instance: Path, env: Environment) -> dict[str, str]:
    """Generated secrets for whatever the environment leaves out; kept across restarts so tokens stay
    valid."""
    wanted = [name for name in ("SECRET_KEY", "JWT_SECRET", "WEBSOCKET_API_KEY") if not env.text(name)]
    if not wanted:
        return {}
    path = instance / DEV_SECRETS_FILE
    kept = (
        dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
        if path.exists()
        else {}
    )
    missing = [name for name in wanted if name not in kept]
    if missing:
        kept.update({name: secrets.token_urlsafe(48) for name in missing})
        instance.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f"{path.name}.{os.getpid()}")
        scratch.touch(mode=0o600)
        scratch.write_text("".join(f"{name}={value}\n" for name, value in sorted(kept.items())))
        scratch.replace(path)
    return {name: kept[name] for name in wanted}
