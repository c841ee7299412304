"""Many cases: workers that have everything imported fork a process for each. `python -m tests.hostile.run` is a worker.

here ── number of a case ──▶ worker ── fork: make the file ── fork: try it ──▶ one line of JSON ──▶ here
"""

from __future__ import annotations

import dataclasses
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from studio.db import Database
from studio.settings import ROOT, Settings
from tests.hostile.cases import case_of
from tests.hostile.trial import Outcome, Place, tried

__all__ = ["Result", "again", "forked", "migrated_file", "results"]

#: After this long a trial is given up; it has failed long before.
_PATIENCE_S = 60.0


@dataclasses.dataclass(frozen=True)
class Result:
    number: int
    form: str
    mutator: str
    name: str
    n_file_bytes: int
    outcome: Outcome

    @property
    def is_only_slow(self) -> bool:
        return [fault.split(" ")[-1] for fault in self.outcome.faults] == ["s"]

    def __str__(self) -> str:
        what = f"case {self.number}: {self.mutator} × {self.form}, {self.n_file_bytes:,} bytes as {self.name[:60]!r}"
        return f"{what}: {'; '.join(self.outcome.faults) or self.outcome.end}"


def results(numbers: Iterable[int], *, n_workers: int = 2) -> Iterator[Result]:
    """The cases' ends, as they come."""
    waiting: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[Result | None] = queue.SimpleQueue()
    for number in [*numbers, *[None] * n_workers]:
        waiting.put(number)
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        migrated = migrated_file(Path(folder))
        threads = [
            threading.Thread(target=_drive, args=(waiting, done, Path(folder) / str(index), migrated))
            for index in range(n_workers)
        ]
        for thread in threads:
            thread.start()
        for _ in range(n_workers):
            while (result := done.get()) is not None:
                yield result
        for thread in threads:
            thread.join()


def again(result: Result) -> Result:
    """A case that was only slow, once more with nothing beside it: what else the machine does is not the file's fault."""
    if not result.is_only_slow:
        return result
    (once_more,) = results([result.number], n_workers=1)
    return once_more


def migrated_file(folder: Path) -> Path:
    settings = Settings(home=folder / "migrated").ready()
    db = Database(settings.url)
    db.migrate(settings)
    db.close()
    return settings.home / "studio.db"


def _drive(waiting: Any, done: Any, folder: Path, migrated: Path) -> None:
    """Feed one worker, one number at a time, so that a slow case holds up no other worker."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "ARROW_IO_THREADS": "1"}
    command = [sys.executable, "-m", "tests.hostile.run", str(folder), str(migrated)]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=environment, text=True)
    assert worker.stdin is not None and worker.stdout is not None
    try:
        while (number := waiting.get()) is not None:
            worker.stdin.write(f"{number}\n")
            worker.stdin.flush()
            value = json.loads(worker.stdout.readline())
            done.put(Result(**value | {"outcome": Outcome(**value["outcome"])}))
    finally:
        worker.stdin.close()
        worker.wait()
        done.put(None)


# --- in the worker ----------------------------------------------------------------------------------------------------


def main(folder: Path, migrated: Path) -> None:
    for line in sys.stdin:
        number = int(line)
        place = Place(folder / f"trial-{number}", migrated)
        made: Any = forked(lambda number=number, place=place: _written(number, place))  # type: ignore[misc]
        outcome = forked(lambda place=place, made=made: dataclasses.asdict(tried(place, made["name"], made["mark"])))  # type: ignore[misc]
        if isinstance(outcome, str):
            outcome = dataclasses.asdict(Outcome(seconds=_PATIENCE_S, faults=[outcome]))
        made.pop("mark")
        print(json.dumps({"number": number, **made, "outcome": outcome}), flush=True)
        shutil.rmtree(place.folder)


def _written(number: int, place: Place) -> dict[str, Any]:
    case = case_of(number)
    place.file.write_bytes(case.data)
    return {"form": case.form, "mutator": case.mutator, "name": case.name, "mark": case.mark, "n_file_bytes": len(case.data)}


def forked(act: Callable[[], Any]) -> Any:
    """What an action in a process of its own says, or how that process died."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.close(out)
        with os.fdopen(into, "w") as file:
            json.dump(act(), file)
        os._exit(0)
    os.close(into)
    timer = threading.Timer(_PATIENCE_S, os.killpg, (child, signal.SIGKILL))
    timer.start()
    with os.fdopen(out) as file:
        said = file.read()
    timer.cancel()
    _, status = os.waitpid(child, 0)
    try:
        return json.loads(said)
    except ValueError:
        return f"the process ended with {status} and said nothing"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
