"""The operators' console under ``/admin``: who is connected, to what, and what may be done about it."""

from flask import Flask
from flask_admin import Admin
from flask_admin.theme import Theme

from mechamap.services import Services

from . import figures, permissions, session, signin
from .account import Account
from .apps import Apps
from .audit import Audit
from .channel import Channel
from .channels import Channels
from .connection import Connection
from .connections import Blocks, Connections
from .explain import Explain
from .keys import Keys
from .overview import Overview
from .people import People
from .rules import Rules
from .watch import Watch


def init_app(app: Flask, services: Services) -> None:
    """Register the console. ``Admin`` is made anew each time: Flask-Admin 2.2 writes into its views."""
    session.configure(app)
    app.jinja_env.filters.update(figures.filters(services.settings.app_timezone))
    app.jinja_env.globals["may"] = permissions.may
    app.register_blueprint(signin.blueprint(services))

    overview = Overview(services)
    connections = Connections(services)
    channels = Channels(services)
    watch = Watch(services)
    close = (Connection(services), Channel(services), Blocks(services))
    live = (overview, connections, channels, *close, watch)
    overview.live_views = {view.endpoint: view for view in live}
    # The folder is where Flask-Admin looks for its own templates; ours extend none of them.
    console = Admin(
        app,
        name="MechaMap real-time",
        index_view=overview,
        theme=Theme(folder="bootstrap4", base_template="console/base.html"),
    )
    console.add_views(connections, channels, *close, watch, Explain(services), Keys(services), Apps(services))
    console.add_views(People(services), Audit(services), Rules(services), Account(services))
