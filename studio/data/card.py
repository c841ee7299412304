"""The dataset card: what people say about a dataset, and what the studio knows of it, as Markdown with a YAML header.

The questions are those of Gebru et al. 2021, "Datasheets for Datasets", arXiv:1803.09010, section 3: motivation (3.1),
composition (3.2), collection process (3.3), preprocessing/cleaning/labeling (3.4), uses (3.5), distribution (3.6),
maintenance (3.7). The header is what the library `datasets` and its hub read. Pure functions; no file, no database.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from studio.text import Lang, date_text, has_text, number_text, text

__all__ = ["LICENCES", "Card", "CardInfo", "FileFact", "RevisionFact", "Scripts", "card_markdown", "yaml_header"]

#: SPDX identifiers to choose from, each with the name that the hub of `datasets` has for it. Any other text is possible.
LICENCES = {
    "CC0-1.0": "cc0-1.0",
    "CC-BY-4.0": "cc-by-4.0",
    "CC-BY-SA-4.0": "cc-by-sa-4.0",
    "CC-BY-NC-4.0": "cc-by-nc-4.0",
    "CC-BY-NC-SA-4.0": "cc-by-nc-sa-4.0",
    "CC-BY-ND-4.0": "cc-by-nd-4.0",
    "ODC-By-1.0": "odc-by",
    "ODbL-1.0": "odbl",
    "PDDL-1.0": "pddl",
    "CDLA-Permissive-2.0": "cdla-permissive-2.0",
    "Apache-2.0": "apache-2.0",
    "MIT": "mit",
}

_SHORT = 200
_LONG = 10_000


def _asked(section: str, limit: int = _LONG, *, basic: bool = False) -> Any:
    shown: Any = {"group": section, "level": "basic" if basic else "advanced"}
    return Field("", max_length=limit, json_schema_extra=shown)


class Card(BaseModel):
    """What people say about a dataset; nothing is required. Words: `field.Card.<name>.label` and `.help`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    licence: str = _asked("distribution", _SHORT, basic=True)
    languages: str = _asked("composition", _SHORT, basic=True)
    source: str = _asked("collection", basic=True)
    motivation: str = _asked("motivation", basic=True)
    creators: str = _asked("motivation")
    composition: str = _asked("composition")
    personal_data: str = _asked("composition", basic=True)
    sensitive: str = _asked("composition")
    collection: str = _asked("collection")
    preprocessing: str = _asked("preprocessing")
    uses: str = _asked("uses", basic=True)
    not_for: str = _asked("uses", basic=True)
    distribution: str = _asked("distribution")
    contact: str = _asked("maintenance", basic=True)
    version_notes: str = _asked("maintenance")


_SECTIONS = ("motivation", "composition", "collection", "preprocessing", "uses", "distribution", "maintenance")


# --- what the studio knows --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FileFact:
    """A file of an export. `split` is None where its rows say it themselves, or have none."""

    name: str
    kind: str
    split: str | None
    n_rows: int


@dataclass(frozen=True)
class RevisionFact:
    """`note` is what a person wrote about it, `summary` what the studio did: {key, params}."""

    number: int
    at: datetime
    note: str = ""
    summary: dict[str, Any] | None = None

    def words(self, lang: Lang) -> str:
        if self.note or not self.summary or not has_text(self.summary["key"]):
            return " ".join(self.note.split())
        return text(lang, self.summary["key"], **self.summary["params"])


@dataclass(frozen=True)
class CardInfo:
    """What the studio knows of a revision. `counts` are rows by kind and split (None: none), `origins` rows by where they came
    from, `scripts` shares of letters (`Scripts.shares`), `unfit` rows that the files leave out, by message key.
    """

    name: str
    revision: int
    content_hash: str
    counts: dict[str, dict[str | None, int]]
    origins: dict[str, int] = field(default_factory=dict)
    scripts: dict[str, float] = field(default_factory=dict)
    revisions: tuple[RevisionFact, ...] = ()
    files: tuple[FileFact, ...] = ()
    unfit: dict[str, int] = field(default_factory=dict)
    is_escaped: bool = False

    @property
    def n_rows(self) -> int:
        return sum(sum(splits.values()) for splits in self.counts.values())


_SCRIPTS = {
    "han": re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"),
    "kana": re.compile("[\u3041-\u30ff]"),
    "hangul": re.compile("[\u1100-\u11ff\uac00-\ud7af]"),
    "latin": re.compile("[A-Za-z\u00c0-\u024f]"),
    "cyrillic": re.compile("[\u0400-\u052f]"),
    "arabic": re.compile("[\u0600-\u06ff]"),
}

_LETTER = re.compile(r"[^\W\d_]")


@dataclass
class Scripts:
    """Counts letters by script in the beginnings of the first texts."""

    letters: Counter[str] = field(default_factory=Counter)
    n_texts: int = 0

    def add(self, words: str) -> None:
        if self.n_texts >= 2_000:
            return
        self.n_texts += 1
        beginning = words[:2_000]
        found = {name: len(pattern.findall(beginning)) for name, pattern in _SCRIPTS.items()}
        found["other"] = max(0, len(_LETTER.findall(beginning)) - sum(found.values()))
        self.letters.update(found)

    def shares(self) -> dict[str, float]:
        """Shares of letters by script, the largest first; those under a hundredth are left out."""
        total = self.letters.total()
        return {name: n / total for name, n in self.letters.most_common() if n and n / total >= 0.01}


# --- as Markdown ------------------------------------------------------------------------------------------------------


def card_markdown(card: Card, info: CardInfo, lang: Lang) -> str:
    """The card: what the studio knows, then what people have said, by section."""
    parts = [f"# {_plain(info.name)}", _facts(info, lang)]
    for section in _SECTIONS:
        said = [
            f"### {text(lang, f'field.Card.{name}.label')}\n\n{_plain(words)}"
            for name, spec in Card.model_fields.items()
            if isinstance(spec.json_schema_extra, dict) and spec.json_schema_extra["group"] == section
            if (words := getattr(card, name).strip())
        ]
        parts += [f"## {text(lang, f'card.section.{section}')}", *said] if said else []
    return "\n\n".join(parts) + "\n"


def _plain(words: str) -> str:
    """What people wrote, without tags, and without lines that would be headings of the card itself."""
    return re.sub(r"^(\s{0,3})#", r"\1\\#", html.escape(words.strip(), quote=False), flags=re.MULTILINE)


def _facts(info: CardInfo, lang: Lang) -> str:
    def table(names: tuple[str, ...], lines: Sequence[Sequence[str]]) -> str:
        head = [text(lang, f"card.table.{name}") for name in names]
        rows: list[Sequence[str]] = [head, ["---"] * len(head), *lines]
        return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)

    def split_word(split: str | None) -> str:
        return text(lang, f"split.{split or 'none'}")

    revision = info.revisions[-1] if info.revisions else None
    saved = date_text(revision.at) if revision else ""
    counts = [
        (kind, split_word(split), number_text(n))
        for kind, splits in info.counts.items()
        for split, n in sorted(splits.items(), key=lambda item: str(item[0]))
    ]
    parts = [
        text(lang, "card.revision", revision=info.revision, at=saved, hash=info.content_hash),
        table(("kind", "split", "rows"), counts),
    ]
    if info.files:
        lines = [(f"`{file.name}`", file.kind, number_text(file.n_rows)) for file in info.files]
        parts += [table(("file", "kind", "rows"), lines), text(lang, "card.no_origin")]
    if info.is_escaped:
        parts.append(text(lang, "card.escaped"))
    if info.unfit:
        reasons = [f"- {number_text(n)}: {text(lang, key)}" for key, n in info.unfit.items()]
        parts += [text(lang, "card.unfit", n=sum(info.unfit.values())), "\n".join(reasons)]
    if info.scripts:
        shares = ", ".join(f"{text(lang, f'card.script.{name}')} {share:.0%}" for name, share in info.scripts.items())
        parts.append(text(lang, "card.scripts", shares=shares))
    if info.origins:
        parts += [text(lang, "card.origins"), "\n".join(f"- {_plain(ref)}: {number_text(n)}" for ref, n in info.origins.items())]
    if info.revisions:
        lines = [(str(item.number), date_text(item.at), _plain(item.words(lang))) for item in info.revisions]
        parts.append(table(("revision", "at", "note"), lines))
    return "\n\n".join(parts)


# --- as YAML ----------------------------------------------------------------------------------------------------------

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"))


def yaml_header(card: Card, info: CardInfo, *, with_configs: bool = False) -> str:
    """The block between two lines of dashes that the library `datasets` reads: licence, languages, size, files by split.

    Files are named by kind (`with_configs`): a dataset with several kinds of rows has a configuration for each.
    """
    values: dict[str, Any] = {"pretty_name": info.name}
    if licence := card.licence.strip():
        known = {name.lower(): on_hub for name, on_hub in LICENCES.items()}
        values["license"] = known.get(licence.lower(), "other")
        values |= {} if licence.lower() in known else {"license_name": licence}
    languages = [part.strip() for part in re.split("[,;/\uff0c\uff1b\u3001]", card.languages.lower())]
    if all(re.fullmatch("[a-z]{2,3}", language) for language in languages):
        values["language"] = list(dict.fromkeys(languages))
    values["size_categories"] = [next((name for limit, name in _SIZES if info.n_rows < limit), "n>10M")]
    if with_configs:
        values["configs"] = _configs(info)
    return f"---\n{yaml.safe_dump(values, allow_unicode=True, sort_keys=False)}---\n\n"


def _configs(info: CardInfo) -> list[dict[str, Any]]:
    kinds = list(dict.fromkeys(file.kind for file in info.files))
    return [
        {
            "config_name": kind if len(kinds) > 1 else "default",
            "data_files": [
                {"split": PurePosixPath(file.name).name.split("-")[0], "path": file.name}
                for file in info.files
                if file.kind == kind
            ],
        }
        for kind in kinds
    ]
