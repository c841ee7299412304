"""From logits to the next token. Knows no model and no text: float32 logits (V,) on the CPU come in, a token id comes out."""

from __future__ import annotations

import math
from typing import Any

from studio.engine.protocol import Decoding

__all__ = ["Sampler", "nucleus_edge"]

_NUCLEUS_GUESS = 1024  # candidates tried before the whole vocabulary is ranked for top_p


class Sampler:
    """Chooses tokens of one answer. The dice are its own and on the CPU: a seed means the same beside any other request."""

    def __init__(self, decoding: Decoding, prompt: list[int]) -> None:
        import torch

        self._decoding = decoding
        self._seen = list(prompt)
        self._dice = torch.Generator(device="cpu")
        if decoding.seed is None:
            self._dice.seed()
        else:
            self._dice.manual_seed(decoding.seed)

    def next(self, logits: Any) -> int:
        """A token for float32 logits (V,)."""
        import torch

        if self._decoding.repetition_penalty != 1:
            logits = self._penalised(logits)
        if self._decoding.temperature == 0:
            token = int(logits.argmax())
        else:
            kept = self._filtered(logits / self._decoding.temperature)
            token = int(torch.multinomial(kept.softmax(-1), 1, generator=self._dice))
        self._seen.append(token)
        return token

    def _penalised(self, logits: Any) -> Any:
        """Each token of prompt and answer once: positive logits divided, negative ones multiplied (CTRL, arXiv:1909.05858)."""
        import torch

        seen = torch.tensor(sorted(set(self._seen)))
        values = logits[seen]
        penalty = self._decoding.repetition_penalty
        return logits.index_copy(0, seen, torch.where(values > 0, values / penalty, values * penalty))

    def _filtered(self, logits: Any) -> Any:
        """Logits (V,) with -inf for what top_k, then top_p, then min_p leave out; the likeliest token always stays."""
        choice = self._decoding
        if choice.top_k:
            logits = logits.masked_fill(logits < logits.topk(min(choice.top_k, len(logits))).values[-1], -math.inf)
        if choice.top_p < 1:
            logits = logits.masked_fill(logits < nucleus_edge(logits, choice.top_p), -math.inf)
        if choice.min_p > 0:
            logits = logits.masked_fill(logits < logits.max() + math.log(choice.min_p), -math.inf)
        return logits


def nucleus_edge(logits: Any, top_p: float) -> Any:
    """The smallest logit of the smallest set that holds the probability `top_p` (Holtzman et al. 2020, arXiv:1904.09751)."""
    for size in (_NUCLEUS_GUESS, len(logits)):
        values = logits.topk(min(size, len(logits))).values
        mass = (values - logits.logsumexp(-1)).exp().cumsum(-1)
        if mass[-1] >= top_p:
            break
    return values[min(int((mass < top_p).sum()), len(values) - 1)]
