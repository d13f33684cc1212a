#!/bin/sh
# Makes the environment in the folder $1: a Python >= 3.12, uv, the locked packages (with bytecode), and credo itself.
set -eu
venv=$1

python=
for name in python3 python3.14 python3.13 python3.12 python; do
    if command -v "$name" >/dev/null 2>&1 && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
        python=$name
        break
    fi
done

installed() { # a Python of uv's own, where uv is there and Python is not new enough
    command -v uv >/dev/null 2>&1 && uv venv -q --clear --python '>=3.12' "$venv" 2>/dev/null
}

if [ -n "$python" ]; then
    # Debian keeps venv in a package of its own; a virtual environment without pip does not need it.
    "$python" -m venv --clear "$venv" 2>/dev/null || installed || {
        echo "credo: $python cannot make a virtual environment; install its venv module (Debian: apt-get install python3-venv)" >&2
        exit 2
    }
elif ! installed; then
    echo "credo: Python >= 3.12 is needed, but only $(python3 --version 2>/dev/null || echo no Python) was found; install one (Debian 13, Ubuntu 24.04: apt-get install python3 python3-venv) or uv" >&2
    exit 2
fi

[ -x "$venv/bin/pip" ] && "$venv/bin/pip" install -q --disable-pip-version-check "$(grep -o '^uv==[0-9.]*' requirements.lock)"
uv=$venv/bin/uv
[ -x "$uv" ] || uv=uv
export VIRTUAL_ENV="$venv"
"$uv" pip install -q --compile-bytecode --require-hashes -r requirements.lock
"$uv" pip install -q --no-deps --no-build-isolation -e .
