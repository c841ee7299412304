"""The picture of a dataset: numbers that describe it, gathered while its rows stream past, for a page to draw.

    row ─► counted at once: splits, kinds, turns, openings, different questions, classes
     └─► one in 2^k is kept ─► at the end: lengths, tokens a character, different n-grams

What it tells holds no text of the rows but the most frequent openings and the names of classes. Knows no database and no page.
Start at `Picture.as_json`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, Literal

from studio.data.checks.base import Context, RowView, Words, is_chinese
from studio.data.checks.openings import openings_of
from studio.data.figures import balance, distinct, lengths, percent, quantile
from studio.data.render import Template, render
from studio.data.rows import Content, NewRow
from studio.errors import StudioError

__all__ = ["Picture"]

#: The sample: rows whose tokens are counted at the end, and characters in them, which bound its time and memory.
_ROWS, _CHARACTERS = 2_000, 2_000_000

#: 2^64, and 2^64 / φ with φ the golden ratio.
_CIRCLE, _GOLDEN = 1 << 64, 0x9E3779B97F4A7C15

#: Openings that are named, and characters in which one is looked for.
_OPENINGS, _BEGINNING = 8, 48

#: Texts of which fewer have no habit, and the share from which an opening is one (as in `checks.openings`).
_FEWEST, _HABIT = 20, 0.3

#: What asks for something: fewer different questions, less even classes, more tokens a character of Chinese, where so many
#: rows are Chinese.
_DIFFERENT, _EVEN, _DEAR, _SPOKEN = 0.9, 0.8, 1.0, 0.1

_ROLES = ("system", "user", "assistant", "reasoning", "tool", "text")


class Picture:
    """Use it once: `add` every row in order, then `as_json`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._sample = _Sample()
        self._splits: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._turns: Counter[int] = Counter()
        self._openings: dict[str, Counter[str]] = {"user": Counter(), "assistant": Counter()}
        self._n_opened: Counter[str] = Counter()
        self._questions: set[int] = set()
        self._classes: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, view: RowView) -> None:
        row = view.row
        self._sample.add(view)
        self._splits[row.split or "none"] += 1
        self._kinds[row.kind] += 1
        if "messages" in row.content:
            self._turns[len(row.content["messages"]) + len(row.content.get("chosen", ()))] += 1
        if row.kind in ("label", "choice", "feedback") or row.topic:
            self._classify(row)
        question = next((words.text for words in view.words if words.role == "user"), None)
        answer = next((words.text for words in reversed(view.words) if words.role == "assistant"), None)
        if question is not None:
            self._questions.add(hash(question.strip()))  # 64 bits: of a million no two meet by chance
            self._open("user", question)
        if answer is not None:
            self._open("assistant", answer)

    def _open(self, role: str, text: str) -> None:
        self._n_opened[role] += 1
        for opening in openings_of(text[:_BEGINNING])[:1]:
            self._openings[role][opening] += 1

    def _classify(self, row: NewRow) -> None:
        content = row.content
        if row.kind == "label":
            self._classes["label"][content["label"]] += 1
        elif row.kind == "choice":  # an option that is never right is a class as well
            self._classes["choice"].update(dict.fromkeys(map(_letter, range(len(content["options"]))), 0))
            self._classes["choice"][_letter(content["answer"])] += 1
        elif row.kind == "feedback":
            self._classes["feedback"].update({"true": 0, "false": 0})
            self._classes["feedback"]["true" if content["label"] else "false"] += 1
        if row.topic:
            self._classes["topic"][row.topic] += 1

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, at most about 20 kB. Shares are in [0, 1]; what has no value is left out or None.

        `lengths` are those of whole rows as training renders them (`rows`) and of the texts of each role, in `unit`s; they,
        `over_limit`, `languages` and the n-grams of `diversity` are measured on the `sample`, everything else on all rows.
        `said` are three sentences, {key, params}, on what matters most.
        """
        texts = [words for view in self._sample.rows for words in view.words if words.role != "rejected"]
        sizes = self._sizes(texts)
        by_role: defaultdict[str, list[int]] = defaultdict(list)
        for words, size in zip(texts, sizes, strict=True):
            by_role[_role(words)].append(size)
        whole, limit = self._whole_rows(), self._context.max_seq_len
        has_base = self._context.template is not None
        measured = {"rows": lengths(whole, limit if has_base else None)} if whole else {}
        measured |= {role: lengths(by_role[role]) for role in _ROLES if by_role[role]}
        turns = sorted(self._turns.elements())
        answers = [words.text for words in texts if _role(words) == "assistant"]
        n_questions = self._n_opened["user"]
        picture: dict[str, Any] = {
            "n_rows": self._splits.total(),
            "splits": dict(self._splits),
            "kinds": dict(self._kinds.most_common()),
            "turns": {"count": len(turns), "median": quantile(turns, 0.5), "max": turns[-1]} if turns else None,
            "sample": {"n_rows": len(self._sample.rows), "every": self._sample.every},
            "base": self._context.base,
            "unit": "tokens" if has_base else "chars",
            "limit": limit if has_base else None,
            "lengths": measured,
            "over_limit": sum(size > limit for size in whole) / len(whole) if has_base and whole else None,
            "languages": self._languages(texts, sizes),
            "openings": {role: self._opened(role) for role, n in self._n_opened.items() if n},
            "diversity": {
                "n_answers": len(answers),
                "distinct_1": distinct(answers, 1),
                "distinct_2": distinct(answers, 2),
                "n_questions": n_questions,
                "distinct_questions": len(self._questions) / n_questions if n_questions else None,
            },
            "balance": {of: balance(self._classes[of]) for of in ("label", "choice", "feedback", "topic") if of in self._classes},
        }
        return picture | {"said": _sentences(picture)}

    def _sizes(self, texts: list[Words]) -> list[int]:
        """Tokens of each text by itself, or characters without a base."""
        if self._context.template is None:
            return [len(words.text) for words in texts]
        sizes: list[int] = []
        for at in range(0, len(texts), 200):  # encodings are a hundred times as large as their texts
            batch = [words.text for words in texts[at : at + 200]]
            found = self._context.template.tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            sizes += [len(encoding.ids) for encoding in found]
        return sizes

    def _whole_rows(self) -> list[int]:
        if self._context.template is None:
            return [sum(len(words.text) for words in view.words if words.role != "rejected") for view in self._sample.rows]
        return [size for view in self._sample.rows if (size := _trained_size(view.row, self._context.template)) is not None]

    def _languages(self, texts: list[Words], sizes: list[int]) -> dict[str, dict[str, float | None]]:
        """Shares of rows, and tokens a character over all texts of a language, summed before they are divided."""
        n_rows, n_chars, n_tokens = Counter[str](), Counter[str](), Counter[str]()
        for view in self._sample.rows:
            n_rows[_language("\n".join(words.text for words in view.words if words.role != "rejected"))] += 1
        for words, size in zip(texts, sizes, strict=True):
            language = _language(words.text)
            n_chars[language] += len(words.text)
            n_tokens[language] += size
        counts_tokens = self._context.template is not None
        return {
            name: {
                "share": n_rows[name] / n_rows.total(),
                "per_char": round(n_tokens[name] / n_chars[name], 4) if counts_tokens and n_chars[name] else None,
            }
            for name in ("zh", "other")
            if n_rows[name] or n_chars[name]
        }

    def _opened(self, role: str) -> dict[str, Any]:
        """What opens one text alone is not frequent, and might be somebody's name."""
        top = self._openings[role].most_common(_OPENINGS)
        return {"count": self._n_opened[role], "top": [[words, n] for words, n in top if n > 1]}


class _Sample:
    """Rows spread evenly over a stream of unknown length: row n is kept while the fraction of n·φ is below 1/2^k, where k grows
    when rows become too many. Of n·φ mod 1 no stretch is crowded (Weyl 1916, doi:10.1007/BF01475864), and unlike every
    2^k-th row it shows both languages of a dataset in which they take turns.
    """

    def __init__(self) -> None:
        self.every = 1
        self._kept: list[tuple[int, RowView]] = []
        self._n_seen = 0
        self._n_chars = 0

    @property
    def rows(self) -> list[RowView]:
        return [view for _, view in self._kept]

    def add(self, view: RowView) -> None:
        place = self._n_seen * _GOLDEN % _CIRCLE
        self._n_seen += 1
        if place * self.every >= _CIRCLE:
            return
        self._kept.append((place, view))
        self._n_chars += _n_chars(view)
        while len(self._kept) > _ROWS or (self._n_chars > _CHARACTERS and len(self._kept) > 1):
            self.every *= 2
            self._kept = [(place, view) for place, view in self._kept if place * self.every < _CIRCLE]
            self._n_chars = sum(_n_chars(view) for view in self.rows)


def _n_chars(view: RowView) -> int:
    return sum(len(words.text) for words in view.words)


def _role(words: Words) -> str:
    return "reasoning" if words.where.endswith(".reasoning_content") else words.role


def _language(text: str) -> Literal["zh", "other"]:
    return "zh" if is_chinese(text) else "other"


def _letter(index: int) -> str:
    """How people name an option: A to Z, by number from the 27th on."""
    return chr(ord("A") + index) if index < 26 else str(index + 1)


def _trained_size(row: NewRow, template: Template) -> int | None:
    """Tokens of the row as training renders it; None where training would refuse it whatever its length."""
    content: Content = row.content
    kind = row.kind
    if kind == "feedback":
        kind, content = "chat", {"messages": content["messages"]}
    elif kind == "preference":  # both conversations are trained: the longer one has to fit
        longer = max(content["chosen"], content["rejected"], key=lambda said: sum(len(message["content"]) for message in said))
        kind, content = "chat", {"messages": [*content["messages"], *longer]}
    try:
        return render(kind, content, template).n_tokens
    except StudioError:
        return None


# --- what matters most ------------------------------------------------------------------------------------------------


def _sentences(picture: dict[str, Any]) -> list[dict[str, Any]]:
    """Three: first those that ask for something to be done, each kind in the order of what it costs a training."""
    told = sorted(_told(picture), key=lambda one: not one[0])
    return [{"key": key, "params": params} for _, key, params in told[:3]]


def _told(picture: dict[str, Any]) -> Iterator[tuple[bool, str, dict[str, Any]]]:
    """Whether it asks for something, the message key, its parameters."""
    measured, over = picture["lengths"], picture["over_limit"]
    for role in [role for role in ("assistant", "text") if role in measured][:1]:
        half = {"median": int(measured[role]["median"]), "p90": int(measured[role]["p90"])}
        yield False, f"picture.said.half_{role}_{picture['unit']}", half
    if over:
        yield True, "picture.said.too_long", {"share": percent(over), "limit": picture["limit"]}
    elif over == 0:
        yield False, "picture.said.all_fit", {"limit": picture["limit"], "max": measured["rows"]["max"]}
    for role, found in picture["openings"].items():
        for words, n in found["top"][:1]:
            is_habit = found["count"] >= _FEWEST and n >= _HABIT * found["count"]
            yield is_habit, f"picture.said.begin_{role}", {"share": percent(n / found["count"]), "words": words}
    n_questions, different = picture["diversity"]["n_questions"], picture["diversity"]["distinct_questions"]
    if n_questions and different < _DIFFERENT:
        yield True, "picture.said.repeated", {"all": n_questions, "n": round(different * n_questions)}
    for of, found in picture["balance"].items():
        if found["evenness"] is not None and found["classes"]:
            name, n = found["classes"][0]
            key = f"picture.said.judged_{name}" if of == "feedback" else f"picture.said.largest_{of}"
            yield found["evenness"] < _EVEN, key, {"share": percent(n / found["count"]), "name": name}
    if picture["n_rows"] and not picture["splits"].keys() & {"validation", "test"}:
        yield True, "picture.said.unchecked", {}
    chinese = picture["languages"].get("zh")
    if chinese and chinese["share"] >= _SPOKEN and (chinese["per_char"] or 0) > _DEAR:
        yield True, "picture.said.chinese_dear", {"n": round(100 * chinese["per_char"])}
