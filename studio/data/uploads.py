"""Files that people have brought: each kept once, under the sha256 of its bytes."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import uuid
from pathlib import Path

from studio.errors import DataError
from studio.settings import Settings

__all__ = ["stage", "upload_path"]


def stage(settings: Settings, path: Path) -> str:
    """Keep a file and return its sha256. Raises DataError over the size limit, and where the disk has no room for it."""
    size, limit = path.stat().st_size, settings.max_upload_mb * 2**20
    if size > limit:
        raise DataError("error.data.upload_too_large", size_bytes=size, limit_bytes=limit)
    if size > shutil.disk_usage(settings.home).free // 2:
        raise DataError("error.data.no_disk", size_bytes=size, free_bytes=shutil.disk_usage(settings.home).free)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    target = settings.folder("uploads") / digest
    if target.exists():
        os.utime(target)  # wanted again: what is cleaned away is what nobody wanted for long
        return digest
    temporary = target.with_name(f"{digest}.{uuid.uuid4().hex}.tmp")  # two people may bring the same file at once
    try:
        shutil.copyfile(path, temporary)
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        free = shutil.disk_usage(settings.home).free
        raise DataError("error.data.no_disk", size_bytes=size, free_bytes=free) from error
    return digest


def upload_path(settings: Settings, upload: str) -> Path:
    """Where a file lies. Raises DataError for what is no sha256, or was cleaned away."""
    if len(upload) != 64 or not set(upload) <= set("0123456789abcdef"):
        raise DataError("error.data.unknown_upload")
    path = settings.folder("uploads") / upload
    if not path.exists():
        raise DataError("error.data.unknown_upload")
    return path
