"""Composing questions and answers from fact tables and sentence patterns.

A fact table is text: one record per line, fields parted by `|`, a line that begins with spaces continues the record
before it; a field may be a list whose items are parted by `; `.

A pattern block is text, too: `?` lines are ways to ask, `=` lines are parts of the answer with variants parted by ` | `
(`-` leaves the part out), `!` lines are short answers; indented lines continue; an empty line ends the block. The block
head is `# one`, `# pair` or `# table` (one record, two records `a` and `b`, or three records in a Markdown table).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

Message = tuple[str, str]
LONG_NUMBER = re.compile(r"(?<!\d)\d{10,}(?!\d)")
HAN = re.compile(r"[\u3400-\u9fff]")


class Slot(str):
    """A field's text; format specs: cap, 0..9 (one list item), or, bul, num, dot (list items as lines)."""

    def items(self) -> list[str]:
        return [item.strip() for item in self.split(";") if item.strip()]

    def __format__(self, spec: str) -> str:
        text = self._shape(spec)
        return text[:1].upper() + text[1:] if "cap" in spec else text

    def _shape(self, spec: str) -> str:
        items = self.items()
        number = re.search(r"\d", spec)
        if number:
            return items[int(number.group()) % len(items)]
        if "bul" in spec:
            return "\n".join(f"- {item}" for item in items)
        if "num" in spec:
            return "\n".join(f"{i}. {item}" for i, item in enumerate(items, 1))
        if len(items) < 2:
            return str(self)
        if HAN.search(self):
            return "、".join(items[:-1]) + ("或" if "or" in spec else "和") + items[-1]
        return ", ".join(items[:-1]) + (" or " if "or" in spec else " and ") + items[-1]


class Record:
    """One row of a fact table; its fields are attributes."""

    def __init__(self, fields: dict[str, str]) -> None:
        self.fields = {name: Slot(text) for name, text in fields.items()}

    def __getattr__(self, name: str) -> Slot:
        try:
            fields: dict[str, Slot] = self.__dict__["fields"]
            return fields[name]
        except KeyError as missing:
            raise AttributeError(name) from missing


def join_continued(text: str) -> list[str]:
    """The lines of a text, with indented lines appended to the line before them."""
    lines: list[str] = []
    for line in text.strip("\n").split("\n"):
        if line.startswith("  ") and lines:
            glue = "" if HAN.match(line.strip()[:1]) and HAN.match(lines[-1].strip()[-1:]) else " "
            lines[-1] = lines[-1].rstrip() + glue + line.strip()
        else:
            lines.append(line.rstrip())
    return lines


def parse_records(columns: str, text: str) -> list[Record]:
    names = columns.split()
    records = []
    for line in join_continued(text):
        values = [value.strip() for value in line.split("|")]
        if len(values) != len(names):
            raise ValueError(f"{len(values)} fields for {names}: {line}")
        records.append(Record(dict(zip(names, values, strict=True))))
    return records


@dataclass(frozen=True)
class Aspect:
    """One thing that can be asked about a record (or about two or three of them)."""

    key: str
    kind: str
    asks: tuple[str, ...]
    parts: tuple[tuple[str, ...], ...]
    shorts: tuple[str, ...] = ()
    columns: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Topic:
    """A fact table with the aspects and the sentences that may lead into a question about it."""

    name: str
    records: list[Record]
    aspects: list[Aspect]
    leads: tuple[str, ...]


def parse_columns(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (pair.split("=") for pair in text.split(";"))
    return tuple((label.strip(), name.strip()) for label, name in pairs)


def parse_aspects(topic: str, text: str) -> tuple[list[Aspect], tuple[str, ...]]:
    """The aspects of a topic and its lead-in sentences (`~` lines)."""
    aspects: list[Aspect] = []
    leads: list[str] = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        lines = join_continued(block)
        marked = [(line[0], line[1:].strip()) for line in lines if line]
        leads += [body for mark, body in marked if mark == "~"]
        kind = next((body for mark, body in marked if mark == "#"), "")
        if not kind:
            continue
        asks = tuple(body for mark, body in marked if mark == "?")
        parts = tuple(tuple(v.strip() for v in body.split(" | ")) for mark, body in marked if mark == "=")
        shorts = tuple(body for mark, body in marked if mark == "!")
        columns = next((parse_columns(body) for mark, body in marked if mark == "%"), ())
        aspects.append(Aspect(f"{topic}.{len(aspects)}", kind, asks, parts, shorts, columns))
    return aspects, tuple(leads)


def make_topic(name: str, columns: str, facts: str, patterns: str) -> Topic:
    aspects, leads = parse_aspects(name, patterns)
    return Topic(name, parse_records(columns, facts), aspects, leads)


@dataclass(frozen=True)
class Draft:
    """A clean row before it becomes one: its messages and what may be asked of it further."""

    messages: tuple[Message, ...]
    group: str
    hard: tuple[str, ...] = ()
    again: Callable[[Random], str] | None = field(default=None, compare=False)
    differ: Callable[[Random], str] | None = field(default=None, compare=False)

    @property
    def question(self) -> str:
        return next((text for role, text in self.messages if role == "user"), "")

    @property
    def answer(self) -> str:
        return self.messages[-1][1]

    @property
    def is_single(self) -> bool:
        return [role for role, _ in self.messages if role != "system"] == ["user", "assistant"]

    @property
    def text(self) -> str:
        return "\n".join(text for role, text in self.messages if role != "system")


def single(question: str, answer: str, group: str, *hard: str) -> Draft:
    return Draft((("user", question), ("assistant", answer)), group, hard)


@dataclass(frozen=True)
class Voice:
    """What differs between the languages when sentences are put together."""

    lang: str
    space: str
    ambient: Callable[[Random], dict[str, str]]
    bullet_tails: tuple[str, ...]
    number_tails: tuple[str, ...]
    short_tails: tuple[str, ...]
    table_tails: tuple[str, ...]
    stops: str
    systems: tuple[str, ...]
    greetings: tuple[str, ...]


def tidy(text: str) -> str:
    """Doubled stops that slots leave behind become one."""
    text = text.replace("..", ".").replace("?.", "?").replace("。。", "。").replace("，，", "，").replace("!.", "!")
    return text.replace("？。", "？").replace(".;", ";")


def pick_parts(aspect: Aspect, rng: Random, slots: dict[str, object]) -> list[str]:
    chosen = (rng.choice(variants) for variants in aspect.parts)
    return [tidy(variant.format(**slots)).replace("\\n", "\n") for variant in chosen if variant != "-"]


def layout_answer(parts: list[str], layout: str, voice: Voice) -> str:
    if any("\n" in part for part in parts):
        return "\n\n".join(parts)
    if layout == "paragraphs":
        middle = (len(parts) + 1) // 2
        return voice.space.join(parts[:middle]) + "\n\n" + voice.space.join(parts[middle:])
    if layout in ("bullets", "numbers"):
        marks = ("- " if layout == "bullets" else f"{i}. " for i in range(1, len(parts)))
        items = [mark + part for mark, part in zip(marks, parts[1:], strict=True)]
        return parts[0] + "\n\n" + "\n".join(items)
    return voice.space.join(parts)


def choose_layout(rng: Random, parts: list[str]) -> str:
    if len(parts) < 3 or len(parts[0].encode()) < 18:
        return "prose"
    return rng.choices(("prose", "paragraphs", "bullets", "numbers"), (62, 16, 14, 8))[0]


def with_lead(question: str, topic: Topic, rng: Random, slots: dict[str, object], voice: Voice) -> str:
    if topic.leads and rng.random() < 0.42:
        return tidy(rng.choice(topic.leads).format(**slots)) + voice.space + question
    return question


def with_tail(question: str, tails: tuple[str, ...], chance: float, rng: Random, voice: Voice) -> str:
    """The question and perhaps a wish about the form of the answer."""
    if rng.random() > chance:
        return question
    gap = voice.space if question[-1] in "?？.。!！" else ("，" if voice.lang == "zh" else ". ")
    return question + gap + rng.choice(tails)


def casual(question: str, rng: Random) -> str:
    """Some people type without capitals or a question mark."""
    if rng.random() < 0.07 and "\n" not in question and "`" not in question:
        plain = question.rstrip("?？.。")
        return plain[:1].lower() + plain[1:] if not plain.startswith("I ") else plain
    if HAN.search(question) and rng.random() < 0.08:
        return question.replace("，", ",").replace("？", "?").replace("：", ":")
    return question


def one_record(topic: Topic, aspect: Aspect, record: Record, rng: Random, voice: Voice) -> Draft:
    slots: dict[str, object] = {**voice.ambient(rng), **record.fields}
    question = with_lead(tidy(rng.choice(aspect.asks).format(**slots)), topic, rng, slots, voice)
    hard: tuple[str, ...] = ()
    if aspect.shorts and rng.random() < 0.25:
        answer = tidy(rng.choice(aspect.shorts).format(**slots))
        question = with_tail(question, voice.short_tails, 0.4, rng, voice)
        return single(casual(question, rng), answer, topic.name, "short answer without full stop")
    parts = pick_parts(aspect, rng, slots)
    layout = choose_layout(rng, parts)
    answer = layout_answer(parts, layout, voice)
    if (layout in ("bullets", "numbers") and "\n- " in answer) or "\n2. " in answer:
        tails = voice.bullet_tails if "\n- " in answer else voice.number_tails
        question = with_tail(question, tails, 0.45, rng, voice)
    if answer.split("\n")[-1].startswith(("- ", "2. ", "3. ", "4. ", "5. ")) and rng.random() < 0.5:
        answer = "\n".join(
            line.rstrip(".。") if line[:2] in ("- ",) or line[1:3] == ". " else line for line in answer.split("\n")
        )
        hard = ("ends with a list item",)

    def again(other: Random) -> str:
        return layout_answer(pick_parts(aspect, other, slots), "prose", voice)

    def differ(other: Random) -> str:
        donor = other.choice([r for r in topic.records if r is not record])
        first = next(iter(record.fields))
        mixed = {**slots, **{k: v for k, v in donor.fields.items() if k != first}}
        return layout_answer(pick_parts(aspect, other, mixed), "prose", voice)

    messages = (("user", casual(question, rng)), ("assistant", answer))
    return Draft(messages, topic.name, hard, again, differ)


def two_records(topic: Topic, aspect: Aspect, rng: Random, voice: Voice) -> Draft:
    a, b = rng.sample(topic.records, 2)
    slots: dict[str, object] = {**voice.ambient(rng), "a": a, "b": b}
    question = tidy(rng.choice(aspect.asks).format(**slots))
    parts = pick_parts(aspect, rng, slots)
    answer = layout_answer(parts, choose_layout(rng, parts), voice)
    return single(casual(question, rng), answer, topic.name)


def markdown_table(records: list[Record], columns: list[tuple[str, str]]) -> str:
    lines = ["| " + " | ".join(label for label, _ in columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(f"{record.fields[name]:cap}" for _, name in columns) + " |" for record in records]
    return "\n".join(lines)


def table_of_records(topic: Topic, aspect: Aspect, rng: Random, voice: Voice) -> Draft:
    records = rng.sample(topic.records, rng.choice((3, 3, 4)))
    extra = rng.sample(aspect.columns[1:], min(len(aspect.columns) - 1, rng.choice((2, 3))))
    columns = [aspect.columns[0], *extra]
    first = columns[0][1]
    names = Slot("; ".join(record.fields[first] for record in records))
    wanted = Slot("; ".join(label.lower() for label, _ in extra))
    slots: dict[str, object] = {**voice.ambient(rng), "names": names, "wanted": wanted}
    question = tidy(rng.choice(aspect.asks).format(**slots))
    table = markdown_table(records, columns)
    parts = pick_parts(aspect, rng, slots)
    if not parts:
        answer = table
    elif rng.random() < 0.6:
        answer = parts[0] + "\n\n" + table
    else:
        answer = table + "\n\n" + parts[0].rstrip(":：") + (voice.stops[0] if parts[0].endswith((":", "：")) else "")
    return single(question, answer, topic.name, "Markdown table")


def several_turns(topic: Topic, rng: Random, voice: Voice) -> Draft:
    """A conversation about one record, each turn another aspect of it."""
    record = rng.choice(topic.records)
    aspects = [aspect for aspect in topic.aspects if aspect.kind == "one"]
    drafts = [one_record(topic, aspect, record, rng, voice) for aspect in rng.sample(aspects, rng.choice((2, 2, 3)))]
    messages = [message for draft in drafts for message in draft.messages]
    return Draft(tuple(messages), topic.name, drafts[-1].hard)


def two_aspects(topic: Topic, rng: Random, voice: Voice) -> Draft:
    """One message that asks two things; the answer has a paragraph for each."""
    record = rng.choice(topic.records)
    aspects = rng.sample([aspect for aspect in topic.aspects if aspect.kind == "one"], 2)
    slots: dict[str, object] = {**voice.ambient(rng), **record.fields}
    asks = [tidy(rng.choice(aspect.asks).format(**slots)) for aspect in aspects]
    if not asks[0].endswith(("?", "？", ".", "。", "!", "！")):
        asks[0] += "。" if voice.lang == "zh" else "."
    paragraphs = [layout_answer(pick_parts(aspect, rng, slots), "prose", voice) for aspect in aspects]
    question = with_lead(voice.space.join(asks), topic, rng, slots, voice)
    return single(question, "\n\n".join(paragraphs), topic.name, "paragraphs with blank lines")


def draft_of_topic(topic: Topic, rng: Random, voice: Voice) -> Draft:
    """A row about the topic: one question, a comparison, a table or a conversation; perhaps with a system message."""
    by_kind = {kind: [a for a in topic.aspects if a.kind == kind] for kind in ("one", "pair", "table")}
    kinds = ["one"] * 6 + ["turns"] * 2 + ["both"] * 2 + ["table"] + ["pair"] * (3 if by_kind["pair"] else 0)
    kind = rng.choice(kinds)
    if kind == "turns":
        draft = several_turns(topic, rng, voice)
    elif kind == "both":
        draft = two_aspects(topic, rng, voice)
    elif kind == "one":
        draft = one_record(topic, rng.choice(by_kind["one"]), rng.choice(topic.records), rng, voice)
    elif kind == "pair":
        draft = two_records(topic, rng.choice(by_kind["pair"]), rng, voice)
    else:
        draft = table_of_records(topic, rng.choice(by_kind["table"]), rng, voice)
    return with_frame(draft, rng, voice)


def with_frame(draft: Draft, rng: Random, voice: Voice) -> Draft:
    """The same row, sometimes after a system message or after a greeting by the assistant."""
    if LONG_NUMBER.search(draft.text) and not draft.hard:
        draft = replace(draft, hard=("order number or ISBN",))
    roll = rng.random()
    if roll < 0.10:
        opening: Message = ("system", rng.choice(voice.systems))
        return replace(draft, messages=(opening, *draft.messages))
    if roll < 0.13:
        greeting: Message = ("assistant", rng.choice(voice.greetings))
        return Draft((greeting, *draft.messages), draft.group, (*draft.hard, "assistant greets first"))
    return draft
