#!/bin/sh
# Makes the environment in the folder $1: a Python >= 3.12, uv, the locked packages, and credo itself.
set -eu
venv=$1

python=
for name in python3 python3.14 python3.13 python3.12 python /usr/bin/python3; do
    if command -v "$name" >/dev/null 2>&1 && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
        python=$name
        break
    fi
done

installed() { # a Python of uv's own, where uv is there and Python is not new enough
    command -v uv >/dev/null 2>&1 && uv venv -q --clear --python '>=3.12' "$venv" 2>/dev/null
}

if [ -n "$python" ]; then
    # Debian keeps venv in a package of its own; a virtual environment made by uv does not need it.
    "$python" -m venv --clear "$venv" 2>/dev/null || installed || {
        echo "credo: $python cannot make a virtual environment; install its venv module (Debian: apt-get install python3-venv)" >&2
        exit 2
    }
elif ! installed; then
    found=$(python3 --version 2>/dev/null) || found=none
    echo "credo: Python >= 3.12 is needed, and python3 here is $found; install one (Debian 13, Ubuntu 24.04: apt-get install python3 python3-venv) or uv" >&2
    exit 2
fi

echo "Installing credo and its locked packages in $venv, which takes about a minute ..." >&2
if [ -x "$venv/bin/pip" ]; then
    "$venv/bin/pip" install -qq --disable-pip-version-check "$(grep -o '^uv==[0-9.]*' requirements.lock)"
fi
uv=$venv/bin/uv
[ -x "$uv" ] || uv=uv
export VIRTUAL_ENV="$venv"
"$uv" pip install -q --require-hashes -r requirements.lock
"$uv" pip install -q --no-deps --no-build-isolation -e .

# Bytecode of what a run imports, even where PYTHONDONTWRITEBYTECODE is set: without it every start takes three times as
# long. To compile all that was installed takes a minute more.
PYTHONDONTWRITEBYTECODE='' "$venv/bin/python" -W ignore - <<'END'
import contextlib, importlib, pkgutil
import credo, hydra_plugins, hydra._internal.core_plugins

late = ["netCDF4", "jinja2", "matplotlib.backends.backend_agg", "mlflow.store.tracking.sqlalchemy_store"]
late += ["jaxlib.mlir.dialects.mhlo", "jax._src.export.serialization", "jax.experimental.multihost_utils"]
late += ["hydra._internal.logging_config", "pandas.io.formats.csvs", "pyarrow.pandas_compat", "xarray.computation.nanops"]
late += [f"PIL.{name}ImagePlugin" for name in ("Bmp", "Gif", "Jpeg", "Ppm", "Png")]
for package in (credo, hydra_plugins, hydra._internal.core_plugins):
    late += [module.name for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
for name in late:
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
END
