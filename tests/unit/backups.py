"""What tests of backups share: a refusal that leaves nothing, archives that somebody changed."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio.access import Actor
from studio.backup import BackupService
from studio.errors import StudioError
from studio.settings import Settings

SECRET = b"not for other eyes"


def refusal(settings: Settings, actor: Actor, file: Path) -> str:
    """The key of the error with which a restore refuses, after which nothing is left of it."""
    before = sorted(settings.home.parent.rglob("*")) if settings.home.parent.exists() else []
    with pytest.raises(StudioError) as caught:
        BackupService(settings).restore(actor, file)
    after = sorted(settings.home.parent.rglob("*")) if settings.home.parent.exists() else []
    assert [path for path in after if path not in before and path != settings.home.parent] == []
    return caught.value.key


def rewritten(file: Path, change: Callable[[str, bytes], Iterator[tuple[tarfile.TarInfo, bytes]]]) -> Path:
    """The same archive with other members; `change` gives what takes the place of each."""
    made = file.with_name("made.tar")
    with tarfile.open(file) as source, tarfile.open(made, "w") as target:
        for info in source:
            stream = source.extractfile(info)
            assert stream is not None
            for member, data in change(info.name, stream.read()):
                member.size = len(data)
                target.addfile(member, io.BytesIO(data))
    return made
