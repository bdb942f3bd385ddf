"""``flask doctor``: examines the installation, and says how to mend what is not well."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click
from flask import Flask, current_app

from mechamap.cli.cluster import operations_of
from mechamap.cli.command import Command, json_option, pass_services
from mechamap.domain.errors import RealtimeError

from .finding import Finding, Status, fail, worst

if TYPE_CHECKING:
    from mechamap.presence.protocol import WorkerRecord
    from mechamap.services import Services


@click.command("doctor", cls=Command)
@click.option("--url", metavar="URL", help="Ask the server at its public address, through the proxy.")
@click.option(
    "--laravel-env",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Compare with the .env of the Laravel site; of secrets only whether they are equal is told.",
)
@json_option
@pass_services
def command(services: "Services", url: str | None, laravel_env: Path | None, as_json: bool) -> None:
    """Examine settings, services and the running server.

    Exit code 1 when something fails; a warning alone does not.
    """
    from .report import print_report
    from .values import effective

    if url is not None:
        url = url.rstrip("/")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise click.BadParameter(
                "must be an address such as https://realtime.mechamap.com", param_hint="--url"
            )
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    findings = list(examine(app, services, url, laravel_env))
    status = worst(findings)
    if as_json:
        from mechamap.cli.printing import print_json

        print_json(
            {
                "status": status,
                "settings": effective(services.settings),
                "findings": [asdict(finding) for finding in findings],
            }
        )
    else:
        print_report(effective(services.settings), findings)
    if status is Status.FAIL:
        raise click.exceptions.Exit(1)


def examine(
    app: Flask, services: "Services", url: str | None, laravel_env: Path | None = None
) -> Iterator[Finding]:
    """Every examination, one after the other. One that breaks down is a finding, not the end."""
    from . import (
        certificates,
        credentials,
        databases,
        laravel_http,
        laravel_redis,
        machine,
        redis,
        server,
        settings_file,
        webhooks,
    )
    from . import laravel_env as compared

    settings = services.settings
    examinations: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
        (settings_file.AREA, settings_file.examine),
        (credentials.AREA, lambda: credentials.examine(settings, _table_keys(services))),
        (redis.AREA, lambda: redis.examine(settings)),
        (laravel_redis.AREA, lambda: laravel_redis.examine(settings)),
        (laravel_http.AREA, lambda: laravel_http.examine(settings, services.sanctum)),
        (webhooks.AREA, lambda: webhooks.examine(services)),
        (databases.OWN, lambda: databases.examine(app, services)),
        (machine.AREA, lambda: machine.examine(settings, _workers(services))),
        (certificates.AREA, lambda: certificates.examine(settings)),
        (server.AREA, lambda: server.examine(settings, url)),
    )
    if laravel_env is not None:
        examinations += ((compared.AREA, lambda: compared.examine(services, laravel_env)),)
    for area, examination in examinations:
        try:
            yield from examination()
        except Exception as err:
            yield fail(
                area,
                "examination",
                f"It broke down with {type(err).__name__}, which is a defect of the doctor.",
            )


def _workers(services: "Services") -> "list[WorkerRecord]":
    """Those that can be asked for; that the server is away is told elsewhere."""
    try:
        return operations_of(services).workers()
    except RealtimeError:
        return []


def _table_keys(services: "Services") -> int:
    try:
        return len(services.api_keys.live_digests())
    except RealtimeError:
        return 0
