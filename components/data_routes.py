"""What the rows panel asks for: pages of rows, one row, the history, comparisons. Plain JSON, because writes must answer with a
conflict that a script understands, and reads must be quick. Handlers unpack, call a service, and word what it returns.

    GET  rows · count · row/{id} · row/{id}/tokens · history · compare · others · job/{id}
    POST row/{id} · add · bulk/preview · bulk/apply · undo · redo · restore · name · job/{id}/stop   (data_edit_routes.py)

A refusal is {"error": {"key", "text", "field"}} with 404 for what is not there, 409 for what has changed meanwhile, else 422.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import Callable
from typing import Any, get_args

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from components.data_words import Names, brief_row, error_json, known_names, position_of, revision_json, row_parts, whole_row
from studio.access import RULES, Actor
from studio.data.compare import row_number
from studio.data.filters import Filter, Matcher
from studio.data.find import Sort
from studio.data.store import StoredRow
from studio.errors import AccessError, DataError, NotFoundError, StorageError, StudioError
from studio.services import Services
from studio.text import duration_text, error_text, number_text, text

__all__ = ["DATA", "DataPages", "add_data_routes"]

log = logging.getLogger("studio.web")

#: Where all of it lies.
DATA = "/data/{ds}"

_LIMIT, _LIMIT_MAX = 100, 200
_REVISIONS = 50
_COMPARED = 20

#: What a row is refused with when somebody else was quicker.
_CONFLICTS = ("error.data.row_changed", "error.data.busy", "error.rows.moved_on")

class DataPages:
    """Handlers; each runs its service in a thread, for the actor whom the door has found."""

    def __init__(self, services: Services) -> None:
        self.services = services

    # 1 Rows

    async def rows(self, request: Request) -> Response:
        return await self.answer(request, lambda actor, ds: self._rows(actor, ds, request))

    def _rows(self, actor: Actor, ds: str, request: Request) -> dict[str, Any]:
        query = request.query_params
        limit = min(int(query.get("limit", _LIMIT)), _LIMIT_MAX)
        at = position_of(query["at"]) if "at" in query else None
        if query.get("around"):
            row = self.newest(actor, ds, int(query["around"]))
            first = self.services.data.find(actor, ds, Filter(), limit=limit)
            is_on_it = not first.rows or (row is not None and row.position <= first.rows[-1].position)
            at = None if is_on_it or row is None else row.position
        wanted = filter_of(request)
        sort: Sort = query["sort"] if query.get("sort") in get_args(Sort) else "position"  # type: ignore[assignment]
        found = self.services.data.find(
            actor, ds, wanted, sort=sort, after=query.get("after"), before=query.get("before"), at=at, limit=limit
        )
        info = self.services.data.get(actor, ds)
        matcher = Matcher(wanted)
        return self.state(actor, ds) | {
            "rows": [brief_row(row, matcher) for row in found.rows],
            "limit": limit,
            "has_before": found.has_before,
            "has_after": found.has_after,
            "is_whole": found.is_whole,
            "next": found.next,
            "previous": found.previous,
            "total": found.total,
            "n_rows": info.n_rows,
            "may_write": may_write(actor),
        }

    def state(self, actor: Actor, ds: str) -> dict[str, Any]:
        """The newest revision, and what can be taken back."""
        undo, redo = self.services.edits.can(actor, ds)
        return {"revision": self.services.data.get(actor, ds).revision, "can": {"undo": undo, "redo": redo}}

    async def count(self, request: Request) -> Response:
        def work(actor: Actor, ds: str) -> dict[str, Any]:
            n, is_exact = self.services.data.count(actor, ds, filter_of(request))
            return {"n": n, "is_exact": is_exact}

        return await self.answer(request, work)

    # 2 One row

    def newest(self, actor: Actor, ds: str, row_id: int) -> StoredRow | None:
        """The version that holds now of a row that some version's id names; None where the row has gone.

        Raises NotFoundError for a row that never was in this dataset.
        """
        named = self.services.data.row(actor, row_id)
        then = self.services.data.find(actor, ds, Filter(), at=named.position, limit=1, revision=named.since).rows
        if [row.id for row in then] != [row_id]:
            raise NotFoundError("error.data.unknown_row", row=row_id)
        found = self.services.data.find(actor, ds, Filter(), at=named.position, limit=1).rows
        return next((row for row in found if row.position == named.position), None)

    async def row(self, request: Request) -> Response:
        def work(actor: Actor, ds: str) -> dict[str, Any]:
            row = self.newest(actor, ds, int(request.path_params["row"]))
            if row is None:
                raise NotFoundError("error.rows.gone")
            is_locked = row.split == "test" and self.services.data.get(actor, ds).locked_at is not None
            return {"row": whole_row(row, actor.lang, self.names(actor)) | {"locked": is_locked}}

        return await self.answer(request, work)

    async def tokens(self, request: Request) -> Response:
        """The row as the model sees it, for the first base that is here."""

        def work(actor: Actor, ds: str) -> dict[str, Any]:
            base = next(iter(self.services.models.ready(actor)), None)
            if base is None:
                return {"base": None, "pieces": []}
            pieces = self.services.data.row_as_tokens(actor, int(request.path_params["row"]), base.id)
            shown = [{"text": piece.text, "trained": piece.trained, "n": piece.n_tokens} for piece in pieces]
            return {"base": base.name, "pieces": shown}

        return await self.answer(request, work)

    # 3 Revisions

    async def history(self, request: Request) -> Response:
        def work(actor: Actor, ds: str) -> dict[str, Any]:
            before = int(request.query_params["before"]) if "before" in request.query_params else None
            found = self.services.edits.history(actor, ds, before=before, limit=_REVISIONS + 1)
            newest = self.services.edits.history(actor, ds, limit=1)[0]
            under = [older.number for older in found[1:]] + [None]
            names = self.names(actor)
            lines = [revision_json(one, newest, older, actor.lang, names) for one, older in zip(found, under, strict=True)]
            return self.state(actor, ds) | {"revisions": lines[:_REVISIONS], "more": len(found) > _REVISIONS}

        return await self.answer(request, work)

    async def compare(self, request: Request) -> Response:
        def work(actor: Actor, ds: str) -> dict[str, Any]:
            query = request.query_params
            after = int(query["after"]) if "after" in query else None
            told = self.services.edits.compare(
                actor, ds, int(query.get("older", "")), int(query.get("newer", "")), after=after, limit=_COMPARED
            )
            return {
                "counts": told.counts,
                "is_exact": told.is_exact,
                "changes": [self._change(one, actor) for one in told.changes],
                "next": told.next,
            }

        return await self.answer(request, work)

    def _change(self, one: Any, actor: Actor) -> dict[str, Any]:
        what = "added" if one.before is None else "removed" if one.after is None else "changed"
        parts = row_parts(one.before, one.after, actor.lang)
        return {"no": row_number(one.position), "what": what, "parts": parts, "row": one.after.id if one.after else None}

    # 4 Beside it

    async def others(self, request: Request) -> Response:
        """Datasets whose rows can be brought into this one."""

        def work(actor: Actor, ds: str) -> dict[str, Any]:
            known = [info for info in self.services.data.list(actor) if info.id != ds]
            return {"datasets": [{"id": info.id, "name": info.name, "n_rows": info.n_rows} for info in known]}

        return await self.answer(request, work)

    async def job(self, request: Request) -> Response:
        """How far a large change has come, in words."""

        def work(actor: Actor, ds: str) -> dict[str, Any]:
            job = self.services.jobs.get(actor, request.path_params["job"])
            lang = actor.lang
            words = text(lang, f"job.state.{job.state}")
            if job.error:
                words = error_text(lang, job.error)
            elif job.is_active and job.total:
                words = text(lang, "rows.job_done", done=number_text(int(job.done or 0)), total=number_text(int(job.total)))
                if job.eta_s:
                    words += " · " + text(lang, "job.eta", left=duration_text(lang, job.eta_s))
            changes = (job.result or {}).get("changes")
            shown = {"id": job.id, "state": job.state, "ended": job.has_ended, "share": job.share_done}
            return shown | {"words": words, "changes": changes}

        return await self.answer(request, work)

    # 5 Answers

    def names(self, actor: Actor) -> Names:
        return known_names(actor, self.services.users.names(actor))

    async def answer(self, request: Request, work: Callable[[Actor, str], dict[str, Any]]) -> Response:
        """`work` in a thread; what it refuses in words, what goes wrong as an incident whose traceback is in the log."""
        actor: Actor = request.state.actor
        try:
            return JSONResponse(await run_in_threadpool(work, actor, request.path_params["ds"]))
        except StudioError as error:
            return self.refusal(error, actor)
        except (ValidationError, ValueError):
            return JSONResponse({"error": error_json(DataError("error.rows.unreadable"), actor.lang)}, 422)
        except Exception as error:
            incident = secrets.token_hex(4)
            log.error("incident %s", incident, exc_info=error)
            words = text(actor.lang, "error.incident", incident=incident)
            return JSONResponse({"error": {"key": "error.incident", "text": words, "field": None}}, 500)

    def refusal(self, error: StudioError, actor: Actor) -> Response:
        kinds = ((NotFoundError, 404), (AccessError, 403), (StorageError, 503), (StudioError, 422))
        status = 409 if error.key in _CONFLICTS else next(status for kind, status in kinds if isinstance(error, kind))
        return JSONResponse({"error": error_json(error, actor.lang)}, status)


def may_write(actor: Actor) -> bool:
    return actor.role in RULES["dataset.write"].roles


def filter_of(request: Request) -> Filter:
    """The filter that the address names; values that no filter has are left out, so that an old link still opens."""
    given = {name: request.query_params[name] for name in Filter.model_fields if request.query_params.get(name)}
    for _ in range(len(given)):
        with contextlib.suppress(ValidationError):
            return Filter.model_validate(given)
        given = {name: value for name, value in given.items() if _fits(name, value)}
    return Filter()


def _fits(name: str, value: str) -> bool:
    with contextlib.suppress(ValidationError):
        return bool(Filter.model_validate({name: value}))
    return False


def add_data_routes(web: FastAPI, services: Services) -> None:
    from components.data_edit_routes import EditPages

    reads, writes = DataPages(services), EditPages(services)
    for path, method, handler in (
        ("rows", "GET", reads.rows),
        ("count", "GET", reads.count),
        ("row/{row}", "GET", reads.row),
        ("row/{row}/tokens", "GET", reads.tokens),
        ("history", "GET", reads.history),
        ("compare", "GET", reads.compare),
        ("others", "GET", reads.others),
        ("job/{job}", "GET", reads.job),
        ("row/{row}", "POST", writes.save),
        ("add", "POST", writes.add),
        ("bulk/preview", "POST", writes.preview),
        ("bulk/apply", "POST", writes.apply),
        ("undo", "POST", writes.undo),
        ("redo", "POST", writes.redo),
        ("restore", "POST", writes.restore),
        ("name", "POST", writes.name),
        ("job/{job}/stop", "POST", writes.stop),
    ):
        web.add_route(f"{DATA}/{path}", handler, methods=[method])
