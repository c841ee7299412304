"""Files to be taken away: exported ones by their names, to whoever may export; models; the card of a run."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from studio.errors import NotFoundError
from studio.services import Services
from studio.text import error_text
from studio.train.shelf import Archive

__all__ = ["add_downloads"]


def add_downloads(web: FastAPI, services: Services) -> None:
    @web.get("/exports/{name}")
    async def fetch(name: str, request: Request) -> Response:
        actor = request.state.actor
        try:
            path = await run_in_threadpool(services.exports.path, actor, name)
        except NotFoundError as error:
            return PlainTextResponse(error_text(actor.lang, error), 404)
        return FileResponse(path, filename=path.name, headers={"Cache-Control": "no-store"})

    @web.get("/checkpoints/{name}.zip")
    async def checkpoint(name: str, request: Request) -> Response:
        return await _sent(request, services.shelf.archive, name)

    @web.get("/models/{base}.zip")
    async def model(base: str, request: Request) -> Response:
        return await _sent(request, services.shelf.model_archive, base)

    @web.get("/runs/{run}/card")
    async def card(run: str, request: Request) -> Response:
        """The model card, under the name that a hub looks for."""
        actor = request.state.actor
        try:
            words = await run_in_threadpool(services.story.card, actor, run)
        except NotFoundError as error:
            return PlainTextResponse(error_text(actor.lang, error), 404)
        headers = {"Content-Disposition": 'attachment; filename="README.md"', "Cache-Control": "no-store"}
        return Response(words, media_type="text/markdown; charset=utf-8", headers=headers)


async def _sent(request: Request, make: Callable[..., Archive], name: str) -> Response:
    """An archive that is written while it is sent."""
    actor = request.state.actor
    try:
        archive = await run_in_threadpool(make, actor, name)
    except NotFoundError as error:
        return PlainTextResponse(error_text(actor.lang, error), 404)
    disposition = f"attachment; filename*=UTF-8''{quote(archive.file_name)}"
    headers = {"Content-Disposition": disposition, "Cache-Control": "no-store"}
    return StreamingResponse(archive.chunks, media_type="application/zip", headers=headers)
