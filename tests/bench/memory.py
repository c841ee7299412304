"""Predicted memory beside what a training took.

    CPU    real steps of the starter model through our trainer and our loss, each training a fresh process: its peak (ru_maxrss)
    CUDA   no card: torch's own count of the storages of tensors without content, for bases of known shapes (tests/fake_training)

On CUDA the constant for cuBLAS is left out of both sides, and 4-bit bases, 8-bit moments and dropout are not compared: their
kernels have no such count without a card.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.models.catalogue import STARTER_ID, base_folder
from studio.settings import ROOT, load_settings
from studio.train.estimates import Shapes, shapes_of
from studio.train.memory import Batch, footprint
from studio.train.spec import Precision, TrainSpec
from tests.bench.memory_run import lengths_of, n_targets_of
from tests.bench.report import Report

_CPU_GOAL, _CUDA_GOAL = 0.25, 0.10
_STEPS, _SMALL_STEPS = 3, 1
_TIMEOUT_S = 1200
_MIB = 2**20


@dataclass(frozen=True)
class Case:
    """`share` of each row's tokens are targets; `more` goes over a spec of LoRA rank 16 without checkpointing."""

    base: str
    rows: int
    width: int
    share: float = 0.5
    precision: str = "float32"
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def spec(self) -> TrainSpec:
        usual = {"name": "bench", "base": {"id": "b", "revision": "0"}, "dataset": {"id": "d", "revision": 1, "hash": "0"}}
        sizes = {"per_device_batch_size": self.rows, "max_seq_len": self.width, "precision": self.precision}
        return TrainSpec.model_validate(usual | sizes | self.more)

    @property
    def batch(self) -> Batch:
        lengths = lengths_of(self.rows, self.width)
        return Batch(self.rows, self.width, sum(n_targets_of(length, self.share) for length in lengths))

    def predicted(self, shapes: Shapes, device: Any) -> int:
        """Bytes, without cuBLAS."""
        found = footprint(self.spec, shapes, self.batch, device=device, bf16=self.spec.precision == Precision.BFLOAT16)
        return found.total - (found.parts["libraries"] if device == "cuda" else 0)

    def __str__(self) -> str:
        more = "".join(f", {name} {value}" for name, value in self.more.items())
        return f"{self.base} {self.rows} × {self.width}, targets {self.share:.0%}, {self.precision}{more}"


_CHECKPOINTING = {"gradient_checkpointing": True}
_8BIT = {"optimizer": "adamw_8bit"}
_CPU = [
    Case("starter", 1, 128),
    Case("starter", 1, 128, precision="bfloat16"),
    Case("starter", 1, 512),
    Case("starter", 4, 128, more={"lora_rank": 64}),
    Case("starter", 4, 128, more={"lora_rank": 64} | _8BIT),
    Case("starter", 4, 128, share=0.25, more={"lora_rank": 8, "lora_dropout": 0.05}),
    Case("starter", 4, 128, precision="bfloat16", more={"lora_rank": 8, "bits": 4}),
    Case("starter", 4, 256, share=1.0),
    Case("starter", 4, 256, more=_CHECKPOINTING),
    Case("starter", 4, 256, more={"bits": 4}),
    Case("starter", 4, 512, precision="bfloat16"),
    Case("starter", 2, 512, share=1.0, precision="bfloat16", more=_CHECKPOINTING | _8BIT),
    Case("starter", 8, 128),
    Case("starter", 8, 128, precision="bfloat16"),
    Case("starter", 8, 256, precision="bfloat16", more=_CHECKPOINTING),
    Case("starter", 8, 256),
]
_SMALL_CPU = [Case("starter", 1, 64), Case("starter", 2, 32, precision="bfloat16", more=_CHECKPOINTING)]


def _sizes(kind: str, hidden: int, inner: int, layers: int, heads: int, keys: int, words: int, **more: Any) -> dict[str, Any]:
    widths = {"hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": heads}
    return {"model_type": kind, "num_key_value_heads": keys, "vocab_size": words, "tie_word_embeddings": False} | widths | more


_TIED = {"tie_word_embeddings": True}
_CONFIGS = {
    "starter": _sizes("llama", 576, 1536, 30, 9, 3, 49_152, **_TIED),
    "Qwen2.5-0.5B": _sizes("qwen2", 896, 4864, 24, 14, 2, 151_936, **_TIED),
    "Qwen3-0.6B": _sizes("qwen3", 1024, 3072, 28, 16, 8, 151_936, head_dim=128, **_TIED),
    "Qwen2.5-1.5B": _sizes("qwen2", 1536, 8960, 28, 12, 2, 151_936, **_TIED),
    "Llama-2-7B": _sizes("llama", 4096, 11_008, 32, 32, 32, 32_000),
    "Mistral-7B": _sizes("mistral", 4096, 14_336, 32, 32, 8, 32_000, sliding_window=None),
    "Qwen2.5-7B": _sizes("qwen2", 3584, 18_944, 28, 28, 4, 152_064),
}
_BF16 = "bfloat16"
_CUDA = [
    Case("starter", 8, 512),
    Case("starter", 16, 1024, 0.25, _BF16, _CHECKPOINTING),
    Case("Qwen2.5-0.5B", 1, 2048, 0.1, _BF16),
    Case("Qwen2.5-0.5B", 8, 512, 0.5, _BF16),
    Case("Qwen2.5-0.5B", 4, 1024, 0.02, _BF16, _CHECKPOINTING | {"lora_rank": 64}),
    Case("Qwen3-0.6B", 8, 512, 0.25, _BF16),
    Case("Qwen3-0.6B", 8, 512, 0.02, _BF16, _CHECKPOINTING),
    Case("Qwen2.5-1.5B", 2, 1024, 0.5),
    Case("Qwen2.5-1.5B", 8, 1024, 1.0, _BF16, {"lora_rank": 8}),
    Case("Qwen2.5-1.5B", 16, 2048, 0.02, _BF16, _CHECKPOINTING | {"lora_rank": 256}),
    Case("Llama-2-7B", 1, 1024, 0.5, _BF16),
    Case("Llama-2-7B", 4, 2048, 0.3, _BF16, _CHECKPOINTING | {"lora_rank": 64}),
    Case("Mistral-7B", 4, 1024, 0.2, _BF16, {"lora_rank": 8}),
    Case("Qwen2.5-7B", 2, 2048, 0.5, _BF16),
    Case("Qwen2.5-7B", 8, 4096, 0.02, _BF16, _CHECKPOINTING),
]
_SMALL_CUDA = [Case("starter", 8, 512, 0.5, _BF16, _CHECKPOINTING), Case("Qwen2.5-0.5B", 1, 2048, 0.1, _BF16)]


def run(*, small: bool) -> Report:
    report = Report("memory")
    errors = {"CPU": _on_cpu(report, small=small), "CUDA (torch's accounting)": _on_cuda(report, small=small)}
    for device, goal in zip(errors, (_CPU_GOAL, _CUDA_GOAL), strict=True):
        report.add(f"{device}: combinations", len(errors[device]), "")
        report.add(f"{device}: largest error", max(errors[device]), "", goal)
    return report


def _on_cpu(report: Report, *, small: bool) -> list[float]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = base_folder(load_settings(), STARTER_ID)
        if not folder.exists():
            folder = _random_base(Path(scratch))
        shapes = shapes_of(folder)
        assert shapes is not None
        cases = _SMALL_CPU if small else _CPU
        steps = _SMALL_STEPS if small else _STEPS
        return [_compared(report, "CPU", case, case.predicted(shapes, "cpu"), peak_of(folder, case, steps)) for case in cases]


def _on_cuda(report: Report, *, small: bool) -> list[float]:
    from transformers import AutoConfig

    from tests.fake_training import shapes_of_config, storage_peak

    errors = []
    for case in _SMALL_CUDA if small else _CUDA:
        config = AutoConfig.for_model(**_CONFIGS[case.base])
        expected = case.predicted(shapes_of_config(config), "cuda")
        errors.append(_compared(report, "CUDA", case, expected, storage_peak(config, case.spec, case.batch)))
    return errors


def _compared(report: Report, device: str, case: Case, predicted: int, measured: int) -> float:
    """A line for each; returns the size of the relative error."""
    error = predicted / measured - 1
    report.add(f"{device}: {case}", round(error, 3), f"({predicted / _MIB:,.0f} MiB predicted, {measured / _MIB:,.0f} taken)")
    return abs(error)


def peak_of(folder: Path, case: Case, steps: int) -> int:
    """Bytes that a process of its own had at most."""
    told = {"rows": case.rows, "width": case.width, "share": case.share, "steps": steps, "spec": case.spec.as_dict()}
    command = [sys.executable, "-m", "tests.bench.memory_run", str(folder), json.dumps(told)]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S)
    if done.returncode:
        raise RuntimeError(f"{case}: {done.stderr[-1000:]}")
    return int(json.loads(done.stdout.splitlines()[-1])["peak"])


def _random_base(folder: Path) -> Path:
    """The starter's shapes with random weights, where it was never fetched: what they are makes no difference to memory."""
    from transformers import AutoConfig, AutoModelForCausalLM

    AutoModelForCausalLM.from_config(AutoConfig.for_model(**_CONFIGS["starter"])).save_pretrained(folder)
    return folder
