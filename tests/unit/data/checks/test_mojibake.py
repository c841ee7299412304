"""Text in a wrong encoding comes back where it can; what is lost is shown; other languages and rare characters are left."""

from __future__ import annotations

import time

import pytest

from studio.data.checks.mojibake import Mojibake

CHINESE = "青光眼会损害视神经，应当尽早检查眼压。"


@pytest.mark.parametrize(
    ("whole", "written", "read"),
    [
        ("Für die schöne Aussicht – naïve", "utf-8", "latin-1"),
        ("She didn’t say “no” — she couldn’t.", "utf-8", "sloppy-windows-1252"),
        ("£5 for 2½ litres", "utf-8", "latin-1"),
        (CHINESE, "utf-8", "latin-1"),
        ("她说：" + CHINESE, "gb18030", "latin-1"),
        ("这是病人主诉", "utf-8", "gb18030"),  # an even number of bytes: nothing is lost
        ("Montréal", "utf-8", "gb18030"),
    ],
)
def test_what_was_read_in_the_wrong_encoding_comes_back(whole: str, written: str, read: str) -> None:
    """The oracle is the codecs themselves: written in one, read in the other."""
    check = Mojibake()
    broken = whole.encode(written).decode(read)
    assert check.marks(broken)
    assert check.mend(broken) == whole
    assert not check.marks(whole)
    assert check.mend(whole) == whole


def test_read_wrongly_twice_it_is_mended_twice() -> None:
    broken = "schön".encode().decode("latin-1").encode().decode("latin-1")
    assert Mojibake().mend(broken) == "schön"


def test_only_the_damaged_run_changes() -> None:
    damaged = "的时候看到，".encode().decode("gb18030")
    assert Mojibake().mend(f"浏览{damaged}完成。") == "浏览的时候看到，完成。"


@pytest.mark.parametrize("text", ["锟斤拷锟斤拷", "看到\ufffd\ufffd了", "烫烫烫烫", "鐨勬椂鍊欑湅鍒\ufffd"])
def test_what_is_lost_is_found_and_left(text: str) -> None:
    check = Mojibake()
    assert "lost" in [mark.what for mark in check.marks(text)]
    assert check.mend(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Über die Straße, ça où, ñandú, İstanbul, Łódź, Škoda, Ærø",
        "Tiếng Việt: Đà Nẵng, phở, bệnh viện",
        "繁體中文：龘靐齉與癲癇、痤瘡、褥瘡",
        "患者痤疮、褥疮、胱氨酸尿症，鼻衄三天。",
        "日本語のテスト、한국어 시험",
        "😀 ∑∫≈ ½ €5 ™ ©",
        "┌──┐│a│└──┘",
        "I say 你好 to 王芳 and drink 茅台 there.",
        "烫了头发，屯了粮食",
        "«Où est l’hôpital ?»",
    ],
)
def test_other_languages_and_rare_characters_are_clean(text: str) -> None:
    assert not Mojibake().marks(text)
    assert Mojibake().mend(text) == text


def test_a_hundred_thousand_characters_are_looked_at_in_a_moment() -> None:
    for sign in ("é", "Ã©", "鐨", "鐨勬", "中", "é a", "\ufffd"):
        text = sign * (100_000 // len(sign))
        began = time.monotonic()
        Mojibake().marks(text)
        assert time.monotonic() - began < 2
