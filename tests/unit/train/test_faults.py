"""Bad luck inside a training: no room on the disk, no memory. A plain message, and what was saved is still good."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from studio.errors import JobError, StudioError
from studio.text import LANGS, error_text
from studio.train.checkpoints import resume_step
from studio.train.faults import is_disk_full, is_out_of_memory, told_plainly
from tests.unit.train.runs import Training, largest_difference

New = Callable[..., Training]

#: As torch 2.13 writes it, from c10/core/impl/alloc_cpu.cpp.
NO_MEMORY = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 4398046511104 bytes. Error code 12 (Cannot allocate memory)"
)


# --- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("error", "text"), [("OutOfMemoryError", "CUDA out of memory."), ("RuntimeError", NO_MEMORY)])
def test_out_of_memory_in_a_step_is_a_plain_message(error: str, text: str, new_training: New) -> None:
    run = new_training()
    ended = run.go(at="raise", step=4, error=error, text=text)
    assert (ended["state"], ended["error"]) == ("failed", {"key": "error.job.out_of_memory", "field": None, "params": {}})
    assert resume_step(run.folder) == 3


def test_torchs_own_allocator_is_understood() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**42, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


@pytest.mark.parametrize(
    "error",
    [MemoryError(), torch.OutOfMemoryError("x"), OSError(errno.ENOMEM, "x"), RuntimeError("CUDA error: out of memory")],
)
def test_every_way_of_running_out_of_memory_is_known(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(JobError) as caught, told_plainly(tmp_path):
        raise error
    assert caught.value.key == "error.job.out_of_memory"
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [RuntimeError("size mismatch"), ValueError("out of memory"), OSError(errno.EIO, "x")])
def test_other_errors_stay_what_they_are(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error)) as caught, told_plainly(tmp_path):
        raise error
    assert caught.value is error


def test_a_studio_error_passes(tmp_path: Path) -> None:
    with pytest.raises(StudioError) as caught, told_plainly(tmp_path):
        raise StudioError("error.train.no_rows")
    assert caught.value.key == "error.train.no_rows"


# --- disk -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_without_room_is_a_plain_message(code: int, tmp_path: Path) -> None:
    with pytest.raises(JobError) as caught, told_plainly(tmp_path):
        raise OSError(code, os.strerror(code))
    assert caught.value.key == "error.job.disk_full"
    assert caught.value.params["free_bytes"] > 0
    for lang in LANGS:
        assert "iB" in error_text(lang, caught.value)


def test_torchs_writer_is_believed_only_when_there_is_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = [
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 67392 vs 67284"),
        RuntimeError("basic_ios::clear: iostream error"),
    ]
    assert not any(is_disk_full(error, tmp_path) for error in errors)
    monkeypatch.setattr("studio.train.faults.free_disk_bytes", lambda path: 4096)
    assert all(is_disk_full(error, tmp_path) for error in errors)
    assert not is_disk_full(RuntimeError("size mismatch"), tmp_path)


@pytest.fixture(scope="module")
def untouched_32(new_training: New) -> Training:
    run = new_training(lora_rank=32)
    run.finished()
    return run


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_disk_that_fills_up_in_the_second_checkpoint(
    share: float, new_training: New, untouched_32: Training, small_disk: Callable[..., Path]
) -> None:
    """The second one does not fit as a whole: the adapter, the optimizer's state or what comes last finds no room."""
    size = sum(path.stat().st_size for path in untouched_32.folder.checkpoint(12).rglob("*"))
    run = new_training(lora_rank=32)
    small_disk(round((1 + share) * size) + 16_384, run.folder.path)
    ended = run.go()
    assert (ended["state"], ended["error"]["key"]) == ("failed", "error.job.disk_full")
    assert 0 < ended["error"]["params"]["free_bytes"] < size
    assert run.checkpoint_steps() == run.told_steps() == [3]
    assert run.events[-1].body["error"]["key"] == "error.job.disk_full"
    assert resume_step(run.folder) == 3
    # Somebody makes room, and it goes on.
    subprocess.run(["mount", "-o", f"remount,size={10 * size}", str(run.folder.path)], check=True)
    run.finished()
    assert largest_difference(run, untouched_32) == 0
