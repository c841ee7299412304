"""The model card of a run as Hugging Face's hub reads it: a YAML header, then Markdown. Pure: facts in, text out."""

from __future__ import annotations

import html
import math
import re
from dataclasses import dataclass
from typing import Any

import yaml

from studio.data.store import DatasetInfo
from studio.models.catalogue import Base
from studio.text import Lang, bytes_text, date_text, device_text, duration_text, number_text, text
from studio.train.service import Origin, Run
from studio.train.spec import TrainSpec

__all__ = ["CardFacts", "model_card"]

#: Settings that a card tells, in its order; the words are the form's.
_SETTINGS = (
    "method",
    "epochs",
    "learning_rate",
    "warmup_share",
    "per_device_batch_size",
    "gradient_accumulation_steps",
    "max_seq_len",
    "lora_rank",
    "lora_alpha",
    "lora_dropout",
    "target_modules",
    "lora_plus_ratio",
    "first_rank",
    "virtual_tokens",
    "bits",
    "optimizer",
    "weight_decay",
    "max_grad_norm",
    "train_share",
    "seed",
)


@dataclass(frozen=True)
class CardFacts:
    """`facts` is what the training told of itself, `noticed` what its detectors told: (key, params). `is_whole`: not an adapter,
    but a model of its own.
    """

    run: Run
    dataset: DatasetInfo
    base: Base
    origin: Origin | None
    facts: dict[str, Any]
    noticed: list[tuple[str, dict[str, Any]]]
    is_whole: bool = False

    @property
    def began_with(self) -> str:
        """What was there before the first step, as Markdown."""
        return f"{_plain(self.origin.run.name)}, {self.origin.step}" if self.origin else _plain(self.base.name)


def model_card(given: CardFacts, lang: Lang) -> str:
    sections = [
        f"# {_plain(given.run.name)}",
        _intro(given, lang),
        f"## {text(lang, 'model_card.results')}",
        _results(given, lang),
        f"## {text(lang, 'model_card.data')}",
        _data(given, lang),
        f"## {text(lang, 'model_card.procedure')}",
        _procedure(given, lang),
        f"## {text(lang, 'model_card.limits')}",
        text(lang, "model_card.limits.text"),
        f"## {text(lang, 'model_card.use')}",
        _use(given),
    ]
    if versions := given.facts.get("versions"):
        lines = "\n".join(f"- {name} {version}" for name, version in versions.items())
        sections += [f"## {text(lang, 'model_card.versions')}", lines]
    return _header(given) + "\n\n".join(sections) + "\n"


def _intro(given: CardFacts, lang: Lang) -> str:
    how = {"method": text(lang, f"enum.Method.{given.run.method}"), "stage": text(lang, f"enum.Stage.{given.run.stage}")}
    said = text(lang, "model_card.intro", base=_plain(given.base.name), dataset=_plain(given.dataset.name), **how)
    return f"{said} {text(lang, 'model_card.on_top', name=given.began_with)}" if given.origin else said


def _header(given: CardFacts) -> str:
    values: dict[str, Any] = {
        "base_model": given.base.ref or given.base.name,
        "base_model_relation": "finetune" if given.is_whole else "adapter",
        "library_name": "transformers" if given.is_whole else "peft",
        "pipeline_tag": "text-generation",
        "tags": [given.run.method, given.run.stage, "finetune-studio"],
    }
    if given.base.licence:
        values["license"] = given.base.licence
    return f"---\n{yaml.safe_dump(values, allow_unicode=True, sort_keys=False)}---\n\n"


def _results(given: CardFacts, lang: Lang) -> str:
    result = given.run.job.result or {}
    base_loss, best_loss = result.get("base_loss"), result.get("best_loss")
    if base_loss is None or best_loss is None:
        return text(lang, "model_card.not_measured")
    head = [text(lang, f"model_card.table.{name}") for name in ("model", "loss", "perplexity")]
    lines = [
        [given.began_with, number_text(base_loss), number_text(math.exp(base_loss))],
        [f"{_plain(given.run.name)}, {result['best_step']}", number_text(best_loss), number_text(math.exp(best_loss))],
    ]
    if given.run.watched:  # the loss of preferences and rewards is no log-likelihood of tokens
        head = [head[0], text(lang, "model_card.table.loss_of")]
        lines = [line[:2] for line in lines]
    told = [f"- {text(lang, f'detect.{key}', **params)}" for key, params in given.noticed]
    is_nll = not given.run.watched
    parts = [_table(head, lines), text(lang, "model_card.loss_is" if is_nll else f"runs.how.{given.run.stage}")]
    return "\n\n".join([*parts, text(lang, "model_card.noticed"), "\n".join(told)] if told else parts)


def _data(given: CardFacts, lang: Lang) -> str:
    used = given.run.spec["dataset"]
    lines = [
        f"- {text(lang, 'model_card.dataset', name=_plain(given.dataset.name), revision=used['revision'], hash=used['hash'])}",
        f"- {text(lang, 'model_card.split')}",
    ]
    return "\n".join(lines)


def _procedure(given: CardFacts, lang: Lang) -> str:
    spec, result, facts = given.run.spec, given.run.job.result or {}, given.facts
    silent = TrainSpec.silent(given.run.method, spec.get("stage", "sft"))
    lines = [
        [text(lang, f"field.TrainSpec.{name}.label"), number_text(spec[name]) if _is_number(spec[name]) else str(spec[name])]
        for name in _SETTINGS
        if spec.get(name, "") != "" and name not in silent
    ]
    parts = [_table([text(lang, "model_card.table.setting"), text(lang, "model_card.table.value")], lines)]
    if facts:
        told = {name: facts[name] for name in ("trainable", "parameters", "precision")}
        parts.append(text(lang, "model_card.trained_on", device=device_text(lang, facts["device"]), **told))
    if result.get("seconds") and result.get("peak_bytes"):
        took = {"took": duration_text(lang, result["seconds"]), "peak": bytes_text(result["peak_bytes"])}
        ended = given.run.job.ended_at or given.run.created_at
        parts.append(text(lang, "model_card.took", steps=result["steps"], at=date_text(ended), **took))
    return "\n\n".join(parts)


def _use(given: CardFacts) -> str:
    """Python that loads the checkpoint."""
    if given.is_whole:
        return (
            "```python\n"
            "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
            'model = AutoModelForCausalLM.from_pretrained("path/to/this/folder")\n'
            'tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")\n'
            "```"
        )
    base = (given.base.ref or given.base.name).replace('"', "")
    return (
        "```python\n"
        "from peft import PeftModel\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f'base = AutoModelForCausalLM.from_pretrained("{base}")\n'
        'model = PeftModel.from_pretrained(base, "path/to/this/folder")\n'
        f'tokenizer = AutoTokenizer.from_pretrained("{base}")\n'
        "```"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _table(head: list[str], lines: list[list[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def _plain(words: str) -> str:
    """A name that people gave, as text of Markdown: no tag, no link, no heading, no emphasis."""
    return re.sub(r"([\\`*_\[\]#!])", r"\\\1", html.escape(" ".join(words.split()), quote=False))
