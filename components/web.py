"""The web server: one FastAPI app, the studio in each language behind it, headers, the cookie that tells people apart.

Blocks are built once per language, on that language's first request: a start pays for one of them only.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
from collections.abc import AsyncIterator
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr
from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from itsdangerous import BadSignature, URLSafeSerializer
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from components.page import ASSETS
from components.shell import build_studio, mount_options
from studio import __version__
from studio.ids import new_id
from studio.services import Services
from studio.settings import ROOT, Settings
from studio.text import Lang, lang_of

__all__ = ["build_web"]

#: Gradio needs inline and evaluated scripts; nothing may be loaded from, or sent to, another host. A remote image in a
#: model's answer would tell a stranger that it was read.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self'; "
    "frame-src 'none'; frame-ancestors 'none'; object-src 'none'; form-action 'self'; base-uri 'self'"
)

_COOKIE = "studio_user"
_YEAR_S = 31_536_000


class StudioByLanguage:
    """An ASGI app that hands a request to the studio in the language of the browser's cookie."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._built: dict[Lang, FastAPI] = {}
        self._building = asyncio.Lock()
        self._stack = contextlib.AsyncExitStack()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = await self._app(_wanted_lang(HTTPConnection(scope), self._services.settings))
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
        return gr.mount_gradio_app(
            FastAPI(),
            build_studio(self._services, lang),
            path="/",
            max_file_size=settings.max_upload_mb * 2**20,
            allowed_paths=[],
            **mount_options(lang),
        )

    async def close(self) -> None:
        await self._stack.aclose()


def _wanted_lang(connection: HTTPConnection, settings: Settings) -> Lang:
    """The cookie, else what the browser prefers, else the setting."""
    chosen = connection.cookies.get("studio_lang")
    return lang_of(chosen or connection.headers.get("accept-language"), settings.lang)


def _cookie_key(settings: Settings) -> str:
    path = settings.folder("keys") / "cookie"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(os.urandom(32).hex().encode())
    return path.read_text("utf-8")


def _build() -> str:
    """A name for what an open page was made from: when it is another one, the page has to be loaded again."""
    made_from = [*(ROOT / "components").rglob("*.py"), *(ROOT / "studio").rglob("*.py")]
    made_from += [path for folder in ("css", "js", "messages") for path in (ASSETS / folder).iterdir()]
    digest = hashlib.sha256(gr.__version__.encode())
    for path in sorted(made_from):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def build_web(services: Services) -> FastAPI:
    """Everything that the web process serves. The caller runs it."""
    settings = services.settings
    os.environ["GRADIO_TEMP_DIR"] = str(settings.folder("tmp", "gradio"))
    studio = StudioByLanguage(services)
    signer = URLSafeSerializer(_cookie_key(settings), salt=_COOKIE)
    instance = f"{_build()}.{secrets.token_hex(8)}"

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(services.chats.recover)
        yield
        await studio.close()

    web = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    web.add_middleware(GZipMiddleware, minimum_size=2000)

    @web.middleware("http")
    async def guard(request: Request, call_next: Any) -> Response:
        known = _user_of(signer, request.cookies.get(_COOKIE))
        request.state.user_id = known or new_id("usr")
        response: Response = await call_next(request)
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["X-Studio"] = instance
        if known is None and request.url.path == "/":
            token = signer.dumps(request.state.user_id)
            response.set_cookie(_COOKIE, token, max_age=_YEAR_S, httponly=True, samesite="lax", path="/")
        return response

    @web.get("/alive")
    async def alive() -> JSONResponse:
        """Asked by an open page that has not heard of the server for some seconds; the header says the same."""
        return JSONResponse({"version": __version__, "instance": instance}, headers={"Cache-Control": "no-store"})

    @web.get("/healthz")
    async def healthz() -> JSONResponse:
        return JSONResponse({"ok": True})

    @web.get("/favicon.svg")
    async def favicon() -> FileResponse:
        return FileResponse(ASSETS / "favicon.svg", media_type="image/svg+xml")

    web.mount("/", studio)
    return web


def _user_of(signer: URLSafeSerializer, token: str | None) -> str | None:
    if token is None:
        return None
    try:
        value = signer.loads(token)
    except BadSignature:
        return None
    return value if isinstance(value, str) else None
