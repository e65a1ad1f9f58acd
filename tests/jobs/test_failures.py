"""A few failures of each kind in a real training run; scripts/benchmarks/failures.py causes fifty."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "benchmarks" / "failures.py"


@pytest.mark.timeout(1200)  # seven starts of PyTorch, on a machine that may do other things
@pytest.mark.usefixtures("jobs_at_once")
@pytest.mark.skipif(sys.platform != "linux", reason="limits and /dev/full are Linux's")
def test_every_failure_is_survived_or_explained(tmp_path):
    pytest.importorskip("torch")
    spec = importlib.util.spec_from_file_location("failures", SCRIPT)
    failures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(failures)
    rows = failures.run(tmp_path, len(failures.FAILURES))
    assert [r for r in rows if not r["survived"]] == []
    assert {r["failure"] for r in rows} == set(failures.FAILURES)
