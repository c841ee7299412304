"""The folder that a job leaves (DESIGN, the truth): spec.yaml, events.jsonl, log.txt, checkpoint-<step>/, result.json."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, cast

import yaml

__all__ = ["RunFolder", "write_by_rename"]


def write_by_rename(path: Path, content: str) -> None:
    """Write a file so that a reader sees the old or the new one, never a half."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # else a power cut may leave the new name on an empty file
    temporary.replace(path)


class RunFolder:
    """Paths of one job's folder, and the two files that are written once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def spec_file(self) -> Path:
        return self.path / "spec.yaml"

    @property
    def events_file(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def log_file(self) -> Path:
        return self.path / "log.txt"

    @property
    def result_file(self) -> Path:
        return self.path / "result.json"

    def checkpoint(self, step: int) -> Path:
        return self.path / f"checkpoint-{step}"

    def create(self, spec: dict[str, Any]) -> None:
        """Make the folder with its complete, immutable spec."""
        self.path.mkdir(parents=True, exist_ok=True)
        if not self.spec_file.exists():
            write_by_rename(self.spec_file, yaml.safe_dump(spec, sort_keys=False, allow_unicode=True))

    def read_spec(self) -> dict[str, Any]:
        return cast("dict[str, Any]", yaml.safe_load(self.spec_file.read_text("utf-8")))

    def write_result(self, result: dict[str, Any]) -> None:
        write_by_rename(self.result_file, json.dumps(result, ensure_ascii=False, indent=1))

    def read_result(self) -> dict[str, Any] | None:
        """What an attempt left; None when none left anything. Raises ValueError for a file that somebody broke."""
        if not self.result_file.exists():
            return None
        return cast("dict[str, Any]", json.loads(self.result_file.read_text("utf-8")))

    def log_tail(self, max_bytes: int = 8_000) -> str:
        """The end of the log, from a whole line on."""
        if not self.log_file.exists():
            return ""
        with self.log_file.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - max_bytes))
            tail = file.read().decode("utf-8", "replace")
        return tail if size <= max_bytes else tail.partition("\n")[2]
