"""Greedy answers of the model that trains, many at once: no random number is drawn, so the steps after it are what they were."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from studio.data.render import Template
from studio.errors import StudioError

__all__ = ["greedy_answers", "greedy_ids"]

#: Prompts that are answered together: what a training has beside its own batch in memory stays small.
_TOGETHER = 16


@torch.no_grad()
def greedy_answers(
    model: Any, template: Template, questions: Sequence[str], *, max_new_tokens: int, may_go_on: Callable[[], bool]
) -> list[str] | None:
    """One answer a question; None when `may_go_on` said no in between. A base without a chat
    template goes on with the question's own text.

    `model` may be in training mode and is left as it was.
    """
    prompts = [_prompt(template, question) for question in questions]
    written = greedy_ids(model, template, prompts, max_new_tokens=max_new_tokens, may_go_on=may_go_on)
    return None if written is None else [template.tokenizer.decode(ids).strip() for ids in written]


@torch.no_grad()
def greedy_ids(
    model: Any, template: Template, prompts: Sequence[list[int]], *, max_new_tokens: int, may_go_on: Callable[[], bool]
) -> list[list[int]] | None:
    """The tokens of one answer a prompt, end tokens left out; none for an empty prompt."""
    from transformers import GenerationConfig

    pad = next(iter(sorted(template.end_ids)), 0)
    choice = GenerationConfig(
        do_sample=False, max_new_tokens=max_new_tokens, eos_token_id=sorted(template.end_ids) or None, pad_token_id=pad
    )
    answers: list[list[int]] = [[] for _ in prompts]
    order = sorted((at for at, ids in enumerate(prompts) if ids), key=lambda at: len(prompts[at]))
    was_training = model.training
    model.eval()
    try:
        for start in range(0, len(order), _TOGETHER):
            if not may_go_on():
                return None
            chosen = order[start : start + _TOGETHER]
            width = max(len(prompts[at]) for at in chosen)
            ids = torch.full((len(chosen), width), pad, device=model.device)  # padded on the left: answers begin together
            mask = torch.zeros_like(ids)
            for row, at in enumerate(chosen):
                ids[row, width - len(prompts[at]) :] = torch.tensor(prompts[at], device=model.device)
                mask[row, width - len(prompts[at]) :] = 1
            written = model.generate(input_ids=ids, attention_mask=mask, generation_config=choice, use_cache=True)
            for row, at in enumerate(chosen):
                answers[at] = [token for token in written[row, width:].tolist() if token not in template.end_ids]
    finally:
        model.train(was_training)
    return answers


def _prompt(template: Template, question: str) -> list[int]:
    try:
        return template.prompt_ids([{"role": "user", "content": question}])
    except StudioError:  # a base without a chat template completes the question's text
        return template.tokenizer.encode(question).ids
