"""Folders of weights as a ZIP that is written while it is sent: nothing is put on the disk, and nothing is compressed, for
weights do not shrink. What only a training needs to go on (optimizer, random state) stays behind.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["files_to_take", "zipped"]

#: Of checkpoints and merged models, what others' libraries read.
_TAKEN = (".safetensors", ".json", ".jinja", ".md")
_STAYS = ("trainer_state.json", "checkpoint.json", "trained.safetensors")

_CHUNK = 1 << 20


def files_to_take(folder: Path) -> dict[str, Path]:
    """By their names in the ZIP."""
    found = sorted(path for path in folder.iterdir() if path.suffix in _TAKEN and path.name not in _STAYS)
    return {path.name: path for path in found if path.is_file()}


class _Outlet(io.RawIOBase):
    """What `zipfile` writes, to be taken away bit by bit. It cannot be sought in, so sizes stand behind each file."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        part = bytes(data)  # type: ignore
        self._parts.append(part)
        return len(part)

    def taken(self) -> bytes:
        found, self._parts = b"".join(self._parts), []
        return found


def zipped(files: Mapping[str, Path], texts: Mapping[str, str]) -> Iterator[bytes]:
    """The ZIP of `files` and of `texts` that are written into it."""
    outlet = _Outlet()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED) as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
            yield outlet.taken()
        for name, path in files.items():
            with path.open("rb") as source, archive.open(zipfile.ZipInfo.from_file(path, name), "w", force_zip64=True) as target:
                while chunk := source.read(_CHUNK):
                    target.write(chunk)
                    yield outlet.taken()
            yield outlet.taken()
    yield outlet.taken()
