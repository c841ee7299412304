"""Bad luck that a person can do something about, told from defects: no memory, no room on the disk."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studio.errors import JobError
from studio.jobs.resources import free_disk_bytes

__all__ = ["is_disk_full", "is_out_of_memory", "told_plainly"]

#: torch's writer says only that a file is not as long as it should be; with less than this left, the disk is why.
_NO_ROOM_BYTES = 2**20
_FAILED_WRITING = ("inline_container", "iostream error", "PytorchStreamWriter")

#: How torch's allocator on the CPU, the system, and CUDA's driver say it where they raise no class of their own.
_NO_MEMORY = ("can't allocate memory", "Cannot allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


@contextmanager
def told_plainly(folder: Path) -> Iterator[None]:
    """Raise JobError instead of what torch and the system raise when memory or the disk of `folder` are used up."""
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise JobError("error.job.out_of_memory") from error
        if is_disk_full(error, folder):
            raise JobError("error.job.disk_full", free_bytes=free_disk_bytes(folder)) from error
        raise


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory, the machine's or a card's, was not enough."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    torch = sys.modules.get("torch")  # who has not imported it cannot have its errors
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)


def is_disk_full(error: BaseException, folder: Path) -> bool:
    """Whether a write failed because the disk of `folder` had no room. Ask before anything is deleted there."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    if "No space left on device" in str(error):
        return True
    failed_writing = isinstance(error, RuntimeError) and any(words in str(error) for words in _FAILED_WRITING)
    return failed_writing and free_disk_bytes(folder) < _NO_ROOM_BYTES
