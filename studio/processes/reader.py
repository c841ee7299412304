"""`python -m studio.processes.reader`: one file, read by one parser, under limits. See `studio/data/readers/guard.py`.

The request comes as JSON on standard input; answers go to standard output, one JSON list a line: `opened`, then `found` and
`refused`, then `end`; or `error`. A broken file is no traceback here either: whatever a parser raises is an answer.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import resource
import sys
import time
import warnings
from pathlib import Path
from typing import Any, BinaryIO

from studio.data.readers.base import MAX_RECORD_CHARS, WORDS, Found, Opened, ReadOptions
from studio.errors import DataError

__all__ = ["main"]

MODULES = {
    **dict.fromkeys(("parquet", "arrow"), "arrow"),
    **dict.fromkeys(("xlsx", "xlsb", "xls", "ods"), "excel"),
    "docx": "word",
    "pdf": "pdf",
    "html": "web",
}

#: Memory beyond what the libraries take: for small files, for each byte of the file, and at most.
_MEMORY_BYTES = 320 * 2**20
_MEMORY_PER_BYTE = 8
_MAX_MEMORY_BYTES = 2 * 2**30

#: Computing time: for small files, for each MiB of the file, for each record that came, and at most.
_CPU_S = 2.5
_CPU_S_PER_MIB = 0.5
_CPU_S_PER_RECORD = 0.25
_MAX_CPU_S = 3600.0

_FLUSH_S = 0.5


class _Clock:
    """Computing time that grows with what is achieved: a document of a thousand pages may take long, one of two may not."""

    def __init__(self, n_bytes: int) -> None:
        self._allowed = _used_s() + _CPU_S + _CPU_S_PER_MIB * n_bytes / 2**20
        self._n_records = 0
        self._set()

    def tick(self) -> None:
        self._n_records += 1
        if self._n_records % 16 == 0:
            self._allowed += 16 * _CPU_S_PER_RECORD
            self._set()

    def _set(self) -> None:
        seconds = int(min(self._allowed, _MAX_CPU_S)) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))


def _used_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _bound(n_bytes: int) -> None:
    """Take away what a parser needs not: memory without end, files to write, an image of a crash."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    wanted = min(_MEMORY_BYTES + _MEMORY_PER_BYTE * n_bytes, _MAX_MEMORY_BYTES)
    with contextlib.suppress(OSError, ValueError):  # macOS knows neither /proc nor this limit
        own = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (own + wanted, own + wanted))


def main() -> None:
    request = json.load(sys.stdin)
    out = os.fdopen(os.dup(1), "wb", buffering=1 << 16)
    os.dup2(2, 1)  # what a library prints is no answer
    logging.disable()
    warnings.simplefilter("ignore")
    form, name, path = request["form"], request["name"], Path(request["path"])
    reader = importlib.import_module(f"studio.data.readers.{MODULES[form]}")
    n_bytes = path.stat().st_size
    _bound(n_bytes)
    clock = _Clock(n_bytes)
    what = WORDS.get(form, form.upper())
    try:
        opened = reader.open_file(path, name, form, ReadOptions(**request["options"]), frozenset(request["known"]))
        _send(out, opened, clock)
    except DataError as error:
        _say(out, ["error", error.key, error.field, error.params])
    except MemoryError:
        _say(out, ["error", "error.data.reader_memory", "file", {"name": name, "what": what}])
    except BrokenPipeError:
        os._exit(0)  # nobody wants more
    except BaseException as error:  # calamine's panics are no Exception
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}".replace(str(path), name)[:120]
        _say(out, ["error", "error.data.document_broken", "file", {"name": name, "what": what, "reason": reason}])
    os._exit(0)  # the memory is given back faster by the system than piece by piece


def _send(out: BinaryIO, opened: Opened, clock: _Clock) -> None:
    _say(out, ["opened", [list(reason) for reason in opened.reasons], opened.used.as_dict(), opened.sheets])
    flushed_at = time.monotonic()
    for record in opened.records:
        clock.tick()
        if time.monotonic() - flushed_at > _FLUSH_S:  # slow readers must not look like silent ones
            out.flush()
            flushed_at = time.monotonic()
        if isinstance(record, Found):
            text = _json(["found", *record])
            if len(text) > MAX_RECORD_CHARS:
                text = _json(["refused", record.line, "error.data.record_too_long", {"limit": MAX_RECORD_CHARS}, ""])
        else:
            text = _json(["refused", record.line, record.key, record.params, record.excerpt])
        _write(out, text)
    _say(out, ["end"])


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _say(out: BinaryIO, value: list[Any]) -> None:
    _write(out, _json(value))
    out.flush()


def _write(out: BinaryIO, text: str) -> None:
    out.write(text.encode("utf-8", "surrogatepass") + b"\n")


if __name__ == "__main__":
    main()
