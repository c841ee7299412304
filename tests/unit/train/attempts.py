"""Attempts of trainings as children of one process that has imported torch already: each can die as a process dies.

`python -m tests.unit.train.attempts` reads one JSON request a line, forks, and answers with how the child ended:

    {"home": …, "run": …, "attempt": 1, "spec": {…}, "fate": {"at": …, …}} → {"signal": 9} | {"state": …, "result": …, "error": …}

Fates: {"at": "event", "n": 7}            killed right after the 7th event of this attempt
       {"at": "half_event", "n": 7}       killed when half of its line is written
       {"at": "before", "kind": …, "step": …}  killed where that event was about to be written
       {"at": "after", "kind": …, "step": …}   killed right after it
       {"at": "sync", "n": 3}             killed at the 3rd fsync of a file or folder in this attempt
       {"at": "filling", "step": 6}       killed in a checkpoint's staging folder, between the adapter and the optimizer
       {"at": "stop", "step": 5}          asked to stop when step 5 is told
       {"at": "slow_rows", "seconds": 0.1}  its rows come from a disk that takes so long for each
       {"at": "out_of_memory"}            meets the end of memory in its first pass
       {"at": "raise", "step": 5, "error": "RuntimeError", "text": …}  meets this exception in the pass after step 5
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import torch

from studio.db import Database
from studio.errors import StudioError
from studio.jobs.context import JobContext, StoppedByRequest
from studio.jobs.events import EventWriter
from studio.jobs.kinds import kind_of
from studio.jobs.runfolder import RunFolder
from studio.settings import Settings
from studio.train import checkpoints


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Fated(EventWriter):
    """An event file whose writer meets its fate."""

    fate: dict[str, Any]
    context: JobContext
    written = 0

    def write(self, kind: Any, **body: Any) -> None:
        at = self.fate.get("at")
        meant = self.fate.get("kind") == kind and self.fate.get("step") == body.get("step")
        if at == "before" and meant:
            die()
        self.written += 1
        if at == "half_event" and self.fate["n"] == self.written:
            self._file.write(b'{"schema":1,"seq":')
            self._file.flush()
            die()
        super().write(kind, **body)
        if (at == "after" and meant) or (at == "event" and self.fate["n"] == self.written):
            die()
        if at == "stop" and kind == "step_finished" and body["step"] == self.fate["step"] - 1:
            self.context.stop.set()
        if at == "raise" and kind == "step_finished" and body["step"] == self.fate["step"]:
            raise_in_next_pass(self.fate)


def raise_in_next_pass(fate: dict[str, Any]) -> None:
    from studio.train.trainer import StudioTrainer

    known = {"MemoryError": MemoryError, "RuntimeError": RuntimeError, "OutOfMemoryError": torch.OutOfMemoryError}

    def fail(*_: Any, **__: Any) -> None:
        raise known[fate["error"]](fate["text"])

    StudioTrainer.compute_loss = fail


def arrange(fate: dict[str, Any]) -> None:
    """Fates that do not hang on events."""
    from studio.train.trainer import StudioTrainer

    if fate.get("at") == "sync":
        left, sync = [fate["n"]], checkpoints._sync

        def counted(path: Path) -> None:
            left[0] -= 1
            if left[0] == 0:
                die()
            sync(path)

        checkpoints._sync = counted
    if fate.get("at") == "slow_rows":
        from studio.train.batches import TokenRows

        take = TokenRows.__getitem__

        def takes_long(self: Any, index: int) -> Any:
            time.sleep(fate["seconds"])
            return take(self, index)

        TokenRows.__getitem__ = takes_long
    if fate.get("at") == "out_of_memory":
        raise_in_next_pass({"error": "OutOfMemoryError", "text": "CUDA out of memory."})
    if fate.get("at") == "filling":
        save = StudioTrainer._save_optimizer_and_scheduler

        def dies(self: Any, folder: str) -> None:
            if self.state.global_step == fate["step"]:
                die()
            save(self, folder)

        StudioTrainer._save_optimizer_and_scheduler = dies


def attempt(request: dict[str, Any]) -> dict[str, Any]:
    """One attempt as `studio.processes.job` makes it, without a row in the database that it would need."""
    settings = Settings(home=Path(request["home"]), device="cpu")
    folder = RunFolder(settings.home / "runs" / request["run"])
    folder.create(request["spec"])
    fate = request.get("fate") or {}
    arrange(fate)
    events = Fated(folder.events_file, request["attempt"])
    events.fate = fate
    kind = kind_of(request["spec"]["kind"])
    step = kind.resumes_from(folder)
    context = JobContext(
        request["job"],
        request["attempt"],
        "usr_local",
        folder.read_spec(),
        folder,
        settings,
        Database(settings.url),
        events,
        history=events.history,
        resumed_from_step=step,
    )
    events.context = context
    events.write("attempt_started", resumed_from_step=step)
    state, result, error = "finished", None, None
    try:
        result = kind.load()(context)
    except StoppedByRequest as stopped:
        state, result = "stopped", stopped.result
    except StudioError as failure:
        state, error = "failed", failure.as_dict()
    except Exception as failure:
        traceback.print_exc()
        state, error = "failed", {"key": "error.job.crashed", "params": {"reason": repr(failure)}}
    events.write("attempt_ended", state=state, error=error)
    events.close()
    return {"state": state, "result": result, "error": error, "resumed_from_step": step}


def in_child(request: dict[str, Any]) -> dict[str, Any]:
    answer, says = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(answer)
        code = 1
        try:
            # Makes the pool that a fork leaves corrupted anew, before the threads that load weights come upon it together.
            torch.set_num_threads(1)
            told = json.dumps(attempt(request)).encode()
            os.write(says, told)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(says)
    with os.fdopen(answer, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return {"signal": os.WTERMSIG(status)}
    return dict(json.loads(told)) if told else {"state": "crashed"}


def warm(home: Path, spec: dict[str, Any]) -> None:
    """Do once what every attempt would do for itself: imports, and what libraries remember of a model's first load.

    No step is made: a child of a process whose thread pools have been used would wait for threads that it does not have.
    """
    for name in ("bitsandbytes", "pyarrow.ipc", "sqlalchemy.dialects.sqlite", "studio.train.callbacks", "studio.train.job"):
        importlib.import_module(name)
    from transformers import TrainingArguments

    from studio.train.model import Device, adapted_model
    from studio.train.spec import Bits, TrainSpec
    from studio.train.trainer import StudioTrainer

    with tempfile.TemporaryDirectory() as folder:
        plain = TrainSpec.model_validate(spec).model_copy(update={"method": "lora", "bits": Bits.PLAIN})
        model = adapted_model(home / "models" / spec["base"]["id"], plain, Device("cpu", False))
        StudioTrainer(model=model, args=TrainingArguments(folder, use_cpu=True, report_to="none"), pad_id=0, spec=plain)
    del model
    gc.collect()
    gc.freeze()  # children need not look through all of this again


def main() -> None:
    torch.set_num_threads(1)
    importlib.import_module("peft")  # while the parent makes its home
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a training prints is no answer
    is_warm = False
    for line in sys.stdin:
        request = json.loads(line)
        if not is_warm:
            warm(Path(request["home"]), request["spec"].get("train", request["spec"]))
            is_warm = True
        print(json.dumps(in_child(request)), file=answers, flush=True)


if __name__ == "__main__":
    main()
