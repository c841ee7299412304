"""Files to be taken away: exported ones by their names, to whoever may export; the card of a run."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool

from studio.errors import NotFoundError
from studio.services import Services
from studio.text import error_text

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
