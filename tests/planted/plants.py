"""Datasets with planted defects and the truth about them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from random import Random
from types import ModuleType

from .clean import Row, as_row, clean_drafts, clean_rows, pick_split, question_key
from .compose import Draft, Message
from .copies import NearCopies, contradiction, flat, is_long, leak, single_messages
from .damage import Damage, has_prose
from .damage_cut import Loop, Truncate, words_of
from .damage_marks import Boilerplate, Empty, Html, PersonalData, Refusals, RoleOrder, TemplateTokens
from .damage_text import HardWraps, Mojibake, Radicals

KEYS = (
    "empty",
    "exact_duplicates",
    "near_duplicates",
    "contradictions",
    "leakage",
    "leakage_held_out",
    "truncated",
    "loops",
    "role_order",
    "template_tokens",
    "html",
    "hard_wraps",
    "radicals",
    "mojibake",
    "boilerplate",
    "refusals",
    "personal_data",
)
ROWS_PER_KEY = 72
ROWS_OF = {"personal_data": 96, "empty": 80}
GROUPS_PER_KEY = {"exact_duplicates": 36, "near_duplicates": 44, "contradictions": 32, "leakage": 66}
REWORDED_LEAKS = 20
SPARE_ROWS = 650
TERMINAL = ".!?。！？…\"”’'）)】]`|~"
SPEAKS_OF_ITSELF = re.compile(
    r"\bAI\b|\bai\b|artificial|language model|programm|guidelines|designed|limitations|policy|"
    r"人工智能|语言模型|AI|机器人|设计|局限|规范|学习中"
)
SAYS_IT_CANNOT = re.compile(r"can't|cannot|unable|don't have|do not have|not able|无法|不能|没有|看不到")


@dataclass(frozen=True)
class Planted:
    """Rows, and for every defect the rows that a perfect examiner points at.

    `also` holds, for every defect, further rows for which a report is neither right nor wrong. `short_survivors` are very
    short rows that are no duplicates of one another. `how` says how a row was damaged, `hard_negatives` which clean rows
    look suspicious in which way.
    """

    rows: list[Row]
    truth: dict[str, set[int]]
    also: dict[str, set[int]]
    short_survivors: list[int]
    groups: dict[str, list[set[int]]] = field(default_factory=dict)
    how: dict[int, str] = field(default_factory=dict)
    hard_negatives: dict[str, set[int]] = field(default_factory=dict)
    sources: dict[int, Row] = field(default_factory=dict)


@dataclass
class Entry:
    """A row on its way into the dataset."""

    messages: tuple[Message, ...]
    split: str
    key: str = ""
    how: str = ""
    group: int = -1
    source: tuple[Message, ...] = ()
    hard: tuple[str, ...] = ()
    also: set[str] = field(default_factory=set)


def phrases_of(lang: str) -> ModuleType:
    return import_module(f".phrases_{lang}", __package__)


def needed_drafts() -> int:
    single_keys = [key for key in KEYS if key not in GROUPS_PER_KEY and key != "leakage_held_out"]
    return sum(ROWS_OF.get(key, ROWS_PER_KEY) for key in single_keys) + sum(GROUPS_PER_KEY.values()) + SPARE_ROWS


def questions_of(messages: Sequence[Message]) -> set[str]:
    return {question_key(text) for role, text in messages if role == "user"}


class Planter:
    """Takes fresh clean drafts and damages each in one way."""

    def __init__(self, lang: str, seed: int, n_clean: int) -> None:
        self._lang = lang
        self._rng = Random(f"plant-{lang}-{seed}")
        self._phrases = phrases_of(lang)
        self._pool = clean_drafts(lang, n_clean + needed_drafts(), seed)
        self._known = words_of(self._pool)
        self._asked = {key for draft in self._pool for key in questions_of(draft.messages)}
        self._rng.shuffle(self._pool)
        self._groups = 0
        self.entries: list[Entry] = []

    def _least(self, en: int, zh: int) -> int:
        return zh if self._lang == "zh" else en

    def _take(self, count: int, make: Callable[[Draft], bool]) -> None:
        """Offers drafts to `make` until it has used `count` of them; the others stay in the pool."""
        kept: list[Draft] = []
        used = 0
        while self._pool and used < count:
            draft = self._pool.pop()
            if make(draft):
                used += 1
            else:
                kept.append(draft)
        self._pool = kept + self._pool
        self._rng.shuffle(self._pool)
        if used < count:
            raise ValueError(f"only {used} of {count} rows could be damaged")

    def damage(self, key: str, damage: Damage, suits: Callable[[Draft], bool], count: int | None = None) -> None:
        def make(draft: Draft) -> bool:
            result = damage(draft, self._rng) if suits(draft) else None
            if result is None or result.messages == draft.messages:
                return False
            if (questions_of(result.messages) - questions_of(draft.messages)) & self._asked:
                return False
            self.entries.append(Entry(result.messages, pick_split(self._rng), key, result.how, source=draft.messages))
            return True

        self._take(count or ROWS_OF.get(key, ROWS_PER_KEY), make)

    def _add_group(
        self, key: str, members: Sequence[tuple[tuple[Message, ...], str]], splits: Sequence[str], source: Draft
    ) -> None:
        self._groups += 1
        for (messages, how), split in zip(members, splits, strict=True):
            self.entries.append(Entry(messages, split, key, how, self._groups, source.messages))

    def _some_splits(self, count: int) -> list[str]:
        """Copies lie in one split or are scattered over all."""
        if self._rng.random() < 0.6:
            return ["train"] * count
        return [pick_split(self._rng) for _ in range(count)]

    def exact_copies(self) -> None:
        def make(draft: Draft) -> bool:
            size = self._rng.choice((2, 2, 2, 3, 3, 5))
            self._add_group("exact_duplicates", [(draft.messages, "copy")] * size, self._some_splits(size), draft)
            return True

        self._take(GROUPS_PER_KEY["exact_duplicates"], make)

    def near_copies(self) -> None:
        copies = NearCopies(self._lang, self._phrases)

        def make(draft: Draft) -> bool:
            members = copies.cluster(draft, self._rng) if is_long(draft, self._lang) else []
            if len(members) < 2:
                return False
            self._add_group("near_duplicates", members, self._some_splits(len(members)), draft)
            return True

        self._take(GROUPS_PER_KEY["near_duplicates"], make)

    def contradictions(self) -> None:
        def make(draft: Draft) -> bool:
            members = contradiction(draft, self._lang, self._rng)
            if members:
                self._add_group("contradictions", members, self._some_splits(len(members)), draft)
            return bool(members)

        self._take(GROUPS_PER_KEY["contradictions"], make)
        for question, *answers in self._phrases.SHORT_CONTRADICTIONS:
            members = [(single_messages(question, answer), "short facts") for answer in answers]
            self._add_group("contradictions", members, self._some_splits(len(members)), Draft(members[0][0], "short"))

    def leaks(self) -> None:
        def make(draft: Draft) -> bool:
            in_other_words = sum(entry.how == "reworded" for entry in self.entries) < 2 * REWORDED_LEAKS
            pair = leak(draft, self._lang, self._rng, self._phrases, in_other_words)
            if not pair:
                return False
            first, second, how = pair
            held_out = self._rng.choice(("validation", "test"))
            splits = ("train", held_out) if self._rng.random() < 0.5 else (held_out, "train")
            self._add_group("leakage", [(first, how), (second, how)], splits, draft)
            return True

        self._take(GROUPS_PER_KEY["leakage"], make)

    def short_survivors(self) -> None:
        for question, answer in self._phrases.SHORT_SURVIVORS:
            self.entries.append(Entry(single_messages(question, answer), pick_split(self._rng), "short_survivors"))

    def rows(self) -> None:
        lang, phrases, least = self._lang, self._phrases, self._least
        prose = has_prose(least(60, 26))
        code = lambda draft: "```" in draft.answer  # noqa: E731
        table = lambda draft: "\n| " in draft.answer and draft.answer.rstrip().endswith("|")  # noqa: E731
        plain = lambda draft: len(draft.answer) >= least(40, 18) and not re.search("```|`|\\||http|^(\\d\\.|-) ", draft.answer)  # noqa: E731
        anything = lambda draft: True  # noqa: E731
        truncate = Truncate(lang, self._known)
        self.damage("hard_wraps", HardWraps(lang), lambda draft: len(draft.answer) >= least(250, 110), 36)
        self.damage("hard_wraps", HardWraps(lang), lambda draft: len(draft.answer) >= least(110, 48), 36)
        self.damage("truncated", truncate, code, 7)
        self.damage("truncated", truncate, table, 5)
        self.damage("truncated", truncate, prose, 64)
        if lang == "zh":
            self.damage("radicals", Radicals("en"), anything, 5)
        self.damage("radicals", Radicals(lang), plain)
        self.damage("mojibake", Mojibake(lang), plain)
        self.damage("loops", Loop(lang), prose)
        self.damage("html", Html(lang), prose)
        self.damage("template_tokens", TemplateTokens(lang), plain)
        self.damage("boilerplate", Boilerplate(lang, phrases), plain)
        self.damage("refusals", Refusals(lang, phrases), lambda draft: draft.is_single and len(draft.question) >= least(38, 13))
        self.damage("empty", Empty(lang, phrases), anything)
        self.damage("personal_data", PersonalData(lang, phrases), plain)
        self.damage("role_order", RoleOrder(lang), anything)

    def clean(self, count: int) -> None:
        for draft in self._pool[:count]:
            self.entries.append(Entry(draft.messages, pick_split(self._rng), hard=draft.hard))

    def shuffled(self) -> list[Entry]:
        return self._rng.sample(self.entries, len(self.entries))


def ends_openly(entry: Entry) -> bool:
    """The end of the last answer was changed and is no end of a sentence now."""
    last, before = entry.messages[-1][1].rstrip(), entry.source[-1][1].rstrip() if entry.source else ""
    return last[-1:] not in TERMINAL and last[-12:] != before[-12:]


def further_keys(entry: Entry) -> set[str]:
    """Keys that a report may name for this row, judged by the row alone."""
    key, text = entry.key, "\n".join(text for _, text in entry.messages)
    found: set[str] = set()
    if key and key != "short_survivors" and ends_openly(entry):
        found.add("truncated")
    if key == "template_tokens":
        found |= {"html"} if "<" in text else set()
    if key == "role_order" and entry.how.startswith("lost"):
        found |= {"near_duplicates"}
    if key == "loops":
        found |= {"near_duplicates"}
    if key == "empty":
        found |= keys_near_empty(entry)
    if key == "mojibake":
        found |= {"loops"} if "\ufffd\ufffd" in text or "锟斤拷" in text else set()
    if key == "html" and any("\n" in message for _, message in entry.messages):
        found |= {"hard_wraps"}
    if key == "refusals" and SPEAKS_OF_ITSELF.search(entry.messages[-1][1]):
        found |= {"boilerplate"}
    if key == "boilerplate" and SAYS_IT_CANNOT.search(entry.messages[-1][1]):
        found |= {"refusals"}
    return found - {key}


def keys_near_empty(entry: Entry) -> set[str]:
    """Placeholders such as "......", "<empty>" and "No answer" have something of other defects."""
    text = next(text for role, text in reversed(entry.messages) if role == ("user" if "question" in entry.how else "assistant"))
    found = {"html"} if "<" in text else set()
    if len(text) > 2 and len(set(text)) < 3:
        found.add("loops")
    if "question" in entry.how:
        return found | {"contradictions", "leakage", "leakage_held_out", "near_duplicates"}
    return (
        found
        | {"truncated"}
        | ({"refusals"} if re.search("answer|available|content|答|无内容|没有内容", text.lower()) else set())
    )


def question_of(entry: Entry) -> str:
    return question_key(next(text for role, text in entry.messages if role == "user"))


def group_keys(members: list[Entry]) -> list[set[str]]:
    """For every member of a group the further keys that follow from the others."""
    key = members[0].key
    result: list[set[str]] = []
    held_out = [member.split != "train" for member in members]
    for member in members:
        found: set[str] = set()
        others = [other for other in members if other is not member]
        same = [other for other in others if question_of(other) == question_of(member)]
        if key != "near_duplicates":
            found.add("near_duplicates")
        if any(flat(other.messages[-1][1]) != flat(member.messages[-1][1]) for other in same) or key == "leakage":
            found.add("contradictions")
        if any(flat("".join(t for _, t in other.messages)) == flat("".join(t for _, t in member.messages)) for other in others):
            found.add("exact_duplicates")
        if any(held_out) and not all(held_out) and key != "leakage":
            found.add("leakage" if member.split == "train" else "leakage_held_out")
        if key != "leakage" and len({member.split for member in members}) > 1:
            found |= {"leakage", "leakage_held_out"} if any(held_out) else set()
        result.append(found - {key})
    return result


def truth_key(entry: Entry) -> str:
    return "leakage_held_out" if entry.key == "leakage" and entry.split != "train" else entry.key


def summed_up(entries: list[Entry]) -> Planted:
    truth: dict[str, set[int]] = {key: set() for key in KEYS}
    also: dict[str, set[int]] = {key: set() for key in KEYS}
    grouped: defaultdict[int, list[int]] = defaultdict(list)
    hard: defaultdict[str, set[int]] = defaultdict(set)
    for index, entry in enumerate(entries):
        if entry.key in GROUPS_PER_KEY or entry.key in KEYS:
            truth[truth_key(entry)].add(index)
        if entry.group >= 0:
            grouped[entry.group].append(index)
        for kind in entry.hard:
            hard[kind].add(index)
        for key in further_keys(entry):
            also[key].add(index)
    groups: defaultdict[str, list[set[int]]] = defaultdict(list)
    for indices in grouped.values():
        groups[entries[indices[0]].key].append(set(indices))
        for index, keys in zip(indices, group_keys([entries[i] for i in indices]), strict=True):
            for key in keys:
                also[key].add(index)
    for key in KEYS:
        also[key] -= truth[key]
    rows = [as_row(Draft(entry.messages, ""), entry.split) for entry in entries]
    return Planted(
        rows,
        truth,
        also,
        [i for i, entry in enumerate(entries) if entry.key == "short_survivors"],
        dict(groups),
        {i: entry.how for i, entry in enumerate(entries) if entry.how},
        dict(hard),
        {i: as_row(Draft(entry.source, ""), entry.split) for i, entry in enumerate(entries) if entry.source},
    )


def planted(lang: str, seed: int, n_clean: int = 2000) -> Planted:
    """`n_clean` clean rows among rows with planted defects, shuffled; a defective row has one kind of defect."""
    planter = Planter(lang, seed, n_clean)
    planter.leaks()
    planter.contradictions()
    planter.rows()
    planter.near_copies()
    planter.exact_copies()
    planter.short_survivors()
    planter.clean(n_clean)
    return summed_up(planter.shuffled())


def planted_openings(lang: str, seed: int, n: int = 400) -> list[Row]:
    """`n` clean rows of which 80 % have a question that begins with one polite phrase."""
    rng = Random(f"openings-{lang}-{seed}")
    polite = phrases_of(lang).POLITE
    rows = [row for row in clean_rows(lang, n + 40, seed) if not first_question(row)["content"].startswith(polite)][:n]
    for index in rng.sample(range(n), round(0.8 * n)):
        message = first_question(rows[index])
        message["content"] = politely(polite, message["content"], lang, rng)
    return rows


def first_question(row: Row) -> dict[str, str]:
    return next(message for message in row["content"]["messages"] if message["role"] == "user")


def politely(polite: str, question: str, lang: str, rng: Random) -> str:
    """The question behind the polite phrase; English needs a verb in between."""
    if lang == "zh":
        return polite + rng.choice(("", "，", "一下，")) + question
    verb = rng.choice(("tell me", "help me with this", "answer this", "advise me", "explain"))
    return f"{polite} {verb}: {question}"
