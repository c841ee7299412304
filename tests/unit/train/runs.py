"""A run as a test sees it: started, killed, gone on with, and what it told."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from studio.jobs.events import Event, read_events
from studio.jobs.runfolder import RunFolder
from studio.settings import ROOT
from studio.train.checkpoints import told_checkpoints


class Attempts:
    """The process that forks attempts."""

    def __init__(self) -> None:
        environment = os.environ | {"TOKENIZERS_PARALLELISM": "false"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.train.attempts"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


class Training:
    """One run: its folder, its attempts, and what they told."""

    def __init__(self, attempts: Attempts, home: Path, name: str, spec: dict[str, Any], job: str = "job_none") -> None:
        self._attempts = attempts
        self._job = job
        self.home, self.name, self.spec = home, name, spec
        self.folder = RunFolder(home / "runs" / name)
        self.n_attempts = 0
        self.result: dict[str, Any] = {}

    def go(self, **fate: Any) -> dict[str, Any]:
        """One more attempt; how it ended."""
        self.n_attempts += 1
        return self._attempts.run(
            home=str(self.home), run=self.name, job=self._job, attempt=self.n_attempts, spec=self.spec, fate=fate or None
        )

    def killed(self, **fate: Any) -> None:
        """One more attempt, which has to die of its fate."""
        assert self.go(**fate) == {"signal": 9}

    def finished(self) -> dict[str, Any]:
        """One more attempt, which has to come to the end; its result."""
        ended = self.go()
        assert (ended["state"], ended["error"]) == ("finished", None)
        self.result = dict(ended["result"])
        return self.result

    @property
    def events(self) -> list[Event]:
        return [event for event, _ in read_events(self.folder.events_file)]

    def bodies(self, kind: str) -> list[dict[str, Any]]:
        return [event.body for event in self.events if event.kind == kind]

    def points(self) -> dict[tuple[str, int], float]:
        """What the worker would make of the events: the points that hold. Fails when one that holds is told again."""
        held: dict[tuple[str, int], float] = {}
        for event in self.events:
            body = event.body
            if event.kind == "attempt_started":
                held = {key: value for key, value in held.items() if key[1] <= body["resumed_from_step"]}
            told = {}
            if event.kind == "step_finished":
                told = {name: body[name] for name in ("loss", "lr", "grad_norm", "tokens", "target_tokens")}
            if event.kind == "evaluated" and body["split"] == "validation":
                told = {"validation": body["loss"]}
            for name, value in told.items():
                assert (name, body["step"]) not in held
                held[name, body["step"]] = float(value)
        return held

    def checkpoint_steps(self) -> list[int]:
        """Folders that are there; none of them is a staging folder."""
        names = sorted(path.name for path in self.folder.path.iterdir() if path.is_dir())
        assert all(name.startswith("checkpoint-") for name in names)
        return sorted(int(name.split("-")[1]) for name in names)

    def told_steps(self) -> list[int]:
        """Checkpoints of which the events say that they are there."""
        return sorted(told_checkpoints(self.events))


def largest_difference(run: Training, other: Training) -> float:
    """Over all points of two runs, which have to be of the same steps."""
    found, expected = run.points(), other.points()
    assert found.keys() == expected.keys()
    both_nan = {key for key in found if math.isnan(found[key]) and math.isnan(expected[key])}
    return max(abs(found[key] - expected[key]) for key in found.keys() - both_nan)
