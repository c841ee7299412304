"""What a preflight says of bytes is what a training takes: shapes from the headers of the base's files."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.train.estimates import shapes_of
from studio.train.preflight import _BYTES_PER_PARAMETER, _CHECKPOINT_BYTES
from studio.train.spec import Bits, Precision
from tests.unit.train.methods import sizes_of
from tests.unit.train.runs import Training


def write_header(path: Path, shapes: dict[str, list[int]]) -> None:
    header = json.dumps({name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]} for name, shape in shapes.items()})
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode())


def test_adapter_and_weights_worked_out_by_hand(tmp_path: Path) -> None:
    write_header(tmp_path / "model-00001-of-00002.safetensors", {"model.embed_tokens.weight": [100, 8]})
    layer = {"model.layers.0.q_proj.weight": [16, 8], "model.layers.0.norm.weight": [8], "lm_head.weight": [100, 8]}
    write_header(tmp_path / "model-00002-of-00002.safetensors", layer)
    shapes = shapes_of(tmp_path)
    assert shapes is not None
    assert sum(sizes_of(shapes, lora_rank=4)) == 4 * (16 + 8)
    assert shapes.weight_bytes(Bits.PLAIN, Precision.FLOAT32) == 4 * (800 + 128 + 8 + 800)
    assert shapes.weight_bytes(Bits.PLAIN, Precision.BFLOAT16) == 2 * (800 + 128 + 8 + 800)
    # 128 weights: 64 bytes, 2 scales of a byte; the float32 for 256 scales is a hundredth of a byte here.
    assert shapes.weight_bytes(Bits.NF4, Precision.FLOAT32) == 66 + 4 * (800 + 8 + 800)


def test_the_real_adapter_has_as_many(tiny_base_folder: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    shapes = shapes_of(tiny_base_folder)
    assert shapes is not None
    model = AutoModelForCausalLM.from_pretrained(tiny_base_folder)
    adapted = get_peft_model(model, LoraConfig(r=3, target_modules="all-linear", task_type="CAUSAL_LM"))
    assert sum(sizes_of(shapes, lora_rank=3)) == sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
    total = sum(weight.numel() for name, weight in adapted.named_parameters() if "lora_" not in name)
    assert shapes.weight_bytes(Bits.PLAIN, Precision.AUTO) == 4 * total


def test_a_real_checkpoint_is_as_large(new_training: Callable[..., Training], tiny_base_folder: Path) -> None:
    run = new_training(max_steps=1, lora_rank=64)
    run.finished()
    shapes = shapes_of(tiny_base_folder)
    assert shapes is not None
    expected = sum(sizes_of(shapes, lora_rank=64)) * _BYTES_PER_PARAMETER
    (told,) = run.bodies("checkpoint_saved")
    assert expected < told["bytes"] < expected + _CHECKPOINT_BYTES


@pytest.mark.parametrize("content", [b"", b"12345678", struct.pack("<Q", 2**40) + b"{}", struct.pack("<Q", 2) + b"[}"])
def test_files_that_say_nothing_are_no_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    assert shapes_of(tmp_path) is None
    assert shapes_of(tmp_path / "nowhere") is None
