"""What a training would allocate, counted by torch itself on tensors that have shapes but no content: no card is needed.

    a config ─► the model without content, LoRA by PEFT ─► passes and a step ─► the most bytes of storages alive at once

Counted on torch's CPU kernels, whose fused attention keeps the same tensors as a card's does. What only a card has is left out:
the workspace of cuBLAS, and what the allocator reserves beyond what it hands out.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from studio.train.estimates import Shapes, decoder_of
from studio.train.memory import Batch
from studio.train.spec import Precision, TrainSpec

__all__ = ["shapes_of_config", "storage_peak"]

#: The CUDA allocator's smallest unit (kMinBlockSize in CUDACachingAllocator).
_UNIT = 512


class Storages(TorchDispatchMode):
    """Bytes of all storages that are alive: `now`, and `peak` at most."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._alive: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                self.add(tensor)
        return made

    def add(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key = id(storage)
        if key in self._alive and self._alive[key]() is storage:
            return
        size = -(-storage.nbytes() // _UNIT) * _UNIT
        self._alive[key] = weakref.ref(storage, self._gone(key, size))
        self.now += size
        self.peak = max(self.peak, self.now)

    def _gone(self, key: int, size: int) -> Callable[[Any], None]:
        def forget(_: Any) -> None:
            self.now -= size
            self._alive.pop(key, None)

        return forget


def shapes_of_config(config: Any) -> Shapes:
    """What the files of such a base would say."""
    from studio.train.estimates import _NO_ADAPTER

    linear, other = [], 0
    for name, weight in _empty(config, torch.float32).named_parameters():  # a tied head comes once
        if weight.dim() == 2 and not any(part in name for part in _NO_ADAPTER):
            linear.append((weight.shape[0], weight.shape[1]))
        else:
            other += weight.numel()
    return Shapes(tuple(linear), other, decoder_of(config.to_dict()))


def storage_peak(config: Any, spec: TrainSpec, batch: Batch) -> int:
    """Bytes of a step of AdamW with two passes, as with accumulation: the second one finds gradients there."""
    from peft import LoraConfig, get_peft_model

    dtype = torch.bfloat16 if spec.precision == Precision.BFLOAT16 else torch.float32
    lora = {"r": spec.lora_rank, "lora_alpha": spec.lora_alpha, "lora_dropout": spec.lora_dropout}
    model: Any = get_peft_model(_empty(config, dtype), LoraConfig(**lora, target_modules="all-linear", task_type="CAUSAL_LM"))
    with FakeTensorMode(), _masks(batch, model):
        _fill(model)
        if spec.gradient_checkpointing:
            model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
        model.train()
        trained = [weight for weight in model.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(trained, foreach=True)
        storages = Storages()
        for tensor in [*model.parameters(), *model.buffers()]:
            storages.add(tensor)
        with storages:
            for weight in trained:
                weight.grad = torch.zeros_like(weight)
            optimizer.step()  # from the second step on there are moments
            optimizer.zero_grad()
            for _ in range(2):
                _loss(model, batch).backward()
            torch.nn.utils.clip_grad_norm_(trained, spec.max_grad_norm)
            optimizer.step()
    return storages.peak


def _loss(model: Any, batch: Batch) -> torch.Tensor:
    """As `studio.train.loss.summed_nll`, whose choice of positions would need content: here the first ones of all."""
    inner = model.get_base_model()
    ids = torch.zeros((batch.rows, batch.width), dtype=torch.long)
    mask = {"attention_mask": torch.ones_like(ids)} if batch.rows > 1 else {}
    hidden = inner.base_model(input_ids=ids, use_cache=False, **mask).last_hidden_state
    logits = inner.lm_head(hidden.flatten(0, 1)[: batch.targets].clone()).float()
    goals = torch.zeros(batch.targets, dtype=torch.long)
    return torch.nn.functional.cross_entropy(logits, goals, reduction="none").sum()


def _empty(config: Any, dtype: torch.dtype) -> Any:
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config, dtype=dtype)


@contextlib.contextmanager
def _masks(batch: Batch, model: Any) -> Iterator[None]:
    """A single row needs no mask, which transformers finds out by looking at content."""
    if batch.rows > 1:
        yield
        return
    module = type(model.get_base_model()).__module__
    with mock.patch(f"{module}.create_causal_mask", lambda **_: None):
        yield


def _fill(model: Any) -> None:
    """Storages in place of the meta device's none; shared weights stay shared."""
    made: dict[int, torch.nn.Parameter] = {}
    for module in model.modules():
        for name, weight in module._parameters.items():
            if weight is not None:
                new = made.get(id(weight))
                if new is None:
                    new = torch.nn.Parameter(torch.empty(weight.shape, dtype=weight.dtype), requires_grad=weight.requires_grad)
                    made[id(weight)] = new
                module._parameters[name] = new
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype)
