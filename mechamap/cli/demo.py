"""``flask demo``: the demonstration a newcomer starts with."""

import json
import shlex
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mechamap.domain.moments import now_iso
from mechamap.settings import ROOT

from .command import Nouns, json_option, pass_services
from .printing import fields, heading, print_json

if TYPE_CHECKING:
    from mechamap.services import Services
    from mechamap.store.demo import DemoSeed, DemoUser

TOKEN_TTL = timedelta(days=1)
AUDIENCE = 2
"""The user whom the curl line notifies."""
TOKENS_FOR = (2, 3)

NOTIFICATION: dict[str, Any] = {
    "id": 4,
    "type": "comment",
    "title": "New answer",
    "message": "Dung answered: Which bearing for a 40 mm shaft?",
    "data": {"thread_id": 1},
    "unread_count": 4,
}
"""As Laravel would push it. The id is one of the seeded rows, so that marking it as read finds it."""

group = Nouns("demo", help="Demonstration data, and how to see it work.")


@group.command("seed")
@json_option
@pass_services
def seed(services: "Services", as_json: bool) -> None:
    """Make the demonstration's users and notifications, and print what to open.

    Doing it again changes nothing and prints it again. It refuses in production, and any database but the
    embedded one.
    """
    from mechamap.store import demo

    settings = services.settings
    try:
        seeded = demo.seed(settings, services.databases)
    except demo.DemoRefused as err:
        raise click.ClickException(str(err)) from err
    people = {user.id: user for user in seeded.users}
    tokens = {user_id: services.jwts.issue(user_id, TOKEN_TTL) for user_id in TOKENS_FOR}
    key = settings.api_keys[0] if settings.api_keys else None
    body = notification()
    if as_json:
        print_json(
            {
                "pages": {
                    people[user_id].name: f"{settings.base_url}/demo/{user_id}" for user_id in TOKENS_FOR
                },
                "dashboard": {
                    "url": f"{settings.base_url}/admin/",
                    "login": seeded.admin_email,
                    "password": seeded.admin_password,
                },
                "users": [
                    {
                        "id": user.id,
                        "name": user.name,
                        "email": user.email,
                        "role": user.role,
                        "banned": user.banned,
                    }
                    for user in seeded.users
                ],
                "tokens": tokens,
                "curl": " ".join(curl_parts(settings.base_url, key, json.dumps(body)) or ()) or None,
                "instance": str(settings.instance_path),
            }
        )
        return
    _print(services, seeded, people, tokens, curl_parts(settings.base_url, key, packed(body)))


def notification() -> dict[str, object]:
    """The body that notifies ``AUDIENCE``."""
    data = {**NOTIFICATION, "created_at": now_iso()}
    return {"channel": f"private-user.{AUDIENCE}", "event": "notification.sent", "data": data}


def curl_parts(base_url: str, key: str | None, body: str) -> list[str] | None:
    """The parts of a curl command that publishes ``body``; None without a key."""
    if key is None:
        return None
    return [
        f"curl {base_url}/api/broadcast",
        "-H 'Content-Type: application/json'",
        f"-H {shlex.quote(f'X-API-Key:{key}')}",
        f"-d {shlex.quote(body)}",
    ]


def packed(body: dict[str, object], width: int = 76) -> str:
    """JSON with line breaks between members only, so that it can be read and still be pasted."""
    lines = [""]
    for number, (name, value) in enumerate(body.items()):
        nested = isinstance(value, dict) and len(value) > 1
        member = f"{json.dumps(name)}: {packed(value, width) if nested else json.dumps(value)}"
        if number:
            lines[-1] += ","
        if len(lines[-1]) + len(member.partition("\n")[0]) > width:
            lines.append("")
        lines[-1] += (" " if number or len(lines) > 1 else "") + member
    return "{" + "\n".join(lines) + "}"


def _print(
    services: "Services",
    seeded: "DemoSeed",
    people: "dict[int, DemoUser]",
    tokens: dict[int, str],
    curl: list[str] | None,
) -> None:
    settings = services.settings
    url = settings.base_url
    click.echo()
    heading("  MechaMap real-time: the demonstration")
    click.echo()
    pages = [(f"Open as {people[user_id].name}", f"{url}/demo/{user_id}") for user_id in TOKENS_FOR]
    login = f"{seeded.admin_email}  {seeded.admin_password}"
    fields([*pages, ("Dashboard", f"{url}/admin/"), ("  sign in with", login)], indent="  ")
    click.echo()
    heading(f"  Notify {people[AUDIENCE].name}: open the page, then paste this into another terminal")
    click.echo()
    if curl is None:
        click.echo("  flask broadcast ... (WEBSOCKET_API_KEY is empty, so nobody may publish over HTTP)")
    else:
        click.echo(" \\\n ".join(curl))
    click.echo()
    heading("  Tokens for clients of your own, good for a day")
    for user_id, token in tokens.items():
        user = people[user_id]
        click.echo(f"\n  {user.name} (user {user_id}, {user.role})\n{token}")
    click.echo()
    fields(
        [
            ("Stop", "Ctrl+C in the terminal of `make run`"),
            ("Data", f"{_short(settings.instance_path)}/ (delete the folder to start afresh)"),
            ("Examine", ".venv/bin/flask doctor"),
        ],
        indent="  ",
    )
    click.echo()


def _short(path: Path) -> str:
    """The path as somebody in the project's folder would type it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
