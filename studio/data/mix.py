"""Mixes: a new dataset from several, each with a weight, and some general rows against forgetting. Start at `MixService`.

    parts ─► 1 rows that count (no locked question, nothing twice) ─► 2 taken by weight ─► 3 replay ─► 4 shuffled, written

Weights are about rows that are not held out. Validation and test rows are taken once each and keep their split.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import random
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from studio.access import Actor, allows
from studio.data import store
from studio.data.importer import read_rows
from studio.data.jobs import shortened
from studio.data.light_rows import light_rows
from studio.data.locks import locked_digests
from studio.data.making import Once, held, made_before, sweep
from studio.data.refusal import is_locked
from studio.data.render import Template, render
from studio.data.review import are_drafts
from studio.data.revisions import revision_of
from studio.data.rows import MAX_LABEL, NewRow, content_hash, prompt_hash, search_text
from studio.data.service import Imported
from studio.data.store import StoredRow
from studio.data.tables import rows
from studio.data.templates import template_of
from studio.db import Database
from studio.errors import DataError, StudioError
from studio.ids import new_id
from studio.jobs.context import JobContext
from studio.jobs.queue import insert_job
from studio.jobs.spec import Spec, checked
from studio.settings import ROOT, Settings

__all__ = ["REPLAY", "MixPart", "MixPreview", "MixService", "MixShare", "MixSpec", "run_mix"]

#: The id of the general rows where parts are told apart.
REPLAY = "replay"
GENERAL_FILE = ROOT / "assets" / "sample" / "general.jsonl"

#: How often the general rows are taken at most: more would be learnt by heart.
MAX_REPLAY = 4

#: Rows of a part that are rendered to say how long its rows are.
SAMPLED_ROWS = 500

#: Mixes of up to so many rows are made in the request's thread; larger ones by a job (CONTRACTS 4).
SMALL_ROWS = 10_000

_FETCHED = 500
_IS_HELD_OUT = sa.func.coalesce(rows.c.split, "none").in_(("validation", "test"))


class MixPart(BaseModel):
    """`weight` is how often each row is taken that is not held out: 1 once, 0.25 a quarter of them, 2 each twice. Without
    `revision` it is the newest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    weight: float = Field(1.0, gt=0, le=20)
    revision: int | None = None


class MixSpec(Spec):
    """`replay_share` is the share of tokens that general rows shall have among the rows that are not held out; tokens are those
    of the `base`, and characters without one.
    """

    kind: str = "mix"
    dataset_name: str
    note: str = ""
    parts: list[MixPart] = Field(min_length=1)
    replay_share: float = Field(0.0, ge=0, le=0.5)
    base: str | None = None
    seed: int = Field(42, ge=0, lt=2**63)


@dataclass(frozen=True)
class MixShare:
    """What one part gives, `dataset_id` "replay" for the general rows.

    Rows and tokens are of what is not held out; shares are of all parts together, in [0, 1]. `tokens` is the mean of `n_sampled`
    rows, times the rows taken. Left out are `duplicates` (the same content stands in another part) and `locked` (the question is
    in a locked test set).
    """

    dataset_id: str
    name: str
    rows_available: int
    rows_taken: int
    share_rows: float
    tokens: int
    share_tokens: float
    n_sampled: int
    held_out: int
    duplicates: int
    locked: int


@dataclass(frozen=True)
class MixPreview:
    """`unit` is "tokens", or "characters" where no base was chosen. `warnings` are {key, params} as the catalogue knows them."""

    parts: list[MixShare]
    unit: str
    n_rows: int
    warnings: list[dict[str, Any]] = field(default_factory=list)


class MixService:
    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings
        self._once = Once()

    @allows("dataset.read")
    def preview(self, actor: Actor, spec: MixSpec, base_id: str | None = None) -> MixPreview:
        """What `make` would give; `base_id` goes before the spec's own base."""
        base = base_id or spec.base
        return _preview(_plan(self._db, self._settings, spec.model_copy(update={"base": base})), spec)

    @allows("dataset.import")
    def make(self, actor: Actor, spec: MixSpec, *, request_id: str | None = None) -> Imported:
        """A new dataset: at once when it is small, as a job otherwise. The parts are taken as they are now."""
        sweep(self._db, self._settings)  # a killed one may hold the name
        infos = [store.dataset_info(self._db, part.dataset) for part in spec.parts]
        newest = [
            part.model_copy(update={"revision": part.revision or info.revision})
            for part, info in zip(spec.parts, infos, strict=True)
        ]
        spec = spec.model_copy(update={"parts": newest})
        n_rows = sum(info.n_rows * max(1.0, part.weight) for part, info in zip(spec.parts, infos, strict=True))
        if n_rows <= SMALL_ROWS:
            make = functools.partial(make_mix, self._db, self._settings, spec, actor.user_id)
            return Imported(dataset_id=self._once(request_id, make))
        with self._db.write() as connection:
            store.check_name(connection, spec.dataset_name)
            job_id = insert_job(
                connection, spec=spec.as_dict(), name=spec.dataset_name, author=actor.user_id, request_id=request_id
            )
        return Imported(job_id=job_id)


def run_mix(context: JobContext) -> dict[str, Any]:
    """The job `mix`, for mixes too large for a request's thread. A later attempt goes on with nothing half."""
    spec = checked(MixSpec, context.spec)
    if (earlier := made_before(context)) is not None:
        return {"dataset_id": earlier}
    context.phase("mixing")

    def on_row(n_rows: int, total: int) -> None:
        context.check_stop()
        if n_rows % 1_000 == 0:
            context.progress(n_rows, total, "rows")

    made = make_mix(context.db, context.settings, spec, context.author, job_id=context.job_id, on_row=on_row)
    return {"dataset_id": made}


def make_mix(
    db: Database,
    settings: Settings,
    spec: MixSpec,
    author: str,
    *,
    job_id: str | None = None,
    on_row: Callable[[int, int], None] = lambda n_rows, total: None,
) -> str:
    """Write the mix as revision 1 of a new dataset and return its id. `on_row` hears how many rows of how many are written.

    Raises DataError, and leaves no dataset behind, where no row is left to take. What a killed one left, `sweep` takes back.
    """
    plan = _plan(db, settings, spec)
    if not plan.n_rows:
        raise DataError("error.data.mix_empty", field="parts")
    preview = _preview(plan, spec)
    dataset_id = new_id("ds")
    with held(settings, dataset_id):
        with db.write() as connection:
            store.create_dataset(connection, spec.dataset_name, author, spec.note, dataset_id=dataset_id, job_id=job_id)
            summary = {"key": "data.revision.mix", "params": {"names": shortened(_names(plan))}}
            store.open_first_revision(connection, dataset_id, author, summary)
        try:
            totals = store.write_rows(db, dataset_id, _told(_new_rows(db, plan, spec.seed), plan.n_rows, on_row), author)
            store.commit_first_revision(db, dataset_id, totals, _report(spec, plan, preview, totals.counts.total()))
        except BaseException:
            store.discard_dataset(db, dataset_id)
            raise
    return dataset_id


# --- the plan ---------------------------------------------------------------------------------------------------------


@dataclass
class _Part:
    """A dataset and the rows that it gives, by id; `taken` has a row as often as it is taken."""

    id: str
    name: str
    revision: int
    weight: float
    usable: array[int] = field(default_factory=lambda: array("q"))
    taken: array[int] = field(default_factory=lambda: array("q"))
    held_out: array[int] = field(default_factory=lambda: array("q"))
    n_duplicates: int = 0
    n_locked: int = 0
    n_sampled: int = 0
    tokens: int = 0


@dataclass
class _Plan:
    """`general` are the rows of replay; there `usable` and `taken` of its part are their indices."""

    parts: list[_Part]
    replay: _Part | None
    general: list[NewRow]
    unit: str
    n_also_held_out: int
    replay_reached: float

    @property
    def all_parts(self) -> list[_Part]:
        return self.parts if self.replay is None else [*self.parts, self.replay]

    @property
    def n_rows(self) -> int:
        return sum(len(part.taken) + len(part.held_out) for part in self.all_parts)


def _plan(db: Database, settings: Settings, spec: MixSpec) -> _Plan:
    """Raises DataError for a dataset that is named twice, NotFoundError for one that is not there."""
    if len({part.dataset for part in spec.parts}) < len(spec.parts):
        raise DataError("error.data.mix_twice", field="parts")
    parts = [_part(db, wanted) for wanted in spec.parts]
    locked = locked_digests(db)
    seen: dict[int, int] = {}
    held_prompts: set[str] = set()
    n_also_held_out = 0
    for split_is_held in (True, False):  # what one part holds out, another one must not train on
        for number, part in enumerate(parts):
            which = _IS_HELD_OUT if split_is_held else sa.and_(~_IS_HELD_OUT, ~are_drafts())
            for row in light_rows(db, part.id, part.revision, "content_hash", "prompt_hash", "split", where=which):
                if is_locked(row.split, row.prompt_hash, locked):
                    part.n_locked += 1
                elif _is_elsewhere(seen, row.content_hash, number):
                    part.n_duplicates += 1
                elif split_is_held:
                    part.held_out.append(row.id)
                    held_prompts.add(row.prompt_hash)
                else:
                    part.usable.append(row.id)
                    n_also_held_out += row.prompt_hash in held_prompts
    size_of = _size_of(settings, spec.base)
    for number, part in enumerate(parts):
        chance = random.Random(f"{spec.seed}:{number}")
        part.taken = _weighted(part.usable, part.weight, chance)
        part.n_sampled, part.tokens = _measured(db, part, size_of, chance)
    plan = _Plan(parts, None, [], "characters" if spec.base is None else "tokens", n_also_held_out, 0.0)
    if spec.replay_share:
        _add_replay(plan, spec, size_of, locked, seen)
    return plan


def _part(db: Database, wanted: MixPart) -> _Part:
    info = store.dataset_info(db, wanted.dataset)
    if wanted.revision is None:
        return _Part(info.id, info.name, info.revision, wanted.weight)
    return _Part(info.id, info.name, revision_of(db, info.id, wanted.revision).number, wanted.weight)


def _is_elsewhere(seen: dict[int, int], hash_: str, number: int) -> bool:
    """Whether a part before this one has the same content. 64 bits of the hash keep a million of them small; that two of a
    million contents share them has a chance of 1 in 10^7.
    """
    return seen.setdefault(int(hash_[:16], 16), number) != number


def _weighted(usable: Sequence[int], weight: float, chance: random.Random) -> array[int]:
    """Every item as often as the weight's whole part says, and a share of them, drawn, once more."""
    times, rest = divmod(weight, 1)
    n_more = round(rest * len(usable))
    if weight < 1 and usable:
        n_more = max(1, n_more)
    taken = array("q", usable) * int(times)
    taken.extend(chance.sample(usable, n_more))
    return taken


def _size_of(settings: Settings, base: str | None) -> Callable[[str, dict[str, Any]], int]:
    """How long a row is: in tokens as a training renders it, else in tokens of its words; in characters without a base."""
    if base is None:
        return lambda kind, content: len(search_text(kind, content))
    template = template_of(settings, base)
    return lambda kind, content: _n_tokens(kind, content, template)


def _n_tokens(kind: str, content: dict[str, Any], template: Template) -> int:
    try:
        return len(render(kind, content, template).ids)
    except StudioError:
        return len(template.tokenizer.encode(search_text(kind, content)).ids)


def _measured(
    db: Database, part: _Part, size_of: Callable[[str, dict[str, Any]], int], chance: random.Random
) -> tuple[int, int]:
    """How many rows were measured, and the tokens of all that are taken, by their mean."""
    ids = chance.sample(part.usable, min(SAMPLED_ROWS, len(part.usable)))
    sizes = [size_of(row.kind, row.content) for row in _fetched(db, ids).values()]
    return len(sizes), round(sum(sizes) / len(sizes) * len(part.taken)) if sizes else 0


def _add_replay(
    plan: _Plan,
    spec: MixSpec,
    size_of: Callable[[str, dict[str, Any]], int],
    locked: frozenset[bytes],
    seen: dict[int, int],
) -> None:
    """General rows until they have the share s of all tokens: s / (1 − s) times those of the parts, at most `MAX_REPLAY` times
    each.
    """
    part = _Part(REPLAY, REPLAY, 0, 0.0)
    for row in read_rows(GENERAL_FILE, GENERAL_FILE.name):
        if not isinstance(row, NewRow):
            continue
        if is_locked("train", prompt_hash(row.kind, row.content), locked):
            part.n_locked += 1
        elif _is_elsewhere(seen, content_hash(row.content), len(plan.parts)):
            part.n_duplicates += 1
        else:
            part.usable.append(len(plan.general))
            plan.general.append(row)
    sizes = [size_of(row.kind, row.content) for row in plan.general]
    of_parts = sum(other.tokens for other in plan.parts)
    wanted = of_parts * spec.replay_share / (1 - spec.replay_share)
    if sizes and wanted:
        part.weight = min(float(MAX_REPLAY), wanted / sum(sizes))
        part.taken = _weighted(part.usable, part.weight, random.Random(f"{spec.seed}:{REPLAY}"))
    part.n_sampled, part.tokens = len(sizes), sum(sizes[index] for index in part.taken)
    plan.replay = part
    plan.replay_reached = part.tokens / (of_parts + part.tokens) if part.tokens else 0.0


# --- rows -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Copied(StoredRow):
    dataset_id: str


_COLUMNS = [rows.c[name] for name in _Copied.__dataclass_fields__]


def _fetched(db: Database, ids: Iterable[int]) -> dict[int, _Copied]:
    """Rows by id; a few hundred a query."""
    found: dict[int, _Copied] = {}
    for some in _chunks(ids):
        with db.read() as connection:
            for row in connection.execute(sa.select(*_COLUMNS).where(rows.c.id.in_(set(some)))).mappings():
                found[row["id"]] = _Copied(**row)
    return found


def _chunks(ids: Iterable[int]) -> Iterator[list[int]]:
    rest = iter(ids)
    while some := list(itertools.islice(rest, _FETCHED)):
        yield some


def _new_rows(db: Database, plan: _Plan, seed: int) -> Iterator[NewRow]:
    """What is not held out in an order that the seed draws, then the held-out rows, part by part. General rows go by the numbers
    below 0.
    """
    order = array("q", itertools.chain.from_iterable(part.taken for part in plan.parts))
    if plan.replay is not None:
        order.extend(-1 - index for index in plan.replay.taken)
    random.Random(f"{seed}:order").shuffle(order)
    revisions = {part.id: part.revision for part in plan.parts}
    for some in _chunks(itertools.chain(order, *(part.held_out for part in plan.parts))):
        found = _fetched(db, (number for number in some if number >= 0))
        for number in some:
            if number < 0:
                yield dataclasses.replace(plan.general[-1 - number], split="train")
            elif number in found:  # else it was purged a moment ago
                yield _copy(found[number], revisions)


def _copy(row: _Copied, revisions: dict[str, int]) -> NewRow:
    """The row as its part has it, and where it comes from; its group stays apart from those of other parts."""
    origin = (row.origin or {}) | {"dataset": row.dataset_id, "revision": revisions[row.dataset_id]}
    return dataclasses.replace(row.as_new(), origin=origin, group_key=_apart(row.dataset_id, row.group_key))


def _apart(dataset_id: str, group_key: str | None) -> str | None:
    if group_key is None:
        return None
    whole = f"{dataset_id}:{group_key}"
    return whole if len(whole) <= MAX_LABEL else f"{dataset_id}:{hashlib.sha256(group_key.encode()).hexdigest()}"


def _told(new: Iterator[NewRow], total: int, on_row: Callable[[int, int], None]) -> Iterator[NewRow]:
    for number, row in enumerate(new, start=1):
        on_row(number, total)
        yield row


# --- what is said about it --------------------------------------------------------------------------------------------


def _preview(plan: _Plan, spec: MixSpec) -> MixPreview:
    n_taken = sum(len(part.taken) for part in plan.all_parts) or 1
    n_tokens = sum(part.tokens for part in plan.all_parts) or 1
    shares = [
        MixShare(
            dataset_id=part.id,
            name=part.name,
            rows_available=len(part.usable),
            rows_taken=len(part.taken),
            share_rows=len(part.taken) / n_taken,
            tokens=part.tokens,
            share_tokens=part.tokens / n_tokens,
            n_sampled=part.n_sampled,
            held_out=len(part.held_out),
            duplicates=part.n_duplicates,
            locked=part.n_locked,
        )
        for part in plan.all_parts
    ]
    return MixPreview(shares, plan.unit, plan.n_rows, _warnings(plan, spec))


def _warnings(plan: _Plan, spec: MixSpec) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    n_duplicates = sum(part.n_duplicates for part in plan.all_parts)
    n_locked = sum(part.n_locked for part in plan.all_parts)
    if plan.replay is not None and plan.replay.weight == MAX_REPLAY:
        percents = {"wanted": round(100 * spec.replay_share, 1), "reached": round(100 * plan.replay_reached, 1)}
        found.append({"key": "data.mix.warning.replay_limited", "params": percents | {"times": MAX_REPLAY}})
    if n_locked:
        found.append({"key": "data.mix.warning.locked", "params": {"n": n_locked}})
    if n_duplicates:
        found.append({"key": "data.mix.warning.duplicates", "params": {"n": n_duplicates}})
    if plan.n_also_held_out:
        found.append({"key": "data.mix.warning.also_held_out", "params": {"n": plan.n_also_held_out}})
    return found


def _names(plan: _Plan) -> str:
    return ", ".join(f"{part.name} × {part.weight:g}" for part in plan.parts)


def _report(spec: MixSpec, plan: _Plan, preview: MixPreview, n_rows: int) -> dict[str, Any]:
    """Beside the keys of an import's report, `mix`: the parts, and what was left out."""
    parts = [
        {"revision": part.revision, "weight": part.weight} | dataclasses.asdict(share)
        for part, share in zip(plan.all_parts, preview.parts, strict=True)
    ]
    mix = {"parts": parts, "unit": plan.unit, "base": spec.base, "seed": spec.seed, "warnings": preview.warnings}
    return {"files": [], "n_good": n_rows, "n_refused": 0, "refused_by_key": {}, "refused": [], "mix": mix}
