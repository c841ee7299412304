"""The loss, on target positions only.

Half of a training step on a small model is its head: 49,152 logits for every position, most of which no loss looks at.
Taking the hidden states first and the head only where a target stands gives the same number for a fraction of the work.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.nn import functional

from studio.train.batches import IGNORED

__all__ = ["BatchLoss", "head_is_plain", "summed_nll", "summed_nll_plain"]

#: What a batch holds beside the model's inputs.
_NOT_INPUTS = ("labels", "rows")


class BatchLoss(NamedTuple):
    """`total`: Σ −log p(target) in nats over the batch; `by_row` (B): each row's mean, 0 for one without targets, no gradient."""

    total: torch.Tensor
    n_targets: int
    by_row: torch.Tensor


def _parts(model: Any) -> tuple[Any, Any]:
    """The decoder and the head of a causal language model, PEFT's wrapper looked through."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return inner.base_model, inner.get_output_embeddings()


def summed_nll(model: Any, batch: dict[str, torch.Tensor]) -> BatchLoss:
    """The loss of a batch. Shapes: B rows, T tokens, N targets, D width, V words."""
    decoder, head = _parts(model)
    inputs = {name: value for name, value in batch.items() if name not in _NOT_INPUTS}
    hidden = decoder(**inputs, use_cache=False).last_hidden_state  # (B, T, D)
    targets = batch["labels"][:, 1:]  # (B, T-1): position t predicts token t+1
    counts = targets != IGNORED
    logits = head(hidden[:, :-1][counts]).float()  # (N, V)
    return _summed(functional.cross_entropy(logits, targets[counts], reduction="none"), counts, batch)


def summed_nll_plain(model: Any, batch: dict[str, torch.Tensor]) -> BatchLoss:
    """The same sum through the model's own logits: for heads that do more than one product (soft caps, scales), and where
    virtual tokens stand before the input, of which PEFT gives logits as well.
    """
    inputs = {name: value for name, value in batch.items() if name not in _NOT_INPUTS}
    width = batch["input_ids"].shape[1]
    logits = model(**inputs, use_cache=False).logits[:, -width:-1].float()  # (B, T-1, V)
    targets = batch["labels"][:, 1:]
    counts = targets != IGNORED
    losses = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="none")
    return _summed(losses.view(targets.shape)[counts], counts, batch)


def _summed(losses: torch.Tensor, counts: torch.Tensor, batch: dict[str, torch.Tensor]) -> BatchLoss:
    """`losses` (N) stand where `counts` (B, T-1) is true, row by row. Rows that were packed into one are told apart again."""
    row_of = counts.nonzero()[:, 0]  # (N)
    if "position_ids" in batch:
        row_of = (batch["position_ids"] == 0).cumsum(1)[:, 1:][counts] - 1
    n_rows = len(batch["rows"]) if "rows" in batch else len(counts)
    sums = torch.zeros(n_rows, device=losses.device).index_add_(0, row_of, losses.detach().float())
    n_of = torch.bincount(row_of, minlength=n_rows)
    return BatchLoss(losses.sum(), len(losses), sums / n_of.clamp(min=1))


@torch.no_grad()
def head_is_plain(model: Any, batch: dict[str, torch.Tensor]) -> bool:
    """Whether the short way gives the model's own logits, tried on the first row's first tokens rather than assumed."""
    was_training = model.training
    model.eval()  # dropout would make the two passes differ
    try:
        decoder, head = _parts(model)
        ids = batch["input_ids"][:1, :16]
        short = head(decoder(input_ids=ids, use_cache=False).last_hidden_state).float()
        own = model(input_ids=ids, use_cache=False).logits.float()
    except (AttributeError, TypeError):
        return False  # an architecture that is not laid out as decoder and head
    finally:
        model.train(was_training)
    return bool(short.shape == own.shape and torch.allclose(short, own, rtol=1e-2, atol=1e-2))
