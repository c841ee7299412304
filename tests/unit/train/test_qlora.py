"""A base in 4 bits, and bases in the numbers that were asked for: the same training, the same kind of checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.errors import ConfigError
from studio.settings import Settings
from studio.train.batches import IGNORED, TokenRow, collate
from studio.train.loss import head_is_plain, summed_nll, summed_nll_plain
from studio.train.model import Device, adapted_model, device_of
from studio.train.spec import Bits, Precision, TrainSpec
from tests.unit.train.runs import Training, largest_difference

New = Callable[..., Training]

CPU = Device("cpu", False)


def spec(**values: Any) -> TrainSpec:
    reference = {"base": {"id": "tiny", "revision": ""}, "dataset": {"id": "d", "revision": 1, "hash": ""}}
    return TrainSpec.model_validate({"name": "a", "lora_rank": 4, **reference, **values})


@pytest.fixture(scope="module")
def batch() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    rows = [torch.randint(1, 300, (length,), generator=generator).tolist() for length in (9, 17)]
    return collate([TokenRow(0, ids, [IGNORED] * 3 + ids[3:]) for ids in rows], 0)


@pytest.fixture
def quantised(tiny_base_folder: Path) -> Any:
    """With an adapter that changes the answers: its B is drawn as well, where PEFT begins with zeros."""
    return drawn(adapted_model(tiny_base_folder, spec(bits=4, precision="float32"), CPU))


def drawn(model: Any) -> Any:
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return model


def gradients(model: Any, batch: dict[str, torch.Tensor]) -> tuple[float, dict[str, torch.Tensor]]:
    model.zero_grad()
    loss = summed_nll(model, batch).total
    loss.backward()
    return loss.item(), {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


# --- 4 bits -----------------------------------------------------------------------------------------------------------


def test_every_linear_layer_but_the_head_is_nf4_with_quantised_scales(quantised: Any) -> None:
    import bitsandbytes

    found = {name: module for name, module in quantised.named_modules() if isinstance(module, bitsandbytes.nn.Linear4bit)}
    assert len(found) == 2 * 7  # q, k, v, o, gate, up, down in two layers
    for layer in found.values():
        assert (layer.weight.quant_state.quant_type, layer.weight.quant_state.nested) == ("nf4", True)
        assert layer.weight.dtype == torch.uint8
    assert quantised.get_output_embeddings().weight.dtype == torch.float32
    trained = {name for name, weight in quantised.named_parameters() if weight.requires_grad}
    assert trained
    assert all("lora_" in name for name in trained)


def test_loss_and_gradients_are_those_of_the_base_that_the_4_bits_stand_for(
    quantised: Any, tiny_base_folder: Path, batch: dict[str, torch.Tensor]
) -> None:
    """Oracle: a plain float32 base with the de-quantised weights, also after a pass in eval mode.

    On a CPU with AVX512-BF16 bitsandbytes would repack the weights in that pass, and its packed product has no gradient.
    """
    import bitsandbytes

    plain = drawn(adapted_model(tiny_base_folder, spec(precision="float32"), CPU))
    twins = dict(plain.named_modules())
    for name, module in quantised.named_modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            whole = bitsandbytes.functional.dequantize_4bit(module.weight.data, module.weight.quant_state)
            twins[name].weight.data.copy_(whole)
    quantised.eval()
    with torch.no_grad():
        summed_nll(quantised, batch)
    quantised.train()
    loss, found = gradients(quantised, batch)
    expected_loss, expected = gradients(plain, batch)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        assert gradient.abs().max() > 0, name
        torch.testing.assert_close(gradient, expected[name], rtol=1e-3, atol=1e-4)


def test_the_short_way_to_the_loss_holds_on_4_bits(quantised: Any, batch: dict[str, torch.Tensor]) -> None:
    assert head_is_plain(quantised, batch)
    short, plain = summed_nll(quantised, batch), summed_nll_plain(quantised, batch)
    assert short[0].item() == pytest.approx(plain[0].item(), rel=1e-5)


@pytest.fixture(scope="module")
def in_4_bits(new_training: New) -> Training:
    run = new_training(bits=4)
    run.finished()
    return run


def test_a_training_in_4_bits_learns_and_goes_on_exactly(in_4_bits: Training, new_training: New) -> None:
    assert in_4_bits.result["best_loss"] < in_4_bits.result["base_loss"] - 0.1
    run = new_training(bits=4)
    run.killed(at="after", kind="step_finished", step=8)
    run.finished()
    assert largest_difference(run, in_4_bits) == 0


def test_its_checkpoint_is_an_ordinary_adapter(
    in_4_bits: Training, tiny_base_folder: Path, batch: dict[str, torch.Tensor]
) -> None:
    """It fits on the base in full, and can be merged into it."""
    from peft import PeftModel
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    folder = in_4_bits.folder.checkpoint(12)
    weights = load_file(folder / "adapter_model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
    assert len(weights) == 2 * 7 * 2
    assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == "tiny"
    base = AutoModelForCausalLM.from_pretrained(tiny_base_folder)
    adapted = PeftModel.from_pretrained(base, folder).eval()
    with torch.no_grad():
        separate = adapted(**batch).logits
        merged = adapted.merge_and_unload()(**batch).logits
    torch.testing.assert_close(merged, separate, rtol=1e-4, atol=1e-4)


# --- precision --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_the_base_is_held_in_what_was_asked_for_and_the_adapter_in_float32(
    precision: str, dtype: torch.dtype, tiny_base_folder: Path
) -> None:
    device = device_of(Settings(device="cpu"), Precision(precision))
    model = adapted_model(tiny_base_folder, spec(precision=precision), device)
    assert {weight.dtype for name, weight in model.named_parameters() if "lora_" not in name} == {dtype}
    assert {weight.dtype for name, weight in model.named_parameters() if "lora_" in name} == {torch.float32}


@pytest.mark.parametrize("computes_bf16", [True, False])
def test_auto_is_bfloat16_where_the_processor_computes_it(computes_bf16: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: computes_bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert device_of(Settings(device="cpu"), Precision.AUTO) == Device("cpu", computes_bf16)
    assert device_of(Settings(device="cpu"), Precision.FLOAT32) == Device("cpu", False)
    assert device_of(Settings(device="cpu"), Precision.BFLOAT16) == Device("cpu", True)


def test_a_card_that_does_not_compute_bfloat16_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    assert device_of(Settings(device="auto"), Precision.AUTO) == Device("cuda", False)
    with pytest.raises(ConfigError) as caught:
        device_of(Settings(device="auto"), Precision.BFLOAT16)
    assert (caught.value.key, caught.value.field) == ("error.train.no_bfloat16", "precision")


def test_a_card_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError) as caught:
        device_of(Settings(device="cuda"), Precision.AUTO)
    assert (caught.value.key, caught.value.field) == ("error.train.no_cuda", "device")


@pytest.mark.parametrize("bits", [4, 16, "4", "16"])
def test_bits_come_from_forms_and_files_as_numbers_or_words(bits: Any) -> None:
    found = spec(bits=bits)
    assert found.bits == Bits(int(bits))
    assert found.as_dict()["bits"] == int(bits)
