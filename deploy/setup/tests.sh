#!/usr/bin/env bash
# All tests, in two halves side by side: most of their time is waiting for servers, and two cores are there.
# Each half starts services of its own. With arguments: one ordinary pytest run with those arguments.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
PYTEST=(.venv/bin/python -m pytest)
[ $# -eq 0 ] || exec "${PYTEST[@]}" "$@"

# The slower folders, about half of the time; the other half is everything else, so a new folder is never left out.
HALF=(tests/auth tests/browser tests/cli tests/contract tests/engine tests/laravel)
other=.make/tests-other-half.log
mkdir -p .make

"${PYTEST[@]}" -o cache_dir=.make/pytest-other-half "${HALF[@]/#/--ignore=}" >"$other" 2>&1 &
background=$!
trap 'kill "$background" 2>/dev/null' INT TERM
"${PYTEST[@]}" "${HALF[@]}"
first=$?
wait "$background"
second=$?
echo
echo "  the other half:"
cat "$other"
[ "$first" -eq 0 ] && [ "$second" -eq 0 ]
