"""The WSGI entry point: gunicorn serves ``wsgi:app``, and ``flask`` finds its commands here."""

from gevent import monkey

# First of all imports. A no-op under gunicorn, whose worker patched already; needed by the ``flask`` command.
monkey.patch_all()

import sys

from mechamap import create_app
from mechamap.settings import SettingsError

try:
    app = create_app()
except SettingsError as err:
    sys.exit(f"mechamap: {err}")
