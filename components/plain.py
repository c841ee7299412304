"""Pages that need no Gradio: login, account, and what guests see. Little, quick, and under a policy without exceptions.

They carry no inline script and no inline style, load nothing from another host, and show every text as text.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from components.page import ASSETS, render
from studio.settings import Settings
from studio.text import LANGS, Lang, lang_of

__all__ = ["FILES", "POLICY", "file_response", "form_of", "plain_page", "set_lang", "wanted_lang"]

#: Files that these pages load, by the name under /page/.
FILES = {"plain.css": ("css", "text/css"), "demo.js": ("js", "text/javascript"), "plain.js": ("js", "text/javascript")}
#: And those of the rows panel, which come with no Gradio either.
FILES |= {"data.css": ("css", "text/css")}
FILES |= {path.name: ("js/data", "text/javascript") for path in (ASSETS / "js" / "data").glob("*.js")}

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_LANG_COOKIE = "studio_lang"
_YEAR_S = 31_536_000

_FIELDS_MAX, _FIELD_MAX = 20, 1_000


def wanted_lang(connection: HTTPConnection, settings: Settings) -> Lang:
    """What the address asks for (`?lang=zh`), else the cookie, else what the browser prefers, else the setting."""
    asked = connection.query_params.get("lang")
    chosen = asked if asked in LANGS else connection.cookies.get(_LANG_COOKIE)
    return lang_of(chosen or connection.headers.get("accept-language"), settings.lang)


def set_lang(response: Response, lang: Lang) -> None:
    """Readable by the page's script, which switches it as well."""
    response.set_cookie(_LANG_COOKIE, lang, max_age=_YEAR_S, samesite="lax", path="/")


def plain_page(
    template: str,
    request: Request,
    lang: Lang,
    *,
    status: int = 200,
    keep: tuple[str, ...] = ("next", "k"),
    **values: Any,
) -> Response:
    """`assets/html/<template>.html`, which extends plain.html. `keep`: parameters that the link to the other language carries."""
    other: Lang = "zh" if lang == "en" else "en"
    kept = {name: value for name, value in request.query_params.items() if name in keep}
    response = HTMLResponse(render(template, lang, other=other, kept=kept, **values), status)
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cache-Control"] = "no-store"
    if request.query_params.get("lang") == lang:
        set_lang(response, lang)
    return response


async def form_of(request: Request) -> dict[str, str]:
    """The text fields of a form; a file in its place is nothing, and so is a form that cannot be read. The sender chooses
    the encoding, and some of them spell lone surrogates, which no page could show.
    """
    try:
        async with request.form(max_files=0, max_fields=_FIELDS_MAX) as form:
            found = {name: value[:_FIELD_MAX] for name, value in form.items() if isinstance(value, str)}
    except (HTTPException, ValueError):
        return {}
    return {name: value.encode("utf-8", "replace").decode("utf-8") for name, value in found.items()}


def file_response(name: str) -> FileResponse:
    folder, media_type = FILES[name]
    return FileResponse(ASSETS / folder / name, media_type=media_type, headers={"Cache-Control": "no-cache"})
