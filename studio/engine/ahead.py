"""What prompt learning puts before a text, as the beginning of a cache: once it is there, the base goes on by itself.

    prefix tuning              n keys and values in each layer, as they were learned
    prompt tuning, P-tuning    n vectors that are read as if they were tokens

PEFT's own wrapper would compute this at every call, and cannot be switched per request. Positions count on from the n virtual
tokens, as they did while these were trained.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Ahead", "ahead_of", "n_virtual_tokens"]

_KEYS_AND_VALUES, _VECTORS = ("PREFIX_TUNING",), ("PROMPT_TUNING", "P_TUNING")

_NAME = "prompt_embeddings"


@dataclass(frozen=True)
class Ahead:
    """`learned` is (n, width) of vectors, or (n, layers · 2 · heads · head width) of keys and values."""

    learned: Any
    is_cache: bool
    heads: int

    def fill(self, cache: Any, model: Any) -> None:
        """Begin `cache` with it. Raises ValueError where it is of another model."""
        learned = self.learned.to(model.device, model.dtype)
        n = len(learned)
        if not self.is_cache:
            if learned.shape[1] != model.get_input_embeddings().weight.shape[1]:
                raise ValueError(f"its vectors have {learned.shape[1]} numbers")
            model(inputs_embeds=learned[None], past_key_values=cache, use_cache=True, logits_to_keep=1)
            return
        layers = model.config.get_text_config().num_hidden_layers
        parts = learned.view(n, 2 * layers, self.heads, -1).permute(1, 2, 0, 3)  # (2 · layers, heads, n, head width)
        for layer in range(layers):
            cache.update(parts[2 * layer][None], parts[2 * layer + 1][None], layer)


def ahead_of(folder: Path) -> Ahead | None:
    """Of an adapter in PEFT's format; None for one that changes layers. Raises ValueError for prompt learning of another kind."""
    config = _config(folder)
    kind = config.get("peft_type")
    if "num_virtual_tokens" not in config:
        return None
    if kind not in (*_KEYS_AND_VALUES, *_VECTORS):
        raise ValueError(f"{kind} is a kind of prompt learning that this engine does not know")
    from safetensors.torch import load_file

    return Ahead(load_file(folder / "adapter_model.safetensors")[_NAME], kind in _KEYS_AND_VALUES, config["num_attention_heads"])


def n_virtual_tokens(folder: Path) -> int:
    """That many tokens of the context are taken by it."""
    return int(_config(folder).get("num_virtual_tokens") or 0)


def _config(folder: Path) -> dict[str, Any]:
    """Empty for a folder that has none: whoever loads it says what is wrong."""
    try:
        found = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
