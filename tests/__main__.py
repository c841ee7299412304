"""`python3 -m tests`: sets up the environment, runs every check, prints how long each stage took against its budget."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bootstrap

ROOT = Path(__file__).resolve().parent.parent
PYTHON = str(bootstrap.PYTHON)


@dataclass(frozen=True)
class Stage:
    """One line of the table. `budget_s` is what 2 cores may take; going over it is shown, not failed."""

    name: str
    budget_s: float
    run: Callable[[], bool]


def _commands(*commands: list[str]) -> Callable[[], bool]:
    def run() -> bool:
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False", "PYTHONPATH": str(ROOT)}
        codes = [subprocess.run(command, cwd=ROOT, env=environment).returncode for command in commands]
        return all(code == 0 for code in codes)

    return run


def _set_up() -> bool:
    bootstrap.ensure(dev=True)
    return _browser() and _postgresql()


def _browser() -> bool:
    """Debian's Chromium with Chinese fonts when we are root and it is missing; otherwise Playwright's own."""
    if shutil.which("chromium"):
        return True
    if _may_install():
        return _install("chromium", "fonts-noto-cjk")
    return subprocess.run([PYTHON, "-m", "playwright", "install", "chromium"]).returncode == 0


def _postgresql() -> bool:
    """Debian's server when we are root and it is missing; without it, the tests that need it are skipped and say so."""
    if shutil.which("initdb") or any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or not _may_install():
        return True
    return _install("postgresql")


def _may_install() -> bool:
    return shutil.which("apt-get") is not None and os.geteuid() == 0


def _install(*packages: str) -> bool:
    print(f"Installing {' and '.join(packages)} ...", flush=True)
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", *packages]
    return subprocess.run(install, env=environment, stdout=subprocess.DEVNULL).returncode == 0


def _pytest(*paths_and_options: str, timeout_s: int = 300) -> list[str]:
    """`timeout_s` is for one test: what waits for ever fails with every thread's stack, and does not hold up the rest."""
    return [PYTHON, "-m", "pytest", "-q", "-rs", "--durations=5", f"--timeout={timeout_s}", *paths_and_options]


#: Hypothesis' plugin imports all of Hypothesis at the end of a run that never used it, which Python 3.11 can answer with
#: "AST constructor recursion depth mismatch"; the stages without property tests leave it out.
_NO_HYPOTHESIS = ("-p", "no:hypothesispytest")


#: Tests that measure time, or start and kill processes: one after another. The others share the cores, file by file.
_ALONE = (
    "tests/unit/jobs",
    "tests/unit/test_db_faults.py",
    "tests/unit/test_storage.py",
    "tests/unit/test_write_discipline.py",
)
_SHARED = ("-n", "2", "--dist", "loadfile")

_BENCHES = ("startup", "survive", "data", "doctor", "curves", "memory")


STAGES = (
    Stage("set-up", 360, _set_up),
    Stage(
        "lint, types, layers",
        60,
        _commands(
            [PYTHON, "-m", "ruff", "check", "."],
            [PYTHON, "-m", "mypy"],
            [str(bootstrap.PYTHON.with_name("lint-imports"))],
        ),
    ),
    Stage(
        "unit",
        300,
        _commands(
            _pytest("tests/unit", *_SHARED, *(f"--ignore={path}" for path in _ALONE)),
            _pytest(*_ALONE),
        ),
    ),
    Stage("ui", 60, _commands(_pytest("tests/ui", *_SHARED, *_NO_HYPOTHESIS))),
    Stage("browser", 480, _commands(_pytest("tests/e2e", *_NO_HYPOTHESIS, timeout_s=1500))),
    Stage("benches, small", 60, _commands(*([PYTHON, "-m", "tests.bench", name, "--small"] for name in _BENCHES))),
)


def main(wanted: list[str]) -> int:
    """Run all stages, or the named ones; the exit status is 0 when all passed."""
    results: list[tuple[Stage, bool, float]] = []
    for stage in STAGES:
        if wanted and stage.name.split(",")[0] not in wanted:
            continue
        print(f"\n=== {stage.name}", flush=True)
        began = time.monotonic()
        passed = stage.run()
        results.append((stage, passed, time.monotonic() - began))
        if stage.name == "set-up" and not passed:
            break
    print("\n| stage | result | seconds | budget |\n|---|---|---:|---:|")
    for stage, passed, seconds in results:
        over = " (over)" if seconds > stage.budget_s else ""
        print(f"| {stage.name} | {'passed' if passed else 'FAILED'} | {seconds:.0f}{over} | {stage.budget_s:.0f} |")
    print(f"| all | | {sum(seconds for *_, seconds in results):.0f} | {sum(stage.budget_s for stage, *_ in results):.0f} |")
    failed = sum(not passed for _, passed, _ in results)
    print(f"\n{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
