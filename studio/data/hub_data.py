"""Datasets from the Hugging Face hub or a mirror: what files one has, and the job that brings the chosen ones into a draft.

After that they are files like any others: looked at, mapped, imported. Code in a repository is never run.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from studio.access import Actor, allows
from studio.data.drafts import Draft, DraftFile, enter, files_of, is_about_data, split_in_name
from studio.data.tables import drafts
from studio.data.uploads import stage
from studio.db import Database
from studio.errors import DataError, ModelError
from studio.jobs.context import JobContext
from studio.jobs.queue import insert_job
from studio.jobs.resources import free_disk_bytes
from studio.jobs.spec import Spec, checked
from studio.models.hub import stream_file
from studio.settings import Settings

__all__ = ["BringSpec", "HubDataService", "run_bring"]

_DATA = re.compile(r"\.(parquet|arrow|feather|((jsonl|ndjson|json|csv|tsv)(\.gz)?)|xlsx|xls|ods|txt|md|zip)$", re.I)
_REF = re.compile(r"[\w.-]+(/[\w.-]+)?")

#: Errors of the download, in the words of this room.
_IN_OUR_WORDS = {"error.model.gated": "error.data.gated", "error.model.hub_unreachable": "error.data.hub_unreachable"}


class BringSpec(Spec):
    """Fetch the chosen files of a draft that are still on the hub."""

    kind: str = "bring"
    draft: str


class HubDataService:
    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings

    @allows("dataset.look")
    def open(self, actor: Actor, ref: str) -> Draft:
        """A draft of a dataset's files, none of them fetched yet; `ref` is `owner/name`, or the address of its page.

        Raises DataError where the hub has no such dataset, or none that is open, or it holds no data files.
        """
        ref = re.sub(r"^https?://[^/]+/(datasets/)?|/tree/.*$|/+$", "", ref.strip())
        if not _REF.fullmatch(ref):
            raise DataError("error.data.bad_ref", field="ref")
        commit, sizes = _listing(self._settings, ref)
        names = sorted(name for name in sizes if _DATA.search(name) and not is_about_data(name))
        if not names:
            raise DataError("error.data.no_data_files", field="ref", ref=ref)
        files = [
            DraftFile(
                name=name, remote={"ref": ref, "commit": commit, "path": name, "bytes": sizes[name]}, split=split_in_name(name)
            )
            for name in names
        ]
        return enter(self._db, actor.user_id, files)

    @allows("dataset.look")
    def bring(self, actor: Actor, draft_id: str, *, request_id: str | None = None) -> str:
        """Fetch the chosen files in the background; returns the job's id."""
        with self._db.write() as connection:
            name = next((file.name for file in files_of(connection, draft_id) if file.remote and file.chosen), "")
            spec = BringSpec(draft=draft_id).as_dict()
            return insert_job(connection, spec=spec, name=name, author=actor.user_id, request_id=request_id)


def _listing(settings: Settings, ref: str) -> tuple[str, dict[str, int]]:
    """The newest commit and the sizes of its files in bytes."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, HFValidationError, HTTPError, RepositoryNotFoundError

    hub = settings.hub_endpoint
    try:
        info = HfApi(endpoint=hub).dataset_info(ref, files_metadata=True, timeout=30)
    except GatedRepoError as error:
        raise DataError("error.data.gated", field="ref", ref=ref) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise DataError("error.data.not_on_hub", field="ref", ref=ref, hub=hub) from error
    except (HTTPError, OSError, ValueError) as error:
        raise DataError("error.data.hub_unreachable", field="ref", hub=hub) from error
    return info.sha or "main", {item.rfilename: int(item.size or 0) for item in info.siblings or ()}


def run_bring(context: JobContext) -> dict[str, Any]:
    """The job `bring`. A file that is there already is not fetched again, so that a later attempt goes on."""
    spec = checked(BringSpec, context.spec)
    with context.db.read() as connection:
        files = files_of(connection, spec.draft)
    wanted = {at: file for at, file in enumerate(files) if file.chosen and file.remote and not file.upload}
    total = sum(file.remote["bytes"] for file in wanted.values() if file.remote)
    limit = context.settings.max_upload_mb * 2**20
    if total > free_disk_bytes(context.settings.home) // 2:
        raise DataError("error.data.no_disk", size_bytes=total, free_bytes=free_disk_bytes(context.settings.home))
    context.phase("downloading")
    got = 0

    def on_bytes(count: int) -> None:
        nonlocal got
        got += count
        context.check_stop()
        context.progress(min(got, total), total, "bytes")

    for at, file in wanted.items():
        assert file.remote is not None
        if file.remote["bytes"] > limit:
            raise DataError("error.data.upload_too_large", size_bytes=file.remote["bytes"], limit_bytes=limit)
        _bring(context, spec.draft, at, file.remote, on_bytes)
    return {"draft": spec.draft}


def _bring(context: JobContext, draft_id: str, at: int, remote: dict[str, Any], on_bytes: Callable[[int], None]) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers

    hub, ref = context.settings.hub_endpoint, remote["ref"]
    url = hf_hub_url(ref, remote["path"], repo_type="dataset", revision=remote["commit"], endpoint=hub)
    target = context.settings.folder("tmp") / f"{context.job_id}-{at}"
    try:
        stream_file(url, target, on_bytes, hub=hub, ref=ref, headers=build_hf_headers())
        upload = stage(context.settings, target)
    except ModelError as error:
        raise DataError(_IN_OUR_WORDS[error.key], field="ref", **error.params) from error
    finally:
        target.unlink(missing_ok=True)
        target.with_name(target.name + ".part").unlink(missing_ok=True)
    with context.db.write() as connection:
        files = files_of(connection, draft_id)
        files[at] = files[at].model_copy(update={"upload": upload})
        values = [file.model_dump() for file in files]
        connection.execute(sa.update(drafts).where(drafts.c.id == draft_id).values(files=values))
