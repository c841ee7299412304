"""What every tab needs of the page: who asks, what the address bar says, how errors are shown, HTML from templates.

The address bar is the only channel between tabs (CONTRACTS 10): a handler that wants to move returns `link(...)` into the
shell's `go` box, and each tab reads its ids from the query string when it opens.
"""

from __future__ import annotations

import functools
import html
import inspect
import logging
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import gradio as gr
import jinja2

from studio.access import RULES, Actor, Role, check
from studio.errors import AccessError, StudioError
from studio.services import Services
from studio.text import Lang, bytes_text, device_text, duration_text, error_text, number_text, text

__all__ = [
    "ADMINS",
    "ASSETS",
    "EDITORS",
    "Page",
    "Tab",
    "actor_of",
    "address_of",
    "as_markdown",
    "ids_of",
    "link",
    "moved",
    "new_request_id",
    "render",
]

log = logging.getLogger("studio.web")

#: How long what went wrong stands on the page: long enough to be read, gone before the next try is over.
_SAID_S = 15

_TOLD_S = 6

ASSETS = Path(__file__).resolve().parent.parent / "assets"

#: Every event of a page: never part of the public API. The service it calls checks the role itself.
PRIVATE: dict[str, Any] = {"api_visibility": "private"}
#: A read under 200 ms: outside the queue, without a spinner over what it fills.
READ: dict[str, Any] = PRIVATE | {"queue": False, "show_progress": "hidden"}
#: Asked again while it reads, it reads once more afterwards, what stands there then: a tab that is opened, a field in which
#: somebody types (by default Gradio drops the second wish).
LATEST: dict[str, Any] = READ | {"trigger_mode": "always_last"}


#: Classes of what is not shown to roles below (studio.css); the events behind refuse them all the same.
EDITORS = "needs-editor"
ADMINS = "needs-admin"


@dataclass
class Page:
    """What the shell gives a tab to build with: the services, the language, the box that moves the page, and the one that
    writes the address bar for what is shown already.
    """

    services: Services
    lang: Lang
    go: gr.Textbox
    note: gr.Textbox
    opens: dict[str, gr.Button] = field(default_factory=dict)

    def t(self, key: str, **params: Any) -> str:
        return text(self.lang, key, **params)

    def error(self, error: StudioError) -> str:
        """In words, as HTML."""
        return html.escape(error_text(self.lang, error))

    def tell(self, key: str, **params: Any) -> None:
        """Say for some seconds what has happened; from a queued event."""
        gr.Info(html.escape(self.t(key, **params)), duration=_TOLD_S, title="")

    def event(self, action: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Wrap an event's handler: whoever may not do `action` (access/rules.py) is refused before it runs, and what goes
        wrong is said on the page. Any event can be called by its number, whatever the page shows, so each one has its rule;
        the services that it calls check theirs as well.
        """
        return functools.partial(_guarded, action=action, lang=self.lang)


@dataclass(frozen=True)
class Tab:
    """One line of the shell's list: the id in the address bar, and what builds it."""

    id: str
    build: Callable[[Page], None]


# --- requests ---------------------------------------------------------------------------------------------------------


def actor_of(request: gr.Request) -> Actor:
    """Who sent an event, as the door (`components/door.py`) found out. Raises AccessError when it did not pass there."""
    actor = getattr(request.request.state, "actor", None)
    if not isinstance(actor, Actor):
        raise AccessError("error.access.refused", action="page.use", role=str(Role.STRANGER))
    return actor


def ids_of(request: gr.Request) -> dict[str, str]:
    """The query string as the page has it now."""
    return {name: value for name, value in dict(request.query_params).items() if value and not name.startswith("__")}


def address_of(request: gr.Request) -> str:
    """`https://studio.example/`: where this studio answers, as others would reach it; through the tunnel if there is one."""
    asked = request.request
    tunnel = getattr(asked.state, "tunnel_host", None)
    return f"https://{tunnel}/" if tunnel else f"{asked.url.scheme}://{asked.headers['host']}/"


def link(**ids: Any) -> str:
    """A query string for the `go` box or an anchor. Names given as "" leave the address bar."""
    return "?" + urlencode({name: value for name, value in ids.items() if value is not None})


def moved(**ids: Any) -> str:
    """A link for the `go` box; the fragment makes the same link twice a change."""
    return f"{link(**ids)}#{secrets.token_hex(4)}"


def new_request_id() -> str:
    """One wish of one person: sent twice, it is still one job."""
    return secrets.token_hex(16)


# --- errors -----------------------------------------------------------------------------------------------------------


def _as_shown(error: Exception, lang: Lang) -> gr.Error:
    """A StudioError in words; anything else as an incident number whose traceback is in the log."""
    if isinstance(error, StudioError):
        return gr.Error(html.escape(error_text(lang, error)), duration=_SAID_S, print_exception=False)
    incident = secrets.token_hex(4)
    log.error("incident %s", incident, exc_info=error)
    return gr.Error(text(lang, "error.incident", incident=incident), duration=_SAID_S, print_exception=False)


def _guarded(handler: Callable[..., Any], *, action: str, lang: Lang) -> Callable[..., Any]:
    if action not in RULES:
        raise ValueError(f"no rule for {action}")
    if not any(given.annotation in ("gr.Request", gr.Request) for given in inspect.signature(handler).parameters.values()):
        raise ValueError(f"{handler.__name__} does not take the request: nobody would know who asks")

    @functools.wraps(handler)
    def run(*args: Any, **kwargs: Any) -> Any:
        request = next(value for value in (*args, *kwargs.values()) if isinstance(value, gr.Request))
        try:
            check(actor_of(request), action)
            return handler(*args, **kwargs)
        except gr.Error:
            raise
        except Exception as error:
            raise _as_shown(error, lang) from error

    run.studio_action = action  # type: ignore[attr-defined]
    return run


# --- text that people and models write ---

_CODE = re.compile(r"(```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`)", re.DOTALL)


def as_markdown(words: str) -> str:
    """What a person or a model wrote, for a component that draws Markdown: its marks hold, its HTML is text, and it loads
    nothing. Code stays as it is: Markdown shows it as text itself.
    """
    parts = _CODE.split(words)
    return "".join(part if at % 2 else html.escape(part, quote=False).replace("![", "!\\[") for at, part in enumerate(parts))


# --- HTML -------------------------------------------------------------------------------------------------------------

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(ASSETS / "html"),
    autoescape=True,  # what people and models write is text, everywhere
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


def _moment(moment: datetime | None) -> str:
    """ISO for `<time datetime>`; the page's script writes it in the reader's zone."""
    return "" if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def render(template: str, lang: Lang, /, **values: Any) -> str:
    """HTML from `assets/html/<template>.html`, everything escaped, with the catalogue and the formatters at hand."""
    return _templates.get_template(f"{template}.html").render(
        lang=lang,
        t=functools.partial(text, lang),
        error=functools.partial(error_text, lang),
        number=number_text,
        size=bytes_text,
        device=functools.partial(device_text, lang),
        duration=functools.partial(duration_text, lang),
        moment=_moment,
        link=link,
        **values,
    )
