#!/bin/sh
# Everything of credo that wants a GPU, on a machine without a network: `tools/gpu.sh wheels` here, `tools/gpu.sh run` there.
#
# There: Python 3.12, JAX with CUDA, NumPyro, Equinox, Optax and xarray. Here: what else credo imports, as wheels in
# build/gpu-wheels, at most 64 MiB together. credo runs from source, recorded nowhere. The tests marked gpu run first,
# then experiments/benchmarks/gpu.py; the whole takes at most $LIMIT seconds (480), and results go to $OUT (build/gpu).
set -eu
cd "$(dirname "$0")/.."
wheels=build/gpu-wheels
most=67108864
needed="numpyro==0.22.* equinox optax hydra-core==1.3.* omegaconf arviz-base arviz-stats netCDF4 funsor blackjax formulae rich jinja2 filelock
jaxtyping scikit-learn h5netcdf pytest hypothesis beartype matplotlib pillow contourpy fonttools kiwisolver cycler
pyparsing threadpoolctl joblib makefun multipledispatch opt_einsum cftime jaxopt fastprogress typing_extensions wadler_lindig
xarray-einstats markdown-it-py mdurl pygments MarkupSafe PyYAML iniconfig pluggy sortedcontainers packaging lazy_loader
platformdirs narwhals python-dateutil six certifi"

case ${1:-} in
wheels)
    rm -rf "$wheels" && mkdir -p "$wheels"
    # antlr4 has no wheel of its own.
    .venv/bin/pip wheel -q --no-deps -w "$wheels" antlr4-python3-runtime==4.9.3
    # shellcheck disable=SC2086
    .venv/bin/pip download -q --no-deps --only-binary=:all: --python-version 3.12 \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 -d "$wheels" $needed
    size=$(cat "$wheels"/*.whl | wc -c)
    echo "$(find "$wheels" -name '*.whl' | wc -l) wheels of $size bytes in $wheels"
    [ "$size" -le "$most" ] || { echo "credo: these are more than $most bytes" >&2; exit 1; }
    ;;
run)
    out=${OUT:-build/gpu}
    limit=${LIMIT:-480}
    mkdir -p "$out"
    begun=$(date +%s)
    python=${PYTHON:-python3}
    # --no-deps: what is there stays as it is, older than credo asks for or not.
    "$python" -m pip install -q --no-index --no-deps --upgrade --target "$out/site" "$wheels"/*.whl
    out=$(cd "$out" && pwd)
    export PYTHONPATH="$PWD/src:$out/site${PYTHONPATH:+:$PYTHONPATH}" CREDO="$python -m credo"
    timeout $((limit / 2)) "$python" -m pytest -q -p no:cacheprovider -m gpu tests/gpu >"$out/tests.txt" 2>&1 ||
        echo "the tests marked gpu did not pass: $out/tests.txt" >&2
    tail -n 3 "$out/tests.txt"
    left=$((limit - $(date +%s) + begun))
    "$python" experiments/benchmarks/gpu.py --seconds "$left" --out "$out/gpu.md" ${QUICK:+--quick --platforms cpu --chains 4 16}
    ;;
*)
    sed -n '2,6s/^# //p' "$0"
    exit 2
    ;;
esac
