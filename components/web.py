"""The web server: one FastAPI app behind the door, plain pages, and the studio in each language.

Blocks are built once per language, on that language's first request: a start pays for one of them only.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr
from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse, JSONResponse
from gradio_client.utils import is_file_obj_with_meta, traverse
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from components.data_routes import add_data_routes
from components.demo_page import add_demo_pages
from components.door import Door, Guarded
from components.downloads import add_downloads
from components.login_page import add_login_pages
from components.page import ASSETS
from components.plain import FILES, file_response, wanted_lang
from components.shell import build_studio, mount_options
from studio import __version__
from studio.services import Services
from studio.settings import ROOT
from studio.text import Lang

__all__ = ["build_web"]


class StudioByLanguage:
    """An ASGI app that hands a request to the studio in the language of the browser's cookie."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._built: dict[Lang, FastAPI] = {}
        self._building = asyncio.Lock()
        self._stack = contextlib.AsyncExitStack()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # the door looks at requests only, and the studio needs nothing else
            await send({"type": "websocket.close", "code": 1008})
            return
        app = await self._app(wanted_lang(HTTPConnection(scope), self._services.settings))
        await app(scope, receive, send)

    async def _app(self, lang: Lang) -> FastAPI:
        async with self._building:
            if lang not in self._built:
                app = await asyncio.to_thread(self._build, lang)
                # Gradio's queue starts with the app's lifespan, which a mounted app does not get by itself.
                await self._stack.enter_async_context(app.router.lifespan_context(app))
                self._built[lang] = app
        return self._built[lang]

    def _build(self, lang: Lang) -> FastAPI:
        settings = self._services.settings
        blocks = build_studio(self._services, lang)
        _keep_to_uploads(blocks, settings.folder("tmp", "gradio"))
        return gr.mount_gradio_app(
            FastAPI(),
            blocks,
            path="/",
            max_file_size=settings.max_upload_mb * 2**20,
            allowed_paths=[],
            **mount_options(lang),
        )

    async def close(self) -> None:
        await self._stack.aclose()


def _keep_to_uploads(blocks: gr.Blocks, folder: Path) -> None:
    """A file that an event's data names must be one that was uploaded. Gradio copies it to where it hands out files before
    any handler runs, fetches it where it is an address, and checks its place only in apps that it has launched itself.
    """
    blocks.has_launched = True
    folder, preprocess = folder.resolve(), blocks.preprocess_data

    def check(file: dict[str, Any]) -> dict[str, Any]:
        if not Path(file["path"]).resolve().is_relative_to(folder):
            raise gr.exceptions.InvalidPathError("a file that was not uploaded")
        return file

    async def checked(block_fn: Any, inputs: list[Any], *rest: Any, **more: Any) -> Any:
        traverse(inputs, check, is_file_obj_with_meta)
        return await preprocess(block_fn, inputs, *rest, **more)

    blocks.preprocess_data = checked


def _build() -> str:
    """A name for what an open page was made from: when it is another one, the page has to be loaded again."""
    made_from = [*(ROOT / "components").rglob("*.py"), *(ROOT / "studio").rglob("*.py")]
    made_from += [path for folder in ("css", "js", "messages") for path in (ASSETS / folder).rglob("*.*")]
    digest = hashlib.sha256(gr.__version__.encode())
    for path in sorted(made_from):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def build_web(services: Services) -> FastAPI:
    """Everything that the web process serves. The caller runs it; `web.state.door` is where it learns of a tunnel."""
    settings = services.settings
    os.environ["GRADIO_TEMP_DIR"] = str(settings.folder("tmp", "gradio"))
    studio = StudioByLanguage(services)
    instance = f"{_build()}.{secrets.token_hex(8)}"
    door = Door(services, instance)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(services.chats.recover)
        yield
        await studio.close()

    web = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    web.state.door = door
    web.add_middleware(Guarded, door=door)
    web.add_middleware(GZipMiddleware, minimum_size=2000)

    @web.get("/alive")
    async def alive() -> JSONResponse:
        """Asked by an open page that has not heard of the server for some seconds; the header says the same."""
        return JSONResponse({"version": __version__, "instance": instance}, headers={"Cache-Control": "no-store"})

    @web.get("/healthz")
    async def healthz() -> JSONResponse:
        return JSONResponse({"ok": True})

    @web.get("/favicon.ico")  # what a browser asks for before the page's script names the other one
    @web.get("/favicon.svg")
    async def favicon() -> FileResponse:
        return FileResponse(ASSETS / "favicon.svg", media_type="image/svg+xml")

    @web.get("/page/{name}")
    async def page_file(name: str) -> FileResponse:
        if name not in FILES:
            raise HTTPException(404)
        return file_response(name)

    add_login_pages(web, services, door)
    add_demo_pages(web, services)
    add_downloads(web, services)
    add_data_routes(web, services)
    web.mount("/", studio)
    return web
