"""The benchmarks run, tiny, on peers that are always there, and say in tables what they found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.figures import percentile, ratio
from benchmarks.measuring import Measured
from benchmarks.reach import claims, reach_table
from benchmarks.tables import tables

ROOT = Path(__file__).parent.parent.parent


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=55)


def test_measures_the_engine_beside_the_floor(tmp_path: Path) -> None:
    """Both in one run: whole answers alone count, one connection serves all calls, streams are open at once."""
    kept, written = tmp_path / "figures.json", tmp_path / "RESULTS.md"
    what = ["--mode", "async", "--peers", "raw httpx;engine", "--loads", "sequential,paced-100"]
    size = ["--quick", "--rounds", "1", "--budget", "0.01", "--chunks", "2"]
    done = run(*what, *size, "--json", str(kept), "--write", str(written))
    assert done.returncode == 0, done.stderr
    figures = json.loads(kept.read_text(encoding="utf-8"))
    assert list(figures["sequential async"]) == ["raw httpx", "engine"]
    for peer in figures["sequential async"]:
        (one,) = figures["sequential async"][peer]
        assert one["call"] > 0
        assert one["whole"] > 0
        assert one["connections"] == 0
        (many,) = figures["paced-100 async"][peer]
        assert many["peak"] == 100
        assert many["overall"] > 0
    assert written.read_text(encoding="utf-8") == done.stdout.removesuffix("\n")
    assert "engine ÷ raw httpx: a call, async" in done.stdout


def test_shows_where_the_time_goes() -> None:
    """A profile names the packages that own the time."""
    done = run("--profile", "engine", "--mode", "sync", "--loads", "sequential", "--budget", "0.05")
    assert done.returncode == 0, done.stderr
    assert "`shared_core`" in done.stdout


def test_compares_within_a_round_and_says_what_is_missing() -> None:
    """A machine that is twice as slow in one round changes no ratio; who has no figures is named with the reason."""
    rounds = {"ChatOpenAI": [{"call": 100.0}, {"call": 200.0}], "ChatFailover": [{"call": 20.0}, {"call": 40.0}]}
    measured = Measured(
        rounds={("sequential", "async"): {**rounds, "OpenAILike": [None]}},
        missing={("sequential", "async", "OpenAILike"): "llama_index is not installed"},
    )
    found = ratio(measured, "sequential", "async", "ChatFailover", "ChatOpenAI", "call")
    assert found is not None
    assert (found.least, found.median, found.most) == (0.2, 0.2, 0.2)
    assert "| OpenAILike | llama_index is not installed |" in "\n".join(tables(measured))
    reached = reach_table(list(claims(measured, {("import shared_core", ""): [81.0]})))
    assert "| ChatFailover ÷ ChatOpenAI: a call, async | 0.20 | 0.33 | reached |" in reached
    assert "| 80 | **missed** |" in reached


@pytest.mark.parametrize(("share", "value"), [(0.5, 2.0), (0.95, 4.0), (0.0, 1.0)])
def test_percentiles_are_values_that_were_measured(share: float, value: float) -> None:
    """Nothing is interpolated."""
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == value
