#!/bin/sh
# Makes .venv with the newest suitable Python, and puts the one pinned uv into it.
set -eu
uv_version=$1

find_python() {
    for name in "${PYTHON:-}" python3.13 python3.12 python3.11 python3 python; do
        [ -n "$name" ] && command -v "$name" >/dev/null 2>&1 || continue
        if "$name" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    echo "Python 3.11, 3.12 or 3.13 with venv is needed and none was found in PATH." >&2
    echo "On Debian or Ubuntu: apt-get install -y python3 python3-venv. Or name one: make PYTHON=/path/to/python" >&2
    return 1
}

if [ ! -x .venv/bin/python ]; then
    python=$(find_python 2>/dev/null) || {
        if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
            echo "installing python3 and python3-venv" >&2
            { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3 python3-venv; } \
                </dev/null >/dev/null
        fi
        python=$(find_python)
    }
    "$python" -m venv .venv
fi
if [ ! -x .venv/bin/uv ]; then
    [ -x .venv/bin/pip ] || .venv/bin/python -m ensurepip --upgrade >/dev/null
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$uv_version"
fi
