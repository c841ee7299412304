"""Markers of chat templates in the text go; code that shows them, and what only looks like them, stays."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.data.checks.base import Context
from studio.data.checks.template_tokens import TemplateTokens
from studio.data.render import Template


@pytest.mark.parametrize(
    ("broken", "whole"),
    [
        ("A stye heals by itself.<|im_end|>", "A stye heals by itself."),
        ("<|im_start|>assistant\nA stye heals.", "A stye heals."),
        ("<|start_header_id|>assistant<|end_header_id|>\n\nA stye heals.<|eot_id|>", "A stye heals."),
        ("<s>[INST] What is a stye? [/INST]", "What is a stye?"),
        ("<<SYS>>\nBe brief.\n<</SYS>>\n\nWhat?", "Be brief.\n\n\nWhat?"),
        ("<start_of_turn>model\nA gland.<end_of_turn>", "A gland."),
        ("<｜begin▁of▁sentence｜>你好<｜end▁of▁sentence｜>", "你好"),
        ("### Response:\nA gland.", "A gland."),
        ("Assistant: A gland.", "A gland."),
        ("A gland.</s>", "A gland."),
        ("A gland. im_end", "A gland."),  # brackets lost on the way
        ("A gland.<|im_end", "A gland."),  # cut off
        ("One.<|im_end|>\n<|im_start|>user\nTwo?", "One.\nTwo?"),
    ],
)
def test_markers_go_with_the_role_of_their_header(broken: str, whole: str) -> None:
    check = TemplateTokens()
    assert check.marks(broken)
    assert check.mend(broken) == whole
    assert not check.marks(whole)


@pytest.mark.parametrize(
    "text",
    [
        "Qwen ends a turn with `<|im_end|>`.",
        "```\n<|im_start|>user\nHi<|im_end|>\n```",
        "Use List<String> and a < b | c > d.",
        "What is <s>struck out</s> is gone.",  # HTML's, and another check's
        "### Results\nThe response: good.",
        "The assistant: a person who assists.",
        "im_start(frame) draws it; x.im_end is its end.",
        "Users: many. User stories help.",
        "",
    ],
)
def test_code_and_ordinary_words_stay(text: str) -> None:
    assert not TemplateTokens().marks(text)
    assert TemplateTokens().mend(text) == text


def test_the_special_tokens_of_the_chosen_base_count_as_well(model_folder: Callable[..., Path]) -> None:
    template = Template.load(model_folder("phi3"))
    for special in template.special_texts:
        assert TemplateTokens(Context("b", template)).marks(f"A gland. {special}") or special in ("<s>",)


def test_a_hundred_thousand_brackets_are_looked_at_in_a_moment() -> None:
    began = time.monotonic()
    for text in ("<|" * 50_000, "<" * 100_000, "\n### " * 20_000, "[INST" * 20_000, "im_" * 33_000, "Human " * 16_000):
        TemplateTokens().marks(text)
    assert time.monotonic() - began < 2
