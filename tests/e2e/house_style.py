"""How many answers carry the house style: greedily, in one batch, from the weights that the walk has trained."""

from __future__ import annotations

from pathlib import Path

from studio.data.render import Template

#: How each language's house style begins its last line.
OPENING = {"en": "See a doctor when", "zh": "何时就医："}

_MAX_TOKENS = 110


def count_house_style(base: Path, adapter: Path | None, questions: list[str], lang: str) -> int:
    """Answers whose second or a later line begins as the house style does."""
    return sum(
        any(line.startswith(OPENING[lang]) for line in answer.splitlines()[1:]) for answer in _answers(base, adapter, questions)
    )


def _answers(base: Path, adapter: Path | None, questions: list[str]) -> list[str]:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    template = Template.load(base)
    prompts = [template.prompt_ids([{"role": "user", "content": question}]) for question in questions]
    width = max(map(len, prompts))
    pad = min(template.end_ids)
    ids = torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter)
    with torch.inference_mode():
        out = model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=_MAX_TOKENS, do_sample=False, pad_token_id=pad
        )
    return [template.decode(row) for row in out[:, width:].tolist()]
