"""The door, through which every request comes: who asks, may they, and with which headers the answer leaves.

`ROUTES` is all that answers. A path that is not in it is not there, whatever Gradio serves behind it. The services check
roles as well; this is the first of two locks. Public pages answer anybody; link pages find out themselves whether the link
opens, and look the same when it does not.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from itsdangerous import BadSignature, URLSafeSerializer
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.plain import plain_page, wanted_lang
from studio.access import RULES, Actor, local_admin, stranger
from studio.errors import AccessError, StorageError
from studio.ids import is_id, new_id
from studio.services import Services
from studio.settings import Settings, is_loopback
from studio.text import Lang, error_text, text

__all__ = ["LINK_PAGES", "ROUTES", "SESSION", "Door", "Guarded", "Route", "route_of"]

#: Gradio needs inline and evaluated scripts; nothing may be loaded from, or sent to, another host. A remote image in a
#: model's answer would tell a stranger that it was read.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self'; "
    "frame-src 'none'; frame-ancestors 'none'; object-src 'none'; form-action 'self'; base-uri 'self'"
)

#: The cookie of a session, whose token the database knows as a hash only.
SESSION = "studio_session"
#: Before accounts exist: tells the people at one computer apart. Signed, because it names whose chats are shown.
_LOCAL = "studio_user"
_YEAR_S = 31_536_000
_SESSION_S = 90 * 86_400

_KIB, _MIB = 2**10, 2**20

#: What a proxy or a tunnel adds. Before an admin has a password, nobody may come through one.
_FORWARDED = ("forwarded", "via", "x-real-ip", "cf-connecting-ip", "true-client-ip", "x-client-ip")


@dataclass(frozen=True)
class Route:
    """`pattern` matches the whole path. A body longer than `max_body` bytes is refused before it is read."""

    methods: tuple[str, ...]
    pattern: str
    action: str
    max_body: int = 64 * _KIB

    def matches(self, method: str, path: str) -> bool:
        return method in self.methods and re.fullmatch(self.pattern, path) is not None


#: Public, and of no use to a guest: they do not answer through Gradio's tunnel.
_NOT_THROUGH_TUNNEL = ("/healthz", "/favicon.svg", "/favicon.ico")

#: Where guests come in. Below it nobody is sent to the login.
LINK_PAGES = "/demo"

_UPLOAD = "/gradio_api/upload"
_FILE = "/gradio_api/file="
_LINK = rf"{LINK_PAGES}/[^/]+"
_DATA = "/data/[^/]+"

ROUTES = (
    # plain pages
    Route(("GET",), "/login", "page.public"),
    Route(("POST",), "/login", "session.begin"),
    Route(("GET",), "/invite", "page.public"),
    Route(("POST",), "/invite", "session.begin"),
    Route(("GET",), r"/page/[\w.-]+", "page.public"),
    Route(("GET",), r"/favicon\.(svg|ico)", "page.public"),
    Route(("GET",), "/healthz", "page.public"),
    Route(("GET", "POST"), "/setup", "user.add"),
    Route(("GET",), "/account", "account.read"),
    Route(("POST",), "/account/password", "account.password"),
    Route(("POST",), "/account/everywhere", "account.leave"),
    Route(("POST",), "/logout", "account.leave"),
    Route(("GET",), "/alive", "page.use"),
    # what a link opens
    Route(("GET",), rf"{_LINK}/?", "link.open"),
    Route(("POST",), f"{_LINK}/unlock", "link.unlock"),
    Route(("GET",), f"{_LINK}/chat", "link.open"),
    Route(("POST",), f"{_LINK}/(ask|stop|go-on|new|thumb)", "link.open"),
    Route(("GET",), "/exports/[^/]+", "dataset.export"),
    Route(("GET",), "/runs/[^/]+/card", "run.read"),
    Route(("GET",), "/checkpoints/[^/]+", "model.export"),
    Route(("GET",), "/models/[^/]+", "model.export"),
    # the rows of a dataset
    Route(("GET",), rf"{_DATA}/(rows|count|row/[^/]+|row/[^/]+/tokens|history|compare|others)", "dataset.read"),
    Route(("POST",), rf"{_DATA}/(row/[^/]+|add|bulk/preview|bulk/apply|undo|redo|restore|name)", "dataset.write", 8 * _MIB),
    Route(("GET",), rf"{_DATA}/job/[^/]+", "job.read"),
    Route(("POST",), rf"{_DATA}/job/[^/]+/stop", "job.stop"),
    # the studio: what Gradio's page asks for, and no more
    Route(("GET", "HEAD"), "/", "page.use"),
    Route(("GET",), "/config", "page.use"),
    Route(("GET",), r"/(assets|static|svelte)/.+", "page.use"),
    Route(("GET",), r"(/gradio_api)?/theme\.css", "page.use"),
    Route(("GET",), r"/manifest\.json", "page.use"),
    Route(("GET",), r"/gradio_api/startup-events", "page.use"),
    Route(("GET", "HEAD"), f"{_FILE}.+", "page.use"),
    Route(("POST",), r"/gradio_api/run/predict", "page.use", 8 * _MIB),
    Route(("POST",), r"/gradio_api/queue/join", "page.use", 8 * _MIB),
    Route(("GET",), r"/gradio_api/queue/data", "page.use"),
    Route(("POST",), r"/gradio_api/cancel", "page.use"),
    Route(("POST",), _UPLOAD, "dataset.import", 0),  # as large as the settings allow
    Route(("GET",), r"/gradio_api/upload_progress", "dataset.import"),
)


def route_of(method: str, path: str) -> Route | None:
    return next((route for route in ROUTES if route.matches(method, path)), None)


#: A name or an address, and perhaps a port. `user@host` and what else a URL may hold is no Host header.
_HOST = re.compile(r"(?P<name>[a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{0,5})?", re.ASCII)


def _host_of(request: Request) -> str:
    """The name in the Host header, without its port; empty where there is none, or more than one."""
    found = _HOST.fullmatch(",".join(request.headers.getlist("host")).lower())
    return found["name"].strip("[]") if found is not None else ""


def _cookie_key(settings: Settings) -> str:
    path = settings.folder("keys") / "cookie"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(os.urandom(32).hex().encode())
    return path.read_text("utf-8")


class Door:
    """Decides about requests; `Guarded` puts it in front of an app. `tunnel_host` is the name under which Gradio's tunnel leads
    here, if there is one.
    """

    def __init__(self, services: Services, instance: str) -> None:
        self._services = services
        self._instance = instance
        self._files = services.settings.folder("tmp", "gradio").resolve()
        self._signer = URLSafeSerializer(_cookie_key(services.settings), salt=_LOCAL)
        self.tunnel_host: str | None = None

    async def answer(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through to `app`, or refuse it; the headers go onto either answer."""
        request, path = Request(scope), scope["path"]
        lang = wanted_lang(request, self._services.settings)
        request.state.lang, request.state.tunnel_host = lang, self.tunnel_host
        try:
            is_open = await run_in_threadpool(self._services.users.is_open)
            request.state.actor = actor = await self._who(request, lang, is_open=is_open)
        except StorageError as error:  # who asks cannot be known, so nobody is let in
            words = error_text(lang, error)
            shown = plain_page("plain_message", request, lang, status=503, title=words, words="", login=False)
            _add_headers(shown.headers, path)
            await shown(scope, receive, send)
            return
        route = route_of(request.method, path)
        shut = self._wrong_way_in(request, lang, is_open=is_open)
        refusal = (
            shut
            or self._wrong_page(request, lang)
            or self._wrong_person(request, actor, route)
            or self._wrong_file(path)
            or self._wrong_size(request, route)
        )

        def add_headers(headers: MutableHeaders) -> None:
            if shut is None and actor.role in RULES["page.use"].roles and not path.startswith(LINK_PAGES):
                headers["X-Studio"] = self._instance
                if is_open and path == "/" and self.local_user(request) is None:
                    headers.append("set-cookie", self._local_cookie(actor))
            _add_headers(headers, path)

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message["headers"]))
                add_headers(headers)
                message = {**message, "headers": headers.raw}
            await send(message)

        await (refusal or app)(scope, receive, send_on)

    def _local_cookie(self, actor: Actor) -> str:
        told, token = Response(), self._signer.dumps(actor.user_id)
        told.set_cookie(_LOCAL, token, max_age=_YEAR_S, httponly=True, samesite="lax", path="/")
        return told.headers["set-cookie"]

    # 1 Who asks

    async def _who(self, request: Request, lang: Lang, *, is_open: bool) -> Actor:
        address = request.client.host if request.client else ""
        if is_open:
            return local_admin(self.local_user(request) or new_id("usr"), lang)
        token = request.cookies.get(SESSION)
        known = await run_in_threadpool(self._services.users.actor_of, token, lang, address) if token else None
        return known or stranger(lang, address)

    def local_user(self, request: Request) -> str | None:
        """Whom the signed cookie names; None without one, or with one of other makers."""
        try:
            value = self._signer.loads(request.cookies.get(_LOCAL, ""))
        except BadSignature:
            return None
        return value if isinstance(value, str) and is_id(value, "usr") else None

    def forget_local_user(self, response: Response) -> None:
        response.delete_cookie(_LOCAL, path="/")

    def let_in(self, request: Request, response: Response, token: str) -> None:
        """Give the browser its session."""
        secure = request.url.scheme == "https"
        response.set_cookie(SESSION, token, max_age=_SESSION_S, httponly=True, samesite="lax", secure=secure, path="/")

    # 2 May they

    def _wrong_way_in(self, request: Request, lang: Lang, *, is_open: bool) -> Response | None:
        """Before an admin has a password, only this computer gets an answer, and only by its own name: a page elsewhere can
        let a name of its own point here (DNS rebinding).
        """
        host, settings = _host_of(request), self._services.settings
        if not is_open:
            named = {name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip()}
            if not named or host in named or host == self.tunnel_host or is_loopback(host):
                return None
            return JSONResponse({"detail": "unknown host"}, 400)
        forwarded = any(name in _FORWARDED or name.startswith("x-forwarded") for name in request.headers)
        client = request.client.host if request.client else ""
        if is_loopback(host) and is_loopback(client) and not forwarded:
            return None
        words = text(lang, "error.door.no_admin")
        return plain_page("plain_message", request, lang, status=403, title=text(lang, "door.shut"), words=words, login=False)

    def _wrong_page(self, request: Request, lang: Lang) -> Response | None:
        """What changes something has to come from a page of this studio (CSRF). A shell sends neither header."""
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return None
        origin = request.headers.get("origin")
        site = request.headers.get("sec-fetch-site", "same-origin")
        own = request.headers.get("host", "").lower()
        theirs = own if origin is None else origin.lower().partition("://")[2]
        if site not in ("same-origin", "none") or theirs != own or (origin is not None and not own):
            return JSONResponse({"detail": text(lang, "error.door.foreign_page")}, 403)
        return None

    def _wrong_person(self, request: Request, actor: Actor, route: Route | None) -> Response | None:
        path: str = request.scope["path"]
        if self._is_through_tunnel(request) and path in _NOT_THROUGH_TUNNEL:
            route = None
        if route is not None and actor.role in RULES[route.action].roles:
            return None
        is_read = request.method == "GET" and "text/html" in request.headers.get("accept", "")
        if path.startswith(LINK_PAGES):
            return closed_page(request, actor.lang)
        if actor.role in RULES["page.use"].roles:
            if route is None:
                return JSONResponse({"detail": "not found"}, 404)
            refused = AccessError("error.access.refused", action=route.action, role=str(actor.role))
            words = error_text(actor.lang, refused)
            if is_read:
                return plain_page("plain_message", request, actor.lang, status=403, title=words, words="", login=False)
            return JSONResponse({"detail": words}, 403)
        # A stranger learns nothing, not even what there is.
        if is_read:
            wanted = f"/?{request.url.query}" if path == "/" and request.url.query else "/"
            return RedirectResponse(f"/login?next={quote(wanted, safe='')}", 303)
        return JSONResponse({"detail": "sign in"}, 401)

    def _is_through_tunnel(self, request: Request) -> bool:
        return self.tunnel_host is not None and _host_of(request) == self.tunnel_host

    def _wrong_file(self, path: str) -> Response | None:
        """Gradio's file route fetches addresses as well: an image in a model's answer would tell a stranger that it was read,
        whatever the page's policy says. And it follows links out of its folder.
        """
        _, is_file, wanted = path.partition(_FILE)
        if not is_file:
            return None
        try:
            is_ours = wanted.startswith("/") and Path(wanted).resolve().is_relative_to(self._files)
        except (OSError, ValueError):  # a name too long, a null byte
            is_ours = False
        return None if is_ours else JSONResponse({"detail": "file not allowed"}, 403)

    def _wrong_size(self, request: Request, route: Route | None) -> Response | None:
        if request.method != "POST" or route is None:
            return None
        limit = route.max_body or (self._services.settings.max_upload_mb + 1) * _MIB
        length = request.headers.get("content-length", "")
        # With both headers the length says nothing: the body is as long as its chunks are.
        if not length.isdigit() or "transfer-encoding" in request.headers:
            return JSONResponse({"detail": "length required"}, 411)
        return JSONResponse({"detail": "too large"}, 413) if int(length) > limit else None


def closed_page(request: Request, lang: Lang) -> Response:
    """Of a link that does not open, whatever the reason: mistyped, ended, withdrawn, never there."""
    words = text(lang, "error.link.closed")
    shown = {"title": text(lang, "link.closed"), "words": words, "login": False}
    response = plain_page("plain_message", request, lang, status=404, keep=(), **shown)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


class Guarded:
    """The app behind its door: `web.add_middleware(Guarded, door=door)`. Plain ASGI, so that an answer is passed on as it comes:
    what sits between (`web.middleware("http")`) has lost the body of a file when the machine was busy.
    """

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._door.answer(self._app, scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _add_headers(headers: MutableHeaders, path: str) -> None:
    headers.setdefault("Content-Security-Policy", _POLICY)
    headers.setdefault("Referrer-Policy", "no-referrer" if path.startswith(LINK_PAGES) else "same-origin")
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "DENY"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=(), payment=()"
    if not path.startswith(("/assets/", "/static/", "/svelte/", "/page/")):
        headers.setdefault("Cache-Control", "no-store")
