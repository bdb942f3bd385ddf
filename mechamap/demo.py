"""The demo page: a stock Socket.IO client in the shoes of a made-up user, for a first look without Laravel.

It hands a token to whoever asks, so it exists only outside production, and only for the made-up users of the
embedded database.
"""

from datetime import timedelta
from pathlib import Path

from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from sqlalchemy import column, select, table

from mechamap import __version__
from mechamap.domain.errors import AuthenticationFailed, DirectoryUnavailable, NotFound
from mechamap.services import Services
from mechamap.settings import ROOT
from mechamap.store.database import in_memory
from mechamap.store.demo import USERS, DemoUser

TOKEN_LIFE = timedelta(hours=1)
SHOWN = 50
CLIENT = ROOT / "static" / "vendor" / "socket.io.min.js"
NOTIFICATIONS = ("id", "type", "title", "message", "is_read", "created_at")


def blueprint(services: Services) -> Blueprint:
    """``/`` always; ``/demo`` and what its pages fetch where demo data may be."""
    pages = Blueprint("demo", __name__)
    shown = _embedded(services)

    @pages.get("/")
    def root() -> Response:
        browser = request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"
        if shown and browser:
            return redirect(url_for("demo.index"))
        return jsonify({"name": "MechaMap real-time", "version": __version__, "health": "/health/ready"})

    if not shown:
        return pages

    @pages.get("/demo")
    def index() -> str:
        return render_template("demo/index.html", users=USERS, seeded=_seeded(services))

    @pages.get("/demo/<int:user_id>")
    def user(user_id: int) -> str:
        return render_template(
            "demo/user.html",
            user=_user(user_id),
            users=[other for other in USERS if not other.banned],
            client=CLIENT.exists(),
            base_url=request.host_url.rstrip("/"),
        )

    @pages.get("/demo/<int:user_id>/token")
    def token(user_id: int) -> Response:
        made = services.jwts.issue(_user(user_id).id, TOKEN_LIFE)
        return _uncached({"token": made})

    @pages.get("/demo/notifications.json")
    def notifications() -> Response:
        """The list behind the bell, for the bearer of the token."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise AuthenticationFailed("a token is missing.", code="token_missing")
        identity = services.authenticator.authenticate(given.strip())
        return _uncached({"notifications": _notifications(services, identity.user_id)})

    return pages


def _user(user_id: int) -> DemoUser:
    found = next((user for user in USERS if user.id == user_id), None)
    if found is None:
        raise NotFound(f"The demo has the users {USERS[0].id} to {USERS[-1].id}.", code="demo_user_unknown")
    return found


def _embedded(services: Services) -> bool:
    """Whether Laravel's tables are the made-up ones: never show a token for a person of a real database."""
    url = services.databases.laravel.engine.url
    instance = services.settings.instance_path
    return (
        services.settings.demo
        and url.drivername == "sqlite"
        and (in_memory(url) or Path(str(url.database)).resolve().is_relative_to(instance))
    )


def _seeded(services: Services) -> bool:
    try:
        return services.directory.user(USERS[0].id) is not None
    except DirectoryUnavailable:
        return False


def _notifications(services: Services, user_id: int) -> list[dict[str, object]]:
    """Newest first."""
    rows = table("notifications", *(column(name) for name in (*NOTIFICATIONS, "user_id")))
    query = (
        select(*(rows.c[name] for name in NOTIFICATIONS))
        .where(rows.c.user_id == user_id)
        .order_by(rows.c.id.desc())
        .limit(SHOWN)
    )
    with services.databases.laravel.read() as connection:
        return [{**row, "is_read": bool(row["is_read"])} for row in connection.execute(query).mappings()]


def _uncached(body: dict[str, object]) -> Response:
    response = jsonify(body)
    response.headers["Cache-Control"] = "no-store"
    return response
