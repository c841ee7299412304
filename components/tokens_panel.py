"""What the model will see: a row as the tokens of one base or two, and under it any text through their tokenizers.

Address bar: `dataset`, `view=tokens`, `row`. What is chosen and typed stays on the page while people step from row to row. Which
token is which is shown by assets/js/tokens.js.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import gradio as gr

from components.form import late_choice
from components.page import ASSETS, LATEST, Page, actor_of, ids_of, render
from studio.access import Actor
from studio.data.compare import row_number
from studio.data.lens import Answer, Seen, SeenPiece, saving
from studio.errors import NotFoundError, StudioError

__all__ = ["build", "visible"]

_DEFAULT_LIMIT = 512
_LEAST_LIMIT = 16

_SCRIPT = (ASSETS / "js" / "tokens.js").read_text("utf-8")

#: What is said of kinds that no training reads.
_UNREAD = {"preference": "tokens.unread_preference", "feedback": "tokens.unread_feedback", "prompt": "tokens.unread_prompt"}


def build(page: Page) -> None:
    t = page.t
    with gr.Group(elem_id="tokens-form") as form, gr.Row(equal_height=True):
        base_a = late_choice(label=t("tokens.base_a"), info=t("tokens.base_a.help"), min_width=230, elem_id="tokens-base-a")
        base_b = late_choice(label=t("tokens.base_b"), info=t("tokens.base_b.help"), min_width=230, elem_id="tokens-base-b")
        words_of_limit = {"label": t("tokens.limit"), "info": t("tokens.limit.help")}
        limit = gr.Number(_DEFAULT_LIMIT, precision=0, min_width=230, elem_id="tokens-limit", **words_of_limit)
    row = gr.HTML(elem_id="tokens-row", js_on_load=_SCRIPT, padding=False)
    with gr.Accordion(t("tokens.lens"), open=False, elem_id="tokens-lens") as more:
        words = gr.Textbox(
            label=t("tokens.lens_text"), placeholder=t("tokens.lens_hint"), lines=3, max_lines=12, elem_id="tokens-words"
        )
        cut = gr.HTML(elem_id="tokens-cut", padding=False)
    _wire(page, [base_a, base_b, limit, words], (form, more), (row, cut))


def _wire(page: Page, given: list[Any], frames: tuple[Any, ...], shown: tuple[Any, ...]) -> None:
    base_a, base_b, limit, words = given

    @page.event("dataset.read")
    def open_panel(a: str | None, b: str | None, most: float | None, typed: str | None, request: gr.Request) -> tuple[Any, ...]:
        """What was chosen stays chosen; at first it is the first base, beside the second where there is one."""
        names = _ready(page, request)
        a = a if a in names else next(iter(names), None)
        others = [base for base in names if base != a]
        b = b if b == "" or b in others else next(iter(others), None)
        choices = [(name, base) for base, name in names.items()]
        return (
            gr.update(choices=choices, value=a),
            gr.update(choices=[*choices, (page.t("tokens.none"), "")], value=b, visible=len(names) > 1),
            *[gr.update(visible=bool(names))] * len(frames),
            _row(page, request, names, (a, b), most),
            _lens(page, request, names, (a, b), typed),
        )

    @page.event("dataset.read")
    def look(a: str | None, b: str | None, most: float | None, typed: str | None, request: gr.Request) -> tuple[str, str]:
        names = _ready(page, request)
        return _row(page, request, names, (a, b), most), _lens(page, request, names, (a, b), typed)

    @page.event("dataset.read")
    def look_through(a: str | None, b: str | None, most: float | None, typed: str | None, request: gr.Request) -> str:
        return _lens(page, request, _ready(page, request), (a, b), typed)

    page.opens["data-tokens"].click(open_panel, given, [base_a, base_b, *frames, *shown], **LATEST)
    for widget in (base_a, base_b, limit):
        widget.input(look, given, list(shown), **LATEST)
    # Gradio tells `input` of keys alone: not of what is pasted, nor of Chinese, which an input method writes.
    words.change(look_through, given, shown[1], **LATEST)


def _ready(page: Page, request: gr.Request) -> dict[str, str]:
    """The names of the bases that are here, by id."""
    return {base.id: base.name for base in page.services.models.ready(actor_of(request))}


def _chosen(names: dict[str, str], chosen: tuple[str | None, ...]) -> list[str]:
    """Those of the chosen bases that are here, each once."""
    return [base for base in dict.fromkeys(chosen) if base is not None and base in names]


# --- a row ------------------------------------------------------------------------------------------------------------


def _row(page: Page, request: gr.Request, names: dict[str, str], chosen: tuple[str | None, ...], most: float | None) -> str:
    actor, ids = actor_of(request), ids_of(request)
    shown: dict[str, Any] = {"dataset": ids.get("dataset", ""), "n_bases": len(names), "place": None, "problem": None}
    try:
        row_id = _row_id(page, actor, ids)
        if row_id is not None and names:
            place = page.services.lens.place(actor, shown["dataset"], row_id)
            shown |= {"place": place, "no": row_number(place.row.position)}
    except NotFoundError as error:  # a link to what has gone
        shown |= {"problem": error}
    if shown["place"] is None:
        return render("tokens_row", page.lang, **shown)
    limit = max(_LEAST_LIMIT, int(most or _DEFAULT_LIMIT))
    views = [
        {"name": names[base]} | _view(page, actor, shown["dataset"], shown["place"].row.id, base, limit)
        for base in _chosen(names, chosen)
    ]
    difference = _difference(page, [view["seen"].n_tokens for view in views if view["seen"] is not None])
    return render("tokens_row", page.lang, **shown, views=views, difference=difference)


def _row_id(page: Page, actor: Actor, ids: dict[str, str]) -> int | None:
    """The row in the address, else the dataset's first one."""
    if not ids.get("row"):
        return page.services.lens.first_row(actor, ids.get("dataset", "")) if ids.get("dataset") else None
    if not re.fullmatch(r"[0-9]{1,18}", ids["row"]):
        raise NotFoundError("error.data.unknown_row", row=ids["row"])
    return int(ids["row"])


def _view(page: Page, actor: Actor, dataset: str, row_id: int, base: str, limit: int) -> dict[str, Any]:
    try:
        seen = page.services.lens.row(actor, dataset, row_id, base, limit)
    except StudioError as error:  # of this row under this base: the other one may take it
        return {"seen": None, "problem": _in_words(page, error)}
    return {
        "seen": seen,
        "turns": list(_turns(page, seen.pieces)),
        "shares": [(page.t(_role_key(role)), role, share) for role, share in seen.shares.items()],
        "well": _well(page, seen),
        "ends": sorted({answer.end for answer in seen.answers if answer.end}),
        "faults": _faults(page, seen),
        "unread": page.t(_UNREAD[seen.kind]) if seen.kind in _UNREAD else None,
    }


def _in_words(page: Page, error: StudioError) -> dict[str, Any]:
    """The kind of a row by the name that people know."""
    told = error.as_dict()
    kind = told["params"].get("kind")
    return told if kind is None else told | {"params": {"kind": page.t(f"rows.kind_{kind}")}}


def _role_key(role: str) -> str:
    return {"template": "tokens.template", "text": "rows.part_text"}.get(role, f"role.{role}")


def _turns(page: Page, shown: Sequence[SeenPiece]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Pieces of one role in a row, and its name. The first piece behind the limit is marked `edge`."""
    was_beyond = False
    for role, group in groupby(shown, key=lambda piece: piece.role):
        turn = []
        for piece in group:
            turn.append(_drawn(piece) | {"edge": piece.is_beyond and not was_beyond})
            was_beyond = piece.is_beyond
        yield page.t(_role_key(role)), turn


def _drawn(piece: SeenPiece) -> dict[str, Any]:
    marks = {"y": piece.is_trained, "s": piece.is_special, "x": piece.is_beyond}
    names = " ".join(name for name, is_so in marks.items() if is_so)
    return {"parts": list(visible(piece.text)), "ids": " ".join(map(str, piece.ids)), "marks": names}


_INVISIBLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_SIGNS = {" ": "·", "\n": "↵\n", "\t": "→", "\r": "␍", "\u3000": "□"}


def visible(text: str) -> Iterator[tuple[bool, str]]:
    """The text in parts, each with whether it is a sign for what nobody could see: `·` is a space, `↵` a line break, `U+200B` a
    character without any shape.
    """
    at = 0
    for found in _INVISIBLE.finditer(text):
        if found.start() > at:
            yield False, text[at : found.start()]
        yield True, _SIGNS.get(found.group(), f"U+{ord(found.group()):04X}")
        at = found.end()
    if at < len(text):
        yield False, text[at:]


def _well(page: Page, seen: Seen) -> str | None:
    if not seen.ends_well:
        return None
    if seen.kind == "text":
        return page.t("tokens.ends_text")
    return page.t("tokens.ends_one") if len(seen.answers) == 1 else page.t("tokens.ends_all", n=len(seen.answers))


def _faults(page: Page, seen: Seen) -> list[str]:
    """What is wrong with the row under this base, in words."""
    told = []
    if seen.is_cut and seen.is_read:
        behind = " · ".join(f"{page.t(_role_key(role))} {share.beyond}" for role, share in seen.shares.items() if share.beyond)
        told.append(page.t("tokens.fault_cut", n=seen.n_tokens - seen.limit, what=behind))
        if any(answer.is_cut for answer in seen.answers):
            told.append(page.t("tokens.fault_answer_cut"))
    if seen.is_read and seen.n_targets == 0:
        told.append(page.t("tokens.fault_nothing"))
    told += _answer_faults(page, seen.answers)
    if seen.control:
        told.append(page.t("tokens.fault_control", tokens=" ".join(seen.control)))
    return told


def _answer_faults(page: Page, answers: Sequence[Answer]) -> list[str]:
    told = []
    untrained = sum(not answer.is_trained for answer in answers)
    endless = sum(answer.is_trained and not answer.end for answer in answers)
    if untrained:
        told.append(page.t("tokens.fault_untrained", n=untrained, all=len(answers)))
    if endless:
        told.append(page.t("tokens.fault_no_end", n=endless, all=len(answers)))
    others = sorted({answer.end for answer in answers if answer.end and not answer.stops})
    return told + [page.t("tokens.fault_other_end", token=end) for end in others]


def _difference(page: Page, counts: list[int]) -> str | None:
    """How the second number of tokens differs from the first, in words."""
    if len(counts) < 2 or not counts[0]:
        return None
    here, there = counts
    share = f"{abs(saving(here, there)):.0%}".rstrip("%")
    if here == there:
        return page.t("tokens.same")
    if share == "0":
        return page.t("tokens.hardly_fewer" if there < here else "tokens.hardly_more", n=abs(here - there))
    return page.t("tokens.fewer" if there < here else "tokens.more", share=share)


# --- a text -----------------------------------------------------------------------------------------------------------


def _lens(page: Page, request: gr.Request, names: dict[str, str], chosen: tuple[str | None, ...], typed: str | None) -> str:
    bases = _chosen(names, chosen)
    if not typed or not bases:
        return ""
    try:
        seen = {base: page.services.lens.text(actor_of(request), typed, base) for base in bases}
    except StudioError as error:  # said where it is typed, and not in a toast for every key
        return render("tokens_lens", page.lang, problem=error, views=[], difference=None)
    views = [{"name": names[base], "lens": lens, "pieces": list(map(_drawn, lens.pieces))} for base, lens in seen.items()]
    difference = _difference(page, [lens.n_tokens for lens in seen.values()])
    return render("tokens_lens", page.lang, problem=None, views=views, difference=difference)
