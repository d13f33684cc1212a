"""BLAS has one thread: those of small factorisations would wait for each other, and chains share the cores."""

import os
import subprocess
import sys

import pytest

LOOK = """
from credo.experiment import device
device.start("cpu", "float64", None, None)
import scipy.linalg
from threadpoolctl import threadpool_info
print([one["num_threads"] for one in threadpool_info() if "scipy.libs" in one["filepath"]])
"""


@pytest.mark.parametrize(("given", "threads"), [({}, 1), ({"OPENBLAS_NUM_THREADS": "2"}, 2)])
def test_the_factorisations_of_jax_have_one_thread_unless_the_environment_says_otherwise(
    given: dict[str, str], threads: int
) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("OPENBLAS_NUM_THREADS", "NPROC")}
    found = subprocess.run(  # noqa: S603 - its own code
        [sys.executable, "-c", LOOK], env=environment | given, check=True, capture_output=True, text=True
    )
    counts = [int(one) for one in found.stdout.strip().strip("[]").split(",") if one.strip()]
    assert counts == [min(threads, os.cpu_count() or 1)]
