"""Processes beyond doubt: a pid alone may belong to somebody else by now, and a wall clock may have been set."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import psutil

__all__ = ["created", "host_name", "is_alive", "myself"]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

#: Field 22 of /proc/<pid>/stat, counted behind the command's closing bracket: proc_pid_stat(5).
_START_TICKS = 19


def host_name() -> str:
    return socket.gethostname()


def created(pid: int) -> str | None:
    """When the process with this pid was created, as a text that no other process ever shares; None when there is none.

    On Linux the boot's id and the clock ticks between the boot and the process: `create_time` of psutil is a moment of
    the wall clock and moves with it. Elsewhere that moment is the best there is. A zombie is none: it computes no more.
    """
    if not _BOOT_ID.exists():
        return _created_by_clock(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if fields[0] in "ZX":
        return None
    return f"{_BOOT_ID.read_text().strip()}/{fields[_START_TICKS]}"


def _created_by_clock(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.NoSuchProcess:
        return None


def is_alive(pid: int | None, created_at: str | None) -> bool:
    """Whether the very process that was noted down still runs, not another one with its number."""
    return pid is not None and created_at is not None and created(pid) == created_at


def myself() -> tuple[int, str]:
    """The pid and the creation of this process."""
    pid = os.getpid()
    return pid, created(pid) or ""
