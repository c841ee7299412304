"""Checks what the generated datasets promise and prints a table: `python -m tests.planted.verify [seed [en|zh]]`."""

from __future__ import annotations

import itertools
import re
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable

from .checksums import is_identity, is_luhn
from .clean import FOLD, Row, clean_drafts, clean_rows, question_key
from .copies import flat, grams
from .damage_text import broken_sentences
from .plants import KEYS, Planted, phrases_of, planted, planted_openings

ALIKE = 0.45
FAR_APART = 0.60
MAIL = re.compile(r"[\w.+-]+[@＠][\w-]+(\.[\w-]+)+")
RADICAL = re.compile(r"[\u2e80-\u2fdf\ufb00-\ufb06]")
BROKEN = re.compile(r"\ufffd|â€|Ã©|锟斤拷|\u00c2\u00a0")
TOKENS = re.compile(
    r"<\|\w+\|>|\[/?INST\]|<</?SYS>>|im_end|im_start|</?s>|<(start|end)_of_turn>|### (Instruction|Response|Input)|<｜|"
    r"^(Human|USER|ASSISTANT|Assistant): ?|USER: .* ASSISTANT:",
    re.M,
)
MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>|<!--|&(?:amp;)*[a-z]+;|&#\d+;|&(?:amp;)*(?:lt|gt)")
PLAIN_NUMBER = re.compile(r"(?<!\d)\d[\d -]{10,24}[\dXx](?!\d)")
MOBILE = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)")
SELF = re.compile(
    r"\b[Aa]s an? (AI(?! product)|artificial|large language model|language model)\b|"
    r"作为(一个)?(AI|人工智能)(语言)?(模型|助手)?，我"
)
MARKED_CODE = re.compile(r"```.*?```|`[^`]*`", re.S)
# Generics and comparisons in plain text are clean on purpose; this is what they look like.
GENERIC = re.compile(
    r"<(String|Integer|Number|number|T|u8|void|int|string|User|dyn Error|\? extends Number|y and.*|b and.*)[^<>]*>?|<[a-z]> ?|"
    r"<String, List<Integer>>|<b &&[^<>]*>|<String, List|<string, int>"
)


def texts(row: Row) -> list[str]:
    return [message["content"] for message in row["content"]["messages"]]


def spoken(row: Row) -> str:
    return "\n".join(message["content"] for message in row["content"]["messages"] if message["role"] != "system")


def question(row: Row) -> str:
    return str(next(message["content"] for message in row["content"]["messages"] if message["role"] == "user"))


class Checks:
    """Collects what was promised and whether it holds."""

    def __init__(self) -> None:
        self.lines: list[tuple[bool, str]] = []

    def expect(self, holds: bool, text: str) -> None:
        self.lines.append((holds, text))

    def none(self, found: Iterable[object], text: str) -> None:
        listed = list(found)
        shown = "" if not listed else ": " + "; ".join(repr(item)[:160] for item in listed[:5])
        self.expect(not listed, f"{text} ({len(listed)}){shown}")


def alike_pairs(rows: list[str], least: float) -> list[tuple[float, int, int]]:
    """All pairs with an exact Jaccard of char-3-grams of at least `least`; folded bits sort out the others."""
    numbers: dict[str, int] = {}
    sets = [grams(row) for row in rows]
    bits = []
    for gram_set in sets:
        value = 0
        for gram in sorted(gram_set):
            value |= 1 << (numbers.setdefault(gram, len(numbers)) % FOLD)
        bits.append(value)
    order = sorted(range(len(rows)), key=lambda i: bits[i].bit_count())
    sizes = [bits[i].bit_count() for i in order]
    floor = least - 0.08
    found = []
    for a, i in enumerate(order):
        one, size = bits[i], sizes[a]
        for b in range(a + 1, len(order)):
            if size < floor * sizes[b]:
                break
            common = (one & bits[order[b]]).bit_count()
            if common >= floor * (size + sizes[b] - common):
                j = order[b]
                exact = len(sets[i] & sets[j]) / (len(sets[i] | sets[j]) or 1)
                if exact >= least:
                    found.append((exact, i, j))
    return sorted(found, reverse=True)


def check_clean(lang: str, seed: int, checks: Checks) -> None:
    rows = clean_rows(lang, 2000, seed)
    drafts = clean_drafts(lang, 2000, seed)
    checks.expect(rows == clean_rows(lang, 2000, seed), "clean rows are the same for the same seed")
    checks.none(alike_pairs([spoken(row) for row in rows], ALIKE), f"pairs of clean rows with a Jaccard of {ALIKE} and more")
    counts = Counter(
        question_key(text) for row in rows for m in row["content"]["messages"] if m["role"] == "user" for text in [m["content"]]
    )
    checks.none([key for key, count in counts.items() if count > 1], "questions that stand in two clean rows")
    asked = [question(row) for row in rows]
    long_asked = [text for text in asked if len(flat(text)) >= (20 if lang == "zh" else 45)]
    checks.none(
        [(round(j, 2), long_asked[a], long_asked[b]) for j, a, b in alike_pairs(long_asked, 0.7)], "pairs of alike long questions"
    )
    share = sum(bool(draft.hard) for draft in drafts) / len(drafts)
    checks.expect(share >= 0.25, f"share of clean rows with a hard negative: {share:.0%}")
    splits = Counter(row["split"] for row in rows)
    checks.expect(0.77 < splits["train"] / len(rows) < 0.83, f"splits of the clean rows: {dict(splits)}")
    first = Counter(question(row)[:2] if lang == "zh" else question(row).split()[0].lower() for row in rows)
    checks.expect(first.most_common(1)[0][1] < 0.17 * len(rows), f"most frequent beginnings of questions: {first.most_common(5)}")
    check_spotless(rows, "clean rows", checks)
    roles = [[m["role"] for m in row["content"]["messages"] if m["role"] != "system"] for row in rows]
    checks.none([r for r in roles if any(a == b for a, b in itertools.pairwise(r))], "clean rows with two turns of one role")
    checks.none([r for r in roles if r[-1] != "assistant"], "clean rows whose last turn is not the assistant's")


def check_spotless(rows: list[Row], name: str, checks: Checks) -> None:
    """No trace of a defect in rows that should be clean."""
    everything = [text for row in rows for text in texts(row)]
    checks.none([t for t in everything if not flat(t)], f"{name} without any letter")
    checks.none(
        [t for t in everything if "{" in MARKED_CODE.sub("", t) and "}" in MARKED_CODE.sub("", t) and "frac" not in t],
        f"{name} with an unfilled slot",
    )
    checks.none([t for t in everything if MAIL.search(t)], f"{name} with an e-mail address")
    checks.none([t for t in everything if RADICAL.search(t)], f"{name} with radicals or ligatures")
    checks.none([t for t in everything if BROKEN.search(t)], f"{name} with mojibake")
    checks.none([t for t in everything if TOKENS.search(t)], f"{name} with template tokens")
    checks.none(
        [t for t in everything if MARKUP.search(GENERIC.sub("", MARKED_CODE.sub("", t)))], f"{name} with HTML outside code"
    )
    checks.none([t for t in everything if SELF.search(t)], f"{name} with self-descriptions of a model")
    checks.none(
        [n for t in everything for n in numbers_in(t) if is_luhn(n) and len(n) >= 13], f"{name} with a number that passes Luhn"
    )
    checks.none([n for t in everything for n in numbers_in(t) if is_identity(n)], f"{name} with a valid identity number")
    checks.none([t for t in everything if MOBILE.search(t)], f"{name} with a mobile number")
    checks.none([t for t in everything if t.count("```") % 2], f"{name} with an open code fence")
    checks.none([t for t in everything if re.search(r"[,，、:：(（]$", t)], f"{name} that end openly")
    checks.none(
        [
            t
            for t in everything
            if re.search(r"\.\.|。。|，，|  |？。|\?\.", MARKED_CODE.sub("x", t).replace("...", "")) and "|" not in t
        ],
        f"{name} with doubled stops or blanks",
    )


def numbers_in(text: str) -> list[str]:
    return [re.sub(r"[ -]", "", match.group()) for match in PLAIN_NUMBER.finditer(text)]


def check_truth(data: Planted, checks: Checks) -> None:
    for key in KEYS:
        many = len(data.groups.get(key, ())) >= 30 or len(data.truth[key]) >= 60
        checks.expect(many, f"{key}: {len(data.truth[key])} rows, {len(data.groups.get(key, ()))} groups")
        checks.expect(not data.truth[key] & data.also[key], f"{key}: truth and also are apart")
    owners = Counter(i for key in KEYS for i in data.truth[key])
    checks.none([i for i, count in owners.items() if count > 1], "rows with two kinds of defect")
    grouped = {i for sets in data.groups.values() for group in sets for i in group}
    same = [i for i in owners if i not in grouped and data.rows[i]["content"] == data.sources[i]["content"]]
    checks.none(same, "planted rows that do not differ from their source")
    checks.expect(len(data.short_survivors) >= 30, f"short survivors: {len(data.short_survivors)}")


def check_groups(data: Planted, checks: Checks) -> None:
    rows = data.rows
    checks.none(
        [g for g in data.groups["exact_duplicates"] if len({str(rows[i]["content"]) for i in g}) > 1], "exact groups that differ"
    )
    checks.none(
        [g for g in data.groups["near_duplicates"] if len({str(rows[i]["content"]) for i in g}) < len(g)],
        "near groups with identical rows",
    )
    checks.none(
        [g for g in data.groups["contradictions"] if len({question_key(question(rows[i])) for i in g}) > 1],
        "contradictions with two questions",
    )
    checks.none(
        [g for g in data.groups["contradictions"] if len({flat(texts(rows[i])[-1]) for i in g}) < len(g)],
        "contradictions with one answer",
    )
    checks.none(
        [g for g in data.groups["leakage"] if {rows[i]["split"] == "train" for i in g} != {True, False}], "leaks inside one split"
    )
    owner = {i: (key, n) for key, sets in data.groups.items() for n, group in enumerate(sets) for i in group}
    pairs = alike_pairs([spoken(row) for row in rows], FAR_APART)
    excused = data.also["near_duplicates"] | set(data.short_survivors)
    strangers = [
        (round(j, 2), data.how.get(a), data.how.get(b), question(rows[a]), question(rows[b]))
        for j, a, b in pairs
        if (owner.get(a) is None or owner.get(a) != owner.get(b)) and not (a in excused or b in excused)
    ]
    checks.none(strangers, f"pairs of rows outside the groups with a Jaccard of {FAR_APART} and more")
    by_question: defaultdict[str, set[int]] = defaultdict(set)
    for i, row in enumerate(rows):
        by_question[question_key(question(row))].add(i)
    allowed = (
        data.truth["contradictions"] | data.also["contradictions"] | data.truth["exact_duplicates"] | data.truth["role_order"]
    )
    checks.none(
        [question(rows[min(s)]) for s in by_question.values() if len(s) > 1 and not s <= allowed | data.truth["near_duplicates"]],
        "equal questions outside the groups",
    )


def check_damage(lang: str, data: Planted, checks: Checks) -> None:
    rows, truth = data.rows, data.truth
    full = {key: {i: spoken(rows[i]) for i in truth[key]} for key in KEYS}
    checks.none([t for t in full["radicals"].values() if not RADICAL.search(t)], "radicals rows without one")
    checks.none(
        [t for i, t in full["radicals"].items() if unicodedata.normalize("NFKC", t) == t], "radicals rows that NFKC leaves alone"
    ) if lang == "en" else None
    checks.none(
        [
            t
            for t in full["template_tokens"].values()
            if not TOKENS.search(t) and "_end" not in t and "<|" not in t and "Human:" not in t
        ],
        "template rows without a marker",
    )
    checks.none([t for t in full["html"].values() if not MARKUP.search(t)], "html rows without markup")
    checks.none(
        [t for i in truth["hard_wraps"] for t in texts(rows[i])[-1:] if broken_sentences(t) < 2],
        "hard wraps with fewer than two broken lines",
    )
    roles = {i: [m["role"] for m in rows[i]["content"]["messages"] if m["role"] != "system"] for i in truth["role_order"]}
    checks.none([r for r in roles.values() if not any(a == b for a, b in itertools.pairwise(r))], "role rows in order")
    checks.none([r for r in roles.values() if r[-1] != "assistant"], "role rows that do not end with the assistant")
    cut = [
        m for i in truth["truncated"] for m in texts(rows[i])[1:] if re.search(r"[.。！？!?]$", m) and len(texts(rows[i])) == 2
    ]
    checks.none(
        [t for t in cut if not re.search(r"(^|\n)\d+\.$|\(e\.g\.$", t) and t.count("```") % 2 == 0],
        "truncated answers that end with a stop",
    )
    cut_short = [
        t for i in truth["truncated"] for t in [min(texts(rows[i])[-1:], key=len)] if len(t) < 40 and "earlier" not in data.how[i]
    ]
    checks.none(cut_short, "truncated answers under 40 characters")
    for kind, valid in (("card", is_luhn), ("identity", is_identity)):
        planted_rows = [full["personal_data"][i] for i in truth["personal_data"] if data.how[i].startswith(kind)]
        checks.none(
            [t for t in planted_rows if not any(valid(n) for n in numbers_in(t))],
            f"{kind} rows without a number that passes the checksum",
        )
    checks.none(
        [
            full["personal_data"][i]
            for i in truth["personal_data"]
            if data.how[i].startswith("email") and not MAIL.search(full["personal_data"][i])
        ],
        "planted e-mail rows without an address",
    )
    untouched = [rows[i] for i in range(len(rows)) if not any(i in truth[key] for key in KEYS)]
    check_spotless(untouched, "clean rows among the planted", checks)
    for key in ("exact_duplicates", "near_duplicates", "contradictions", "leakage"):
        clean_text = [t for i in truth[key] for t in texts(rows[i])]
        checks.none(
            [t for t in clean_text if MAIL.search(t) or RADICAL.search(t) or TOKENS.search(t)], f"{key} rows with a second defect"
        )


def check_openings(lang: str, seed: int, checks: Checks) -> None:
    rows = planted_openings(lang, seed)
    polite = phrases_of(lang).POLITE
    share = sum(question(row).startswith(polite) for row in rows) / len(rows)
    checks.expect(len(rows) == 400 and abs(share - 0.8) < 0.005, f"openings: {share:.0%} of {len(rows)} begin with {polite!r}")


def main() -> int:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    failed = 0
    for lang in sys.argv[2:] or ("en", "zh"):
        checks = Checks()
        check_clean(lang, seed, checks)
        data = planted(lang, seed)
        checks.expect(data == planted(lang, seed), "planted rows are the same for the same seed")
        check_truth(data, checks)
        check_groups(data, checks)
        check_damage(lang, data, checks)
        check_openings(lang, seed, checks)
        print(f"\n{lang}, seed {seed}: {len(data.rows)} rows")
        for holds, text in checks.lines:
            print(f"  {'ok  ' if holds else 'FAIL'} {text}")
            failed += not holds
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
