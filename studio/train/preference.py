"""TRL's trainers of preferences on our rows: tokens as `data/examples.py` gives them, our order, counts and checkpoints.

The reference is the model with its adapter off; where a run goes on from a checkpoint, a frozen copy of that adapter ("ref").
A full fine-tune writes down what its reference says of every row before the first step, so that one model is in memory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerFast
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DataCollatorForPreference, DPOTrainer
from trl.trainer.kto_config import KTOConfig
from trl.trainer.kto_trainer import DataCollatorForUnpairedPreference, KTOTrainer

from studio.train.arguments import training_arguments
from studio.train.batches import ExampleRow
from studio.train.rows import pad_id
from studio.train.spec import TrainSpec
from studio.train.stages.base import Parts
from studio.train.stepping import Measured, Stepping

__all__ = ["DPOConfig", "JudgedTrainer", "KTOConfig", "PairTrainer", "trl_parts"]

#: What TRL's log calls them, and what events and charts do. Rewards are β · log-ratios, log-probabilities nats an answer.
_SCORES = {
    "rewards/chosen": "reward_chosen",
    "rewards/rejected": "reward_rejected",
    "rewards/margins": "margin",
    "rewards/accuracies": "accuracy",
    "logps/chosen": "logp_chosen",
    "logps/rejected": "logp_rejected",
    "kl": "kl",
}


def trl_parts(
    config: Any,
    spec: TrainSpec,
    parts: Parts,
    own: dict[str, Any],
    options: dict[str, Any],
    columns: Callable[[ExampleRow], dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Arguments of one of the trainers below; `config` is TRL's class of settings, `own` those of the stage."""
    more = dict(options.pop("more", None) or {})
    is_full = spec.method == "full"
    # Rows are tokens already, of the length that was asked for.
    known = {item.name for item in dataclasses.fields(config)}
    usual = {"max_length": None, "precompute_ref_log_probs": is_full, "remove_unused_columns": False}
    usual = {name: value for name, value in usual.items() if name in known}
    arguments = training_arguments(spec, parts, usual | own | more, kind=config)
    model, adapter = spec.how.prepared(parts.model, spec), None
    steps = spec.planned_steps(len(parts.train_rows))
    if parts.start is not None:
        model = spec.how.applied(model, spec, steps)
        spec.how.start(model, parts.start)
    elif not is_full:
        adapter = spec.how.config(model, spec, steps)
    return {
        "model": model,
        "peft_config": adapter,
        "args": arguments,
        "spec": spec,
        "rows": parts.train_rows,
        "processing_class": _tokenizer(parts),
        "pad": pad_id(parts.template),
        "train_dataset": dataset_of(parts.train_rows.rows, columns),
        "eval_dataset": dataset_of(parts.validation_rows.rows, columns) if len(parts.validation_rows) else None,
    } | options


def dataset_of(rows: Sequence[ExampleRow], columns: Callable[[ExampleRow], dict[str, Any]] | None = None) -> Dataset:
    """As TRL's trainers hold rows that are tokens already."""
    return Dataset.from_list([(columns or _columns)(row) for row in rows])


def _columns(row: ExampleRow) -> dict[str, Any]:
    example = row.example
    shared = {"prompt_ids": example.prompt, "row": row.row_id}
    if example.label is None:
        chosen, rejected = example.answers
        return shared | {"chosen_ids": chosen, "rejected_ids": rejected}
    return shared | {"completion_ids": example.answers[0], "label": example.label}


def _tokenizer(parts: Parts) -> Any:
    """TRL asks it for the padding token and the end of an answer, and for nothing else here."""
    own, ends = parts.template.tokenizer, sorted(parts.template.end_ids)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=own)
    tokenizer.pad_token = own.id_to_token(pad_id(parts.template))
    tokenizer.eos_token = own.id_to_token(ends[0]) if ends else tokenizer.pad_token
    return tokenizer


class _Preferring(Stepping):
    """What both have in common: rows as tokens, and the numbers that TRL tells of them."""

    score_names = _SCORES

    def __init__(self, *args: Any, pad: int, spec: TrainSpec, **kwargs: Any) -> None:
        self._collator = self._make_collator(pad)
        super().__init__(*args, spec=spec, data_collator=self._collate, **kwargs)
        self.float_adapter()

    def _make_collator(self, pad: int) -> Any:
        raise NotImplementedError

    def _collate(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = self._collator(examples)
        return batch | {"rows": torch.tensor([example["row"] for example in examples])}

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        """They are prepared."""
        return dataset

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        inputs = dict(inputs)
        rows = inputs.pop("rows")
        loss = super().compute_loss(model, inputs)  # type: ignore[misc]
        if model.training:
            step = self._facts
            step.tokens += int(inputs["attention_mask"].sum())
            step.targets += int(inputs["completion_mask"].sum())
            step.rows += rows.tolist()
            step.row_losses.append(loss.detach().expand(len(rows)))  # TRL keeps those of single rows to itself
        return self.with_penalty(loss, model)

    def measure(self, rows: Any) -> Measured:
        """Means over rows of the loss and of TRL's numbers."""
        held = dataset_of(rows.rows) if self.eval_dataset is None else self.eval_dataset
        size = self.args.eval_batch_size
        metrics = self._metrics["eval"]  # type: ignore[attr-defined]
        sums: dict[str, float] = {}
        counts: dict[str, int] = {}
        for start in range(0, len(held), size):
            examples = [held[at] for at in range(start, min(start + size, len(held)))]
            batch = self._prepare_inputs(self._collate(examples))  # type: ignore[attr-defined]
            metrics.clear()
            with self.compute_loss_context_manager():
                loss = float(self.compute_loss(self.model, batch))
            told = {"loss": loss} | {ours: metrics[theirs][-1] for theirs, ours in _SCORES.items() if metrics.get(theirs)}
            n_bad = sum(not example.get("label", False) for example in examples)
            n_good = sum(bool(example.get("label", True)) for example in examples)
            for name, value in told.items():
                n_rows = n_good if name.endswith("_chosen") else n_bad if name.endswith("_rejected") else len(examples)
                sums[name] = sums.get(name, 0.0) + value * n_rows
                counts[name] = counts.get(name, 0) + n_rows
        metrics.clear()
        means = {name: sums[name] / counts[name] for name in sums}
        if {"reward_chosen", "reward_rejected"} <= means.keys():
            means["margin"] = means["reward_chosen"] - means["reward_rejected"]
        return Measured(means.pop("loss"), means)


class PairTrainer(_Preferring, DPOTrainer):
    """DPO and its relatives, on pairs."""

    def _make_collator(self, pad: int) -> Any:
        return DataCollatorForPreference(pad_token_id=pad)


class JudgedTrainer(_Preferring, KTOTrainer):
    """KTO, on single answers with a label."""

    def _make_collator(self, pad: int) -> Any:
        return DataCollatorForUnpairedPreference(pad_token_id=pad)

    def _collate(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """Its zero point is estimated on prompts with the answer of their neighbour in the batch (section 4.1)."""
        others = [examples[-1], *examples[:-1]]
        pairs = zip(examples, others, strict=True)
        return super()._collate([one | {"KL_completion_ids": other["completion_ids"]} for one, other in pairs])
