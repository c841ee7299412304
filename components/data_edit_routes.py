"""What the rows panel does: save a row, add one, change many, go back and forth. See data_routes.py for the table of routes.

Every write may arrive twice, because the page sends again what a poor line has lost. A saved row finds its own content there;
a bulk change carries its id to the service; the others are remembered here by the id of the wish, and name the revision that
the person saw: what somebody else has done since is never taken back unseen.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from components.data_routes import DataPages
from components.data_words import error_json, row_parts, whole_row
from studio.access import Actor
from studio.data.bulk import BulkSpec
from studio.data.compare import row_number
from studio.data.edits import NewRowFields, RowChanges, RowConflictError
from studio.data.store import StoredRow
from studio.errors import DataError
from studio.services import Services
from studio.text import text

__all__ = ["EditPages"]

_KEPT_WISHES = 200


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Wish(_Body):
    request_id: str = Field(pattern=r"^[\w-]{8,64}$")


class _Save(_Body):
    changes: RowChanges


class _Add(_Wish):
    row: NewRowFields
    after: int | None = None


class _Bulk(_Body):
    filter: dict[str, Any] = {}
    rows: list[int] | None = None
    message: str = ""
    operation: dict[str, Any]

    def spec(self, ds: str) -> BulkSpec:
        given = {"dataset": ds, "filter": self.filter, "rows": self.rows, "message": self.message, "operation": self.operation}
        return BulkSpec.model_validate(given)


class _Apply(_Bulk, _Wish):
    pass


class _Step(_Wish):
    revision: int


class _Restore(_Wish):
    number: int


class _Name(_Body):
    number: int
    name: str


_B = TypeVar("_B", bound=_Body)
_W = TypeVar("_W", bound=_Wish)


class Once:
    """The answers to the last wishes of this process: the same wish gets the same answer, and is not done again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._doing: dict[str, threading.Lock] = {}

    def __call__(self, request_id: str, act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        with self._lock:
            mine = self._doing.setdefault(request_id, threading.Lock())
        with mine:
            with self._lock:
                if request_id in self._answers:
                    return self._answers[request_id]
            try:
                answer = act()
                with self._lock:
                    self._answers[request_id] = answer
                    if len(self._answers) > _KEPT_WISHES:
                        self._answers.popitem(last=False)
                return answer
            finally:
                with self._lock:
                    self._doing.pop(request_id, None)


class EditPages(DataPages):
    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._once = Once()

    # 1 One row

    async def save(self, request: Request) -> Response:
        """409 with `theirs`, the row as it is now, and `parts`, theirs against mine, when somebody was quicker."""
        actor: Actor = request.state.actor
        try:
            body = _Save.model_validate_json(await request.body())
        except ValidationError:
            return self._unreadable(actor)

        def work(actor: Actor, ds: str) -> dict[str, Any]:
            row_id = int(request.path_params["row"])
            saved = self.services.edits.save_row(actor, ds, row_id, body.changes)
            return {"row": whole_row(saved, actor.lang, self.names(actor))}

        def refused(error: RowConflictError) -> Response:
            told = self._conflict(actor, int(request.path_params["row"]), body.changes, error.theirs)
            return JSONResponse({"error": error_json(error, actor.lang)} | told, 409)

        try:
            return await self.answer(request, work)
        except RowConflictError as error:
            return await run_in_threadpool(refused, error)

    def _conflict(self, actor: Actor, row_id: int, changes: RowChanges, theirs: StoredRow | None) -> dict[str, Any]:
        if theirs is None:
            return {"theirs": None, "parts": []}
        mine = changes.on(self.services.data.row(actor, row_id).as_new())
        return {"theirs": whole_row(theirs, actor.lang, self.names(actor)), "parts": row_parts(theirs, mine, actor.lang)}

    def refusal(self, error: Any, actor: Actor) -> Response:
        if isinstance(error, RowConflictError):
            raise error
        return super().refusal(error, actor)

    async def add(self, request: Request) -> Response:
        def work(body: _Add, actor: Actor, ds: str) -> dict[str, Any]:
            row = self.services.edits.add_row(actor, ds, body.row, after_position=body.after, request_id=body.request_id)
            return {"row": whole_row(row, actor.lang, self.names(actor))}

        return await self._write(request, _Add, work)

    # 2 Many rows

    async def preview(self, request: Request) -> Response:
        def work(body: _Bulk, actor: Actor, ds: str) -> dict[str, Any]:
            told = self.services.edits.preview(actor, body.spec(ds))
            examples = [
                {"no": row_number(old.position), "after": new is not None, "parts": row_parts(old, new, actor.lang)}
                for old, new in told.examples
            ]
            counts = {"n_matching": told.n_matching, "is_exact": told.is_exact, "n_changed": told.n_changed}
            refused = [text(actor.lang, key, n=n) for key, n in told.refused.items()]
            return counts | {"examples": examples, "warnings": refused, "may": told.n_changed > 0}

        return await self._write(request, _Bulk, work)

    async def apply(self, request: Request) -> Response:
        def work(body: _Apply, actor: Actor, ds: str) -> dict[str, Any]:
            done = self.services.edits.apply(actor, body.spec(ds), request_id=body.request_id)
            refused = [text(actor.lang, key, n=n) for key, n in done.refused.items()]
            return {"revision": done.revision, "job": done.job_id, "changes": done.changes, "warnings": refused}

        return await self._write(request, _Apply, work)

    async def stop(self, request: Request) -> Response:
        def work(actor: Actor, ds: str) -> dict[str, Any]:
            return {"state": self.services.jobs.stop(actor, request.path_params["job"]).state}

        return await self.answer(request, work)

    # 3 Back and forth

    async def undo(self, request: Request) -> Response:
        return await self._write_once(request, _Step, lambda body, actor, ds: self._step(body, actor, ds, "undo"))

    async def redo(self, request: Request) -> Response:
        return await self._write_once(request, _Step, lambda body, actor, ds: self._step(body, actor, ds, "redo"))

    def _step(self, body: _Step, actor: Actor, ds: str, what: str) -> dict[str, Any]:
        if self.services.data.get(actor, ds).revision != body.revision:
            raise DataError("error.rows.moved_on")
        act = self.services.edits.undo if what == "undo" else self.services.edits.redo
        act(actor, ds)
        return self.state(actor, ds) | {"words": text(actor.lang, "rows.undone" if what == "undo" else "rows.redone")}

    async def restore(self, request: Request) -> Response:
        def work(body: _Restore, actor: Actor, ds: str) -> dict[str, Any]:
            self.services.edits.restore(actor, ds, body.number)
            return self.state(actor, ds)

        return await self._write_once(request, _Restore, work)

    async def name(self, request: Request) -> Response:
        def work(body: _Name, actor: Actor, ds: str) -> dict[str, Any]:
            self.services.edits.name_revision(actor, ds, body.number, body.name)
            return self.state(actor, ds)

        return await self._write(request, _Name, work)

    # 4 Wishes

    async def _write(self, request: Request, kind: type[_B], act: Callable[[_B, Actor, str], dict[str, Any]]) -> Response:
        try:
            body = kind.model_validate_json(await request.body())
        except ValidationError:
            return self._unreadable(request.state.actor)
        return await self.answer(request, lambda actor, ds: act(body, actor, ds))

    async def _write_once(self, request: Request, kind: type[_W], act: Callable[[_W, Actor, str], dict[str, Any]]) -> Response:
        def once(body: _W, actor: Actor, ds: str) -> dict[str, Any]:
            mine = f"{actor.user_id}:{body.request_id}"  # nobody gets another's answer
            return self._once(mine, lambda: act(body, actor, ds))

        return await self._write(request, kind, once)

    def _unreadable(self, actor: Actor) -> Response:
        return JSONResponse({"error": error_json(DataError("error.rows.unreadable"), actor.lang)}, 422)
