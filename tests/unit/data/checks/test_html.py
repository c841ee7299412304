"""Markup of web pages goes and the words stay; code, generics and rows that speak of markup are left."""

from __future__ import annotations

import time

import pytest

from studio.data.checks.base import RowView
from studio.data.checks.html import Html
from studio.data.rows import NewRow


def row(question: str, answer: str) -> NewRow:
    return NewRow("chat", {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]})


@pytest.mark.parametrize(
    ("broken", "whole"),
    [
        ("<p>A stye.</p><p>It heals.</p>", "A stye.\n\nIt heals."),
        ("One<br>two<br/>\nthree", "One\ntwo\nthree"),
        ("Do this:<ul><li>rest</li><li>drink</li></ul>Then wait.", "Do this:\n- rest\n- drink\n\nThen wait."),
        ("<b>Important</b>: see <a href='https://a.org/x?y=1&z=2'>this page</a>.", "Important: see this page."),
        ("Tom &amp; Jerry &lt;3&nbsp;cheese", "Tom & Jerry <3 cheese"),
        ("Q&amp;amp;A", "Q&A"),
        ("x<script>alert(1)</script><!-- note -->y", "xy"),
        ("&lt;p&gt;Twice&lt;/p&gt;", "Twice"),  # escaped once more than it was meant
        ("<div class=\"a\" style='b'>眼压高</div>", "眼压高"),
        ("术后<strong>三天</strong>内&hellip;", "术后三天内…"),
        ("H<sub>2</sub>O", "H2O"),
        ("6.0 × 10<sup>9</sup>/L on the 1<sup>st</sup> day, 2<sup>n</sup>", "6.0 × 10⁹/L on the 1st day, 2ⁿ"),  # not 109
        ("<h2>Dose</h2>5&nbsp;mg", "Dose\n\n5 mg"),
        ("<table><tr><th>Drug</th><th>Dose</th></tr>\n<tr><td>A</td><td>5 mg</td></tr></table>", "Drug | Dose\nA | 5 mg"),
        ("<ul><li>a<ul><li>b</li></ul></li><li><p>c</p></li></ul>", "- a\n  - b\n- c"),
        ("Rest.\n\nDrink <b>water</b>.\nSleep.", "Rest.\n\nDrink water.\nSleep."),  # line breaks far from a tag are not its own
        ("<noscript>Please enable JavaScript</noscript>A stye.", "A stye."),
        ("A stye.<!--[if IE]>", "A stye."),
        ("It heals.</a>", "It heals."),
        ("<P ALIGN=center>A stye.</P>", "A stye."),
        ("&nbsp;&nbsp;你好&#65292;世界&#x3002;", "你好，世界。"),
        ("`<b>` and <b>bold</b> and `&amp;`", "`<b>` and bold and `&amp;`"),
        (
            "<p>Use:</p><pre><code>if a &lt; b:\n    print(&quot;&lt;div&gt;&quot;)\n</code></pre><p>and <code>len</code>.</p>",
            'Use:\n\n```\nif a < b:\n    print("<div>")\n```\n\nand `len`.',  # what the code prints is not taken for a tag
        ),
    ],
)
def test_markup_becomes_text(broken: str, whole: str) -> None:
    check = Html()
    assert check.marks(broken)
    assert check.mend(broken) == whole
    assert not check.marks(whole)
    assert check.mend(whole) == whole


@pytest.mark.parametrize(
    "text",
    [
        "Map<String, List<Integer>> is generic, and a < b && c > d compares.",
        "Put your <name> and <your-key> here, then <title>.",
        "Write to <eye@clinic.org>.",
        "x<y and y>z",
        "`<br>` breaks a line.",
        "```\n<p>code</p>\n```",
        "AT&T, R&D, a&b;c",
        "https://a.org/?copy=1&lt=2",
        "Answer within <summary> and </summary>, then <output>.",  # names that prompts make up
        "If a <b and c> d, take c.",
        "Box<P> and Foo<A> are generic; <Button> is a component; press <Del>.",
        "| eye | pressure<br>mmHg |\n| --- | --- |",  # a table of Markdown has no other line break
        "<3 and <- and -> and <https://a.org>",
    ],
)
def test_what_only_looks_like_markup_stays(text: str) -> None:
    assert not Html().marks(text)
    assert Html().mend(text) == text


def test_a_row_that_speaks_of_markup_means_it() -> None:
    for asked in ("Which HTML tag breaks a line?", "网页里怎么换行？"):
        meant = row(asked, "Use <br>.")
        assert not Html().spots(RowView(meant))
        assert Html().mended(meant) == [meant]
    assert Html().spots(RowView(row("How do I break a line?", "Use it.<br>")))


def test_words_of_medicine_are_not_words_of_the_web() -> None:
    """React, selenium, entities, skin tags: a row about them is not about markup."""
    for asked in ("Does the skin react to selenium?", "What are skin tags, and which entities resemble them?"):
        assert Html().spots(RowView(row(asked, "<p>Rarely.</p>")))


def test_a_row_that_would_be_empty_is_left_for_a_person() -> None:
    nothing = row("What is it?", "<br>")
    assert Html().spots(RowView(nothing))
    assert Html().mended(nothing) == [nothing]


def test_places_are_told_with_what_they_are() -> None:
    text = "A&nbsp;b<!-- c --><br>"
    assert [(text[mark.start : mark.end], mark.what) for mark in Html().marks(text)] == [
        ("&nbsp;", "entity"),
        ("<!-- c -->", "comment"),
        ("<br>", "tag"),
    ]


HOSTILE = ["<", "<a ", "<a b=", "<p a=b", "<p>", "<p>`", "<!--", "<script>", "<pre>", "<sup>", "<td>", " <b> </b>", "&amp;"]


@pytest.mark.parametrize("piece", [*HOSTILE, "<p" + " " * 99_997, "&" + "amp;" * 24_999])
def test_a_hundred_thousand_brackets_are_looked_at_and_mended_in_a_moment(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    began = time.monotonic()
    Html().mend(text)
    Html().marks(text)
    assert time.monotonic() - began < 2
