"""Predicted memory: figures worked out elsewhere, laws, and torch's own accounting on a small model."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from studio.train.estimates import Decoder, Shapes, decoder_of, shapes_of
from studio.train.memory import PARTS, Batch, Footprint, footprint
from studio.train.spec import Precision, TrainSpec
from tests.fake_training import shapes_of_config, storage_peak
from tests.unit.train.test_estimates import write_header

Device = Literal["cpu", "cuda"]


def llama_7b() -> Shapes:
    """LLaMA-7B: 32 layers of 4096, 11008 within, 32 heads; a head of its own."""
    layer = [(4096, 4096)] * 4 + [(11008, 4096)] * 2 + [(4096, 11008)]
    decoder = Decoder(4096, 11008, 32, heads=32, kv_heads=32, head_dim=128, vocabulary=32000)
    return Shapes(tuple(layer * 32), 2 * 32000 * 4096 + 65 * 4096, decoder)


def spec_of(**values: Any) -> TrainSpec:
    parts = {"base": {"id": "b", "revision": "0"}, "dataset": {"id": "d", "revision": 1, "hash": "0"}, "name": "a"}
    return TrainSpec.model_validate(parts | {"lora_rank": 8} | values)


def of(rows: int = 4, width: int = 256, targets: int = 300, device: Device = "cuda", **values: Any) -> Footprint:
    spec = spec_of(**values)
    return footprint(spec, llama_7b(), Batch(rows, width, targets), device=device, bf16=spec.precision != Precision.FLOAT32)


# --- figures of others ------------------------------------------------------------------------------------------------


def test_weights_and_adapter_of_llama_7b() -> None:
    """6,738,415,616 parameters: 26.95 GB in float32, 13.48 in half of it; all-linear LoRA of rank 8 has 19,988,480."""
    assert of(precision="float32").parts["weights"] == 4 * 6_738_415_616
    parts = of().parts
    assert parts["weights"] == 2 * 6_738_415_616
    assert parts["adapter"] == parts["gradients"] == 4 * 19_988_480


def test_a_base_in_4_bits() -> None:
    """0.5 bytes and 0.127 bits a weight (QLoRA, section 3); embeddings and head stay as they are."""
    linear = 6_738_415_616 - 2 * 32000 * 4096 - 65 * 4096
    plain = 2 * (2 * 32000 * 4096 + 65 * 4096)
    assert of(bits=4).parts["weights"] == pytest.approx(linear * (0.5 + 0.127 / 8) + plain, rel=1e-4)


def test_adam_keeps_8_bytes_a_parameter_or_2() -> None:
    assert of().parts["optimizer"] == 8 * 19_988_480
    assert of(optimizer="adamw_8bit").parts["optimizer"] == pytest.approx(2 * 19_988_480, rel=0.02)  # and its scales


def test_logits_are_the_hidden_killer() -> None:
    """4 rows of 1,024 and 151,936 words: 2.49 GB in float32; there are three of that size at once."""
    decoder = replace(llama_7b().decoder or pytest.fail(), vocabulary=151_936)
    shapes = replace(llama_7b(), decoder=decoder)
    found = footprint(spec_of(), shapes, Batch(4, 1024, 4096), device="cuda", bf16=True)
    assert found.parts["logits"] == pytest.approx(3 * 2.49e9, rel=1e-3)


def test_a_head_that_caps_its_logits_computes_them_for_every_position() -> None:
    decoder = replace(llama_7b().decoder or pytest.fail(), plain_head=False)
    found = footprint(spec_of(), replace(llama_7b(), decoder=decoder), Batch(4, 256, 300), device="cuda", bf16=True)
    assert found.parts["logits"] == 12 * 4 * 256 * 32000


def test_activations_are_of_the_size_of_korthikanti_s() -> None:
    """34 bytes a token and width for each layer of a GPT in float16 (arXiv:2205.05198, equation 2, without the scores); with
    checkpointing 2. A gated MLP of 2.7 widths and LoRA's float32 copies take up to three times as much.
    """
    unit = 4 * 1024 * 4096 * 32
    found = of(4, 1024, 1).parts["activations"] / unit
    assert 34 < found < 3 * 34
    assert 2 < of(4, 1024, 1, gradient_checkpointing=True).parts["activations"] / unit < 2 + found / 32 + 2


# --- laws -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_more_takes_more(device: Device, precision: str, checkpointing: bool) -> None:
    values = {"precision": precision, "gradient_checkpointing": checkpointing, "device": device}
    usual = of(4, 256, 300, **values).total
    assert of(5, 256, 300, **values).total > usual
    assert of(4, 300, 300, **values).total > usual
    assert of(4, 256, 1000, **values).total >= usual
    assert of(4, 256, 300, lora_rank=16, **values).total > usual
    assert of(4, 256, 300, lora_dropout=0.1, **values).total >= usual
    assert of(4, 256, 300, optimizer="adamw_8bit", **values).total < usual
    assert of(4, 256, 300, gradient_checkpointing=True, device=device, precision=precision).total <= usual
    assert of(4, 256, 300, bits=4, **values).parts["weights"] < of(4, 256, 300, **values).parts["weights"]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_part_is_named_and_the_range_holds_the_total(device: Device) -> None:
    found = of(device=device)
    assert tuple(found.parts) == PARTS
    assert all(isinstance(size, int) and size >= 0 for size in found.parts.values())
    assert found.low < found.total < found.high


def test_without_a_config_it_is_guessed_and_the_range_is_wider() -> None:
    known = of()
    guessed = footprint(spec_of(), replace(llama_7b(), decoder=None), Batch(4, 256, 300), device="cuda", bf16=True)
    assert guessed.low < known.total < guessed.high
    assert guessed.high / guessed.low > known.high / known.low


# --- config.json ------------------------------------------------------------------------------------------------------


def test_a_decoder_from_a_config_that_leaves_out_what_it_may() -> None:
    config = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 50}
    assert decoder_of(config) == Decoder(64, 96, 2, heads=4, kv_heads=4, head_dim=16, vocabulary=50)
    more = {"num_key_value_heads": 2, "head_dim": 32, "tie_word_embeddings": True, "model_type": "qwen3"}
    expected = Decoder(64, 96, 2, heads=4, kv_heads=2, head_dim=32, vocabulary=50, tied=True, qk_norm=True)
    assert decoder_of(config | more) == expected
    assert not decoder_of(config | {"final_logit_softcapping": 30.0}).plain_head


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"hidden_size": 8}', '{"num_experts": 8, "hidden_size": 8}'])
def test_a_config_that_does_not_say_leaves_the_shapes(tmp_path: Path, content: str) -> None:
    write_header(tmp_path / "model.safetensors", {"model.layers.0.q_proj.weight": [16, 8]})
    (tmp_path / "config.json").write_text(content)
    shapes = shapes_of(tmp_path)
    assert shapes is not None and shapes.decoder is None
    assert footprint(spec_of(), shapes, Batch(1, 16, 8), device="cpu", bf16=False).total > 0


def test_a_tied_head_that_was_stored_is_counted_once(tmp_path: Path) -> None:
    names = {"model.embed_tokens.weight": [100, 8], "lm_head.weight": [100, 8], "model.layers.0.q_proj.weight": [8, 8]}
    write_header(tmp_path / "model.safetensors", names)
    config = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 100}
    (tmp_path / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": True}))
    shapes = shapes_of(tmp_path)
    assert shapes is not None and shapes.other_parameters == 800
    assert struct.calcsize("<Q") < shapes.file_bytes


# --- torch's own accounting -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("precision", "checkpointing"), [("float32", False), ("bfloat16", True)])
def test_torch_counts_as_much(precision: str, checkpointing: bool) -> None:
    """Every storage of two passes and a step, on tensors without content."""
    from transformers import LlamaConfig

    sizes = {"hidden_size": 128, "intermediate_size": 352, "num_hidden_layers": 2, "num_attention_heads": 8}
    config = LlamaConfig(**sizes, num_key_value_heads=2, vocab_size=2000, tie_word_embeddings=True)
    spec = spec_of(precision=precision, gradient_checkpointing=checkpointing)
    batch = Batch(4, 256, 4 * 64)
    found = footprint(spec, shapes_of_config(config), batch, device="cuda", bf16=precision == "bfloat16")
    counted = storage_peak(config, spec, batch)
    assert found.total - found.parts["libraries"] == pytest.approx(counted, rel=0.1)
