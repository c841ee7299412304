"""Reading with other people's parsers, in a process with bounded memory and time that cannot write a file.

    this process ── request (one JSON line) ──▶ studio.processes.reader ── records (one JSON line each) ──▶ this process

A parser that crashes, hangs or fills the memory becomes one DataError. The pipe holds 64 KiB, so that a reader is never far
ahead of what takes its records.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from studio.data.readers.base import WORDS, FileReason, Found, Opened, ReadOptions, Refused
from studio.errors import DataError

__all__ = ["open_guarded"]

#: Seconds without a record after which a reader is given up, whatever it waits for; its computing time has a closer limit
#: (`studio/processes/reader.py`).
SILENCE_S = 60.0

_CHUNK_BYTES = 1 << 16
_ROOT = Path(__file__).resolve().parents[3]


def open_guarded(path: Path, name: str, form: str, options: ReadOptions, known: frozenset[str]) -> Opened:
    """Start a reader and wait until it has opened the file. Raises what it raises; its records come as they are taken."""
    child = _Child(path, name, form, options, known)
    try:
        tag, *rest = child.answer()
    except BaseException:
        child.end()
        raise
    assert tag == "opened"
    reasons, used, sheets = rest
    return Opened(child.records(), [FileReason(key, params) for key, params in reasons], ReadOptions(**used), tuple(sheets))


class _Child:
    def __init__(self, path: Path, name: str, form: str, options: ReadOptions, known: frozenset[str]) -> None:
        self._name, self._form = name, form
        self._buffer = bytearray()
        self._n_searched = 0
        # Nothing of this process's surroundings: a parser needs no secret. One thread and one heap each, or the bounded
        # address space would be spent on reservations.
        surroundings = {
            "PATH": os.defpath,
            "PYTHONPATH": str(_ROOT),
            "LANG": "C.UTF-8",
            "ARROW_DEFAULT_MEMORY_POOL": "system",
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_IO_THREADS", "MALLOC_ARENA_MAX"), "1"),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "studio.processes.reader"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=surroundings,
        )
        request = {
            "path": str(path.resolve()),
            "name": name,
            "form": form,
            "options": options.as_dict(),
            "known": sorted(known),
        }
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode())
            self._process.stdin.close()
        except BrokenPipeError:
            pass  # it is gone already: its first answer says how

    def records(self) -> Iterator[Found | Refused]:
        try:
            while True:
                tag, *rest = self.answer()
                if tag == "end":
                    return
                yield Found(*rest) if tag == "found" else Refused(*rest)
        finally:
            self.end()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def answer(self) -> list[Any]:
        """The next line of the reader. Raises DataError where it says what is wrong, or says nothing any more."""
        line = self._line()
        if line is None:
            raise self._lost()
        answer: list[Any] = json.loads(line.decode("utf-8", "surrogatepass"))
        if answer[0] == "error":
            _, key, field, params = answer
            raise DataError(key, field=field, **params)
        return answer

    def _line(self) -> bytes | None:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while (end := self._buffer.find(b"\n", self._n_searched)) < 0:
            self._n_searched = len(self._buffer)
            deadline = time.monotonic() + SILENCE_S
            if not _is_readable(pipe, deadline):
                self._process.kill()
                raise self._error("error.data.reader_time")
            chunk = os.read(pipe, _CHUNK_BYTES)
            if not chunk:
                return None
            self._buffer += chunk
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._n_searched = 0
        return line

    def _lost(self) -> DataError:
        """Why a reader ended without saying so, by the signal that ended it."""
        code = self._process.wait()
        if code == -signal.SIGXCPU:
            return self._error("error.data.reader_time")
        return self._error("error.data.reader_died")

    def _error(self, key: str) -> DataError:
        return DataError(key, field="file", name=self._name, what=WORDS.get(self._form, self._form.upper()))


def _is_readable(pipe: int, deadline: float) -> bool:
    poll = select.poll()  # select itself knows no file numbers beyond 1,023
    poll.register(pipe, select.POLLIN | select.POLLHUP)
    return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
