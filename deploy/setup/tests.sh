#!/usr/bin/env bash
# All tests, in parts side by side: most of their time is waiting for servers, and two cores are there.
# Each part starts services of its own. TEST_PARTS says how many: 1, 2 or 3.
# With arguments: one ordinary pytest run with those arguments.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
PYTEST=(.venv/bin/python -m pytest)
[ $# -eq 0 ] || exec "${PYTEST[@]}" "$@"

# Folders of about the same time together, by the durations of `pytest --junit-xml`. The last part is whatever no
# other one names, so a new folder is never left out.
case "${TEST_PARTS:-2}" in
    1) PARTS=() ;;
    2) PARTS=("tests/auth tests/browser tests/cli tests/contract tests/deploy tests/engine tests/laravel") ;;
    3) PARTS=(
        "tests/browser tests/deploy tests/laravel"
        "tests/auth tests/cli tests/contract tests/engine"
    ) ;;
    *)
        echo "TEST_PARTS: is '$TEST_PARTS'; use 1, 2 or 3." >&2
        exit 2
        ;;
esac
mkdir -p .make

logs=() running=() named=()
trap 'kill "${running[@]}" 2>/dev/null' INT TERM
for part in "${PARTS[@]}"; do
    # shellcheck disable=SC2206 # one word per folder is meant
    folders=($part)
    named+=("${folders[@]/#/--ignore=}")
    log=.make/tests-${#logs[@]}.log
    "${PYTEST[@]}" -o "cache_dir=.make/pytest-${#logs[@]}" "${folders[@]}" >"$log" 2>&1 &
    running+=($!) logs+=("$log")
done

"${PYTEST[@]}" "${named[@]}"
failed=$?
for index in "${!running[@]}"; do
    wait "${running[$index]}" || failed=1
    echo
    echo "  another part:"
    cat "${logs[$index]}"
done
exit "$failed"
