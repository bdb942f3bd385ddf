"""The ``flask`` command: what operators do at a terminal, by noun. ``flask db`` is Flask-Migrate's."""

from typing import TYPE_CHECKING

from flask import Flask

from . import (
    apps,
    audit,
    broadcast,
    channels,
    clients,
    command,
    convert,
    demo,
    doctor,
    explain,
    keys,
    outbox,
    sessions,
    tokens,
    top,
    watch,
    webhooks,
    workers,
)

if TYPE_CHECKING:
    from mechamap.services import Services


def register(app: Flask, services: "Services") -> None:
    """Add the commands to ``app``. They import what is heavy when they run: workers register them too."""
    command.attach(app, services)
    nouns = (keys, apps, audit, sessions, outbox, webhooks, tokens, channels, clients, workers, explain, demo)
    for noun in nouns:
        app.cli.add_command(noun.group)
    app.cli.add_command(broadcast.command)
    app.cli.add_command(convert.command)
    app.cli.add_command(watch.command)
    app.cli.add_command(doctor.command)
    app.cli.add_command(top.command)
