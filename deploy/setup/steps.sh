# One line per step on the terminal, everything else in a log that a failure names. Sourced, not run.

LOG=.make/setup.log

# step "what it does" command...: run quietly; on failure show the end of the log and where the rest is.
step() {
    local what=$1 started=$SECONDS
    shift
    mkdir -p .make
    printf '  %s ... ' "$what"
    if { printf '\n== %s: %s\n' "$what" "$*" && "$@"; } >>"$LOG" 2>&1; then
        printf 'done (%s s)\n' $((SECONDS - started))
    else
        printf 'FAILED\n'
        tail -n 15 "$LOG" | sed 's/^/    | /' >&2
        printf '  The full log is in %s\n' "$PWD/$LOG" >&2
        return 1
    fi
}

# refuse "one sentence": say it and stop.
refuse() {
    printf 'make: %s\n' "$*" >&2
    exit 1
}

is_root() { [ "$(id -u)" = 0 ]; }
has() { command -v "$1" >/dev/null 2>&1; }
can_install() { is_root && has apt-get; }

apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    step "package lists" apt-get update -q &&
        step "system packages: $*" apt-get install -q -y --no-install-recommends "$@"
}
