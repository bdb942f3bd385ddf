#!/usr/bin/env bash
# `make run` after set-up: check, migrate our tables, seed the demonstration where no real data is, serve.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. deploy/setup/steps.sh
bin=.venv/bin

due=$("$bin/python" deploy/setup/preflight.py)
step "database tables" "$bin/flask" db upgrade
[ "$due" != demo ] || "$bin/flask" demo seed
# A connection is a descriptor, and Debian's soft limit is 1024.
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
exec "$bin/gunicorn" -c gunicorn.conf.py wsgi:app
