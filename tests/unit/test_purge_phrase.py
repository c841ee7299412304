"""A phrase is found and blanked as people mean it, whatever its case, width and spacing, and in whatever file."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

from studio.purge.phrase import Phrase


@pytest.mark.parametrize(
    ("phrase", "text", "blanked"),
    [
        ("maria", "Ave MARIA, Ｍａｒｉａ!", "Ave [purged], [purged]!"),
        ("gómez", unicodedata.normalize("NFD", "x Gómez y"), "x [purged] y"),
        ("ガス管", "：ｶﾞｽ管。", "：[purged]。"),
        ("a b c", "a\u3000\n b  c d", "[purged] d"),
        ("straße", "STRASSE 5", "[purged] 5"),
        ("刘芳菲", "刘芳", "刘芳"),
    ],
)
def test_a_phrase_is_blanked_as_people_mean_it(phrase: str, text: str, blanked: str) -> None:
    assert Phrase(phrase).blank(text) == blanked


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb18030"])
@pytest.mark.parametrize("escaped", [True, False])
def test_a_phrase_is_found_in_a_file_across_a_chunks_end(tmp_path: Path, encoding: str, escaped: bool) -> None:
    path = tmp_path / "file"
    name = json.dumps("刘芳菲女士", ensure_ascii=escaped)
    path.write_text("中" * ((1 << 20) - 7) + name + "文" * 100, encoding)
    assert Phrase("刘芳菲女士").is_in_file(path)
    assert not Phrase("刘芳菲先生").is_in_file(path)
