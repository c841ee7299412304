"""The panel in which people work on rows: an element of our own, drawn by assets/js/data in the browser, fed by data_routes.py.

Gradio gives it a place and nothing else. Its words are the messages `rows.<name>`, handed over with the page.
"""

from __future__ import annotations

from collections.abc import Iterator

from studio.data.checks import CHECKS
from studio.data.rows import ROLES, SPLITS
from studio.text import Lang, catalogue, text

__all__ = ["SCRIPT", "rows_words"]

#: Loaded by every page; the element draws itself wherever a tab puts it.
SCRIPT = '<script type="module" src="/page/rows.js"></script>'


def _named(area: str, lang: Lang) -> Iterator[tuple[str, str]]:
    for key, message in catalogue(lang).items():
        found, _, name = key.partition(".")
        if found == area and "." not in name:
            yield name, message


def rows_words(lang: Lang) -> dict[str, str]:
    """What the script says, by the names that it uses."""
    words = dict(_named("rows", lang))
    words |= {f"role_{role}": text(lang, f"role.{role}") for role in ROLES}
    words |= {f"check_{key}": text(lang, f"check.{key}.name") for key in CHECKS}
    return words | {f"split_{split}": text(lang, f"split.{split}") for split in (*SPLITS, "none")}
