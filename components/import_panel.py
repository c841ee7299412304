"""Files before their import: what each is and why the studio thinks so, what its rows will become, and what it has to ask.

Address bar: `draft`, and `file` for the place of the chosen one. What people decide stands in the draft, not in the page.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from components.form import late_choice
from components.page import LATEST, PRIVATE, READ, Page, actor_of, ids_of, moved, new_request_id, render
from studio.access import Actor
from studio.data.drafts import Draft, DraftFile, Look
from studio.data.formats import TARGETS
from studio.data.rows import SPLITS

__all__ = ["build", "forget"]

#: Files that are looked into for the list; the others are when they are chosen, and when they are imported.
_LOOKED_AT = 12

#: The most parts that a target has: so many drop-downs stand ready.
_PARTS = max(len(parts) for parts in TARGETS.values())

_ENCODINGS = ("utf-8", "gb18030", "big5", "shift_jis", "euc-kr", "utf-16", "windows-1252", "windows-1251")
_DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}

#: Seconds between looks while files are fetched.
_TICK_S = 2

#: What leaves the address bar when a draft does.
forget = {"draft": "", "file": ""}


def build(page: Page) -> None:
    t = page.t
    look = gr.HTML(elem_id="draft-look", padding=False)
    with gr.Group(visible=False, elem_id="draft-mapping") as mapping:
        target = gr.Dropdown(
            [(t(f"data.target.{name}"), name) for name in TARGETS], label=t("draft.target"), info=t("draft.target.help"),
            elem_id="draft-target",
        )
        with gr.Row():
            columns = [late_choice(visible=False, elem_id=f"draft-part-{at}", min_width=200) for at in range(_PARTS)]
    with gr.Accordion(t("draft.options"), open=False, visible=False, elem_id="draft-options") as options, gr.Row():
        encoding = gr.Dropdown([(t("draft.auto"), ""), *_ENCODINGS], label=t("draft.encoding"), elem_id="draft-encoding")
        delimiters = [(t("draft.auto"), ""), *((t(f"draft.delimiter.{name}"), sign) for sign, name in _DELIMITERS.items())]
        delimiter = gr.Dropdown(delimiters, label=t("draft.delimiter"), elem_id="draft-delimiter")
        headers = [(t("draft.auto"), ""), (t("draft.header.yes"), "yes"), (t("draft.header.no"), "no")]
        header = gr.Dropdown(headers, label=t("draft.header"), elem_id="draft-header")
        sheet = late_choice(label=t("draft.sheet"), visible=False, elem_id="draft-sheet")
        splits = [(t("draft.split.file"), ""), *((t(f"split.{name}"), name) for name in SPLITS)]
        split = gr.Dropdown(splits, label=t("draft.split"), elem_id="draft-split")
    seen = gr.HTML(elem_id="draft-rows", padding=False)
    with gr.Group(visible=False, elem_id="draft-form") as form:
        chosen = gr.CheckboxGroup([], label=t("draft.chosen"), visible=False, elem_id="draft-chosen")
        chosen.preprocess = lambda value: value  # type: ignore[method-assign]  # as `late_choice`
        with gr.Row():
            name = gr.Textbox(label=t("data.import.name"), elem_id="data-name", max_lines=1)
            validation = gr.Slider(0, 40, 10, step=1, label=t("data.import.validation"), elem_id="data-validation")
            test = gr.Slider(0, 40, 10, step=1, label=t("data.import.test"), elem_id="data-test")
        drafts = gr.Checkbox(False, label=t("draft.drafts"), info=t("draft.drafts.help"), elem_id="data-drafts")
        apart = gr.Radio(
            [(t("draft.together"), "together"), (t("draft.apart"), "apart")], value="together", label=t("draft.into"),
            visible=False, elem_id="draft-apart",
        )
        with gr.Row(equal_height=True):
            cancel = gr.Button(t("data.import.cancel"), elem_id="data-cancel")
            fetch = gr.Button(t("draft.fetch"), variant="primary", visible=False, elem_id="draft-fetch")
            confirm = gr.Button(t("data.import.confirm"), variant="primary", elem_id="data-import")
        request_id = gr.Textbox(visible=False)
        named_for = gr.Textbox(visible=False)  # the draft that the name was proposed for
    timer = gr.Timer(_TICK_S, active=False)
    reading = (encoding, delimiter, header, sheet, split)
    asked = [look, mapping, target, *columns, options, *reading]
    parts = [*asked, seen, form, chosen, name, apart, fetch, confirm, request_id, named_for, timer]
    said = (chosen, name, apart, validation, test, drafts, cancel, fetch, confirm, request_id, named_for)
    _wire(page, parts, (target, columns), reading, said)


def _wire(page: Page, parts: list[Any], mapping: tuple[Any, ...], reading: tuple[Any, ...], form: tuple[Any, ...]) -> None:
    services = page.services
    target, columns = mapping
    chosen, name, apart, validation, test, drafts, cancel, fetch, confirm, request_id, named_for = form
    timer = parts[-1]

    @page.event("dataset.look")
    def open_draft(named: str | None, request: gr.Request) -> tuple[Any, ...]:
        return _shown(page, request, fresh=named != ids_of(request).get("draft"))

    @page.event("dataset.look")
    def map_columns(request: gr.Request, wanted: str, *values: str | None) -> tuple[Any, ...]:
        kept = {part.name: value or None for part, value in zip(TARGETS[wanted], values, strict=False)}
        _change(page, request, mapping={"as": wanted} | kept)
        return _shown(page, request)

    @page.event("dataset.look")
    def read_so(
        encoding: str, delimiter: str, header: str, sheet: str | None, split: str, request: gr.Request
    ) -> tuple[Any, ...]:
        said = {"encoding": encoding, "delimiter": delimiter, "sheet": sheet}
        options = {name: value for name, value in said.items() if value}
        options |= {"header": header == "yes"} if header else {}
        _change(page, request, options=options or None, split=split or None)
        return _shown(page, request)

    @page.event("dataset.look")
    def choose(wanted: list[str], request: gr.Request) -> tuple[Any, ...]:
        draft = services.drafts.get(actor_of(request), ids_of(request).get("draft", ""))
        for at, file in enumerate(draft.files):
            if file.chosen != (str(at) in wanted):
                services.drafts.change(actor_of(request), draft.id, at, chosen=str(at) in wanted)
        return _shown(page, request)

    @page.event("dataset.import")
    def take(
        wanted: str, apart: str, validation: float, test: float, drafts: bool, wish: str, request: gr.Request
    ) -> str:
        actor = actor_of(request)
        made = services.drafts.import_chosen(
            actor,
            ids_of(request).get("draft", ""),
            name=wanted,
            apart=apart == "apart",
            validation_share=validation / 100,
            test_share=test / 100,
            drafts=drafts,
            request_id=wish,
        )
        for dataset in (one.dataset_id for one in made if one.dataset_id is not None):
            info = services.data.get(actor, dataset)
            page.tell("data.imported", n=info.n_rows, name=info.name)
        return moved(tab="data", dataset=made[-1].dataset_id or "", **forget)

    @page.event("dataset.look")
    def bring(wish: str, request: gr.Request) -> tuple[Any, ...]:
        services.hub_data.bring(actor_of(request), ids_of(request).get("draft", ""), request_id=f"bring-{wish}")
        return _shown(page, request)

    @page.event("dataset.look")
    def tick(request: gr.Request) -> tuple[Any, ...]:
        return _shown(page, request) if "draft" in ids_of(request) else (*[gr.skip()] * (len(parts) - 1), gr.Timer(active=False))

    @page.event("dataset.read")
    def back(request: gr.Request) -> str:
        return moved(tab="data", **forget)

    page.opens["data-bring"].click(open_draft, named_for, parts, **LATEST)
    for column in (target, *columns):
        column.input(map_columns, [target, *columns], parts, **LATEST)
    for option in reading:
        option.input(read_so, list(reading), parts, **LATEST)
    chosen.input(choose, chosen, parts, **LATEST)
    cancel.click(back, None, page.go, **READ)
    fetch.click(bring, request_id, parts, **READ)
    timer.tick(tick, None, parts, **READ)
    confirm.click(take, [name, apart, validation, test, drafts, request_id], page.go, **PRIVATE)


# --- the chosen file --------------------------------------------------------------------------------------------------


def _change(page: Page, request: gr.Request, **changes: Any) -> None:
    ids = ids_of(request)
    page.services.drafts.change(actor_of(request), ids.get("draft", ""), _place(ids), **changes)


def _place(ids: dict[str, str]) -> int:
    return int(ids["file"]) if ids.get("file", "").isdigit() else 0


def _shown(page: Page, request: gr.Request, *, fresh: bool = False) -> tuple[Any, ...]:
    """Everything that the panel shows, in the order of `parts` in `build`."""
    actor, ids, t = actor_of(request), ids_of(request), page.t
    draft = page.services.drafts.get(actor, ids.get("draft", ""))
    at = min(_place(ids), len(draft.files) - 1)
    first = _look(page, actor, draft.files[at].model_copy(update={"mapping": None}))
    file = page.services.drafts.proposed(actor, draft.files[at])
    now = _look(page, actor, file)
    job = next((job for job in page.services.jobs.active(actor) if job.kind == "bring" and job.spec["draft"] == draft.id), None)
    is_away = any(file.is_away and file.chosen for file in draft.files)
    looks = _looks(page, actor, draft, at)
    n_good = sum(look.found.n_good for look in looks.values() if look.found is not None)
    choices = [(file.name, str(place)) for place, file in enumerate(draft.files)]
    taken = [str(place) for place, file in enumerate(draft.files) if file.chosen]
    head = render("draft", page.lang, draft=draft, at=at, looks=looks, first=first, now=now, file=file, job=job)
    rows = render("draft_rows", page.lang, found=now.found, split=draft.files[at].split)
    more = any(look.found is not None and look.found.truncated for look in looks.values()) or len(taken) > len(looks)
    asking = sum(look.found is not None and not look.found.shape for look in looks.values())
    label = t("data.import.confirm_more" if more else "data.import.confirm_n", n=n_good)
    if asking:
        label = t("draft.confirm.asks", n=asking)
    return (
        head,
        *_mapping_form(page, first, file),
        *_reading_form(file, first),
        rows,
        gr.update(visible=True),
        gr.update(choices=choices, value=taken, visible=len(choices) > 1),
        gr.update(value=page.services.drafts.free_name(actor, draft)) if fresh else gr.skip(),
        gr.update(visible=len(taken) > 1),
        gr.update(visible=is_away and job is None),
        gr.update(value=label, interactive=n_good > 0 and not asking, visible=not is_away),
        new_request_id() if fresh else gr.skip(),
        draft.id,
        gr.Timer(active=job is not None),
    )


def _looks(page: Page, actor: Actor, draft: Draft, at: int) -> dict[int, Look]:
    """What the first files are, and the chosen one; only of those that will be imported."""
    places = [place for place, file in enumerate(draft.files) if file.chosen][:_LOOKED_AT]
    places += [at] if at not in places and draft.files[at].chosen else []
    return {place: _look(page, actor, page.services.drafts.proposed(actor, draft.files[place])) for place in places}


def _look(page: Page, actor: Actor, file: DraftFile) -> Look:
    """What the file is; nothing while it is on the hub."""
    return Look() if file.is_away else page.services.drafts.look(actor, file)


def _mapping_form(page: Page, first: Look, file: DraftFile) -> tuple[Any, ...]:
    """Open where the studio asks, or where somebody has answered."""
    found = first.found
    if found is None or found.detection is None or (found.detection.is_sure and file.mapping is None):
        return gr.update(visible=False), gr.skip(), *[gr.skip()] * _PARTS
    wanted = (file.mapping or {}).get("as") or "chat"
    parts = TARGETS[wanted]
    choices = [("\N{EM DASH}", ""), *((column, column) for column in found.columns)]
    boxes = [
        gr.update(
            choices=choices,
            value=(file.mapping or {}).get(part.name) or "",
            label=page.t(f"data.part.{part.name}") + ("" if part.required else f" ({page.t('draft.optional')})"),
            visible=True,
        )
        for part in parts
    ]
    return gr.update(visible=True), wanted, *boxes, *[gr.update(visible=False)] * (_PARTS - len(parts))


def _reading_form(file: DraftFile, first: Look) -> tuple[Any, ...]:
    """How the file is read: what was decided, or what the studio took."""
    said = file.options or {}
    form = first.found.file_format if first.found is not None else ""
    sheets = first.found.sheets if first.found is not None else ()
    is_table, is_text = form == "csv", form in ("csv", "json", "jsonl", "text", "markdown", "html") or first.found is None
    header = {None: "", True: "yes", False: "no"}[said.get("header")]
    return (
        gr.update(visible=not file.is_away),
        gr.update(value=said.get("encoding", ""), visible=is_text),
        gr.update(value=said.get("delimiter", ""), visible=is_table),
        gr.update(value=header, visible=is_table or bool(sheets)),
        gr.update(choices=list(sheets), value=said.get("sheet"), visible=len(sheets) > 1),
        gr.update(value=file.split or "", visible=True),
    )
