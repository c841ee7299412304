"""The loss on target positions only is the plain loss: in value, in gradients, and where it does not hold, it is not taken."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from studio.train.batches import IGNORED, TokenRow, collate
from studio.train.loss import head_is_plain, summed_nll, summed_nll_plain

VOCABULARY = 97


def llama(**options: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    usual = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=VOCABULARY, initializer_range=0.2, pad_token_id=0, **usual | options)
    torch.manual_seed(0)
    return LlamaForCausalLM(config)


def gemma2() -> Any:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    config = Gemma2Config(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        initializer_range=0.5,
        final_logit_softcapping=5.0,
    )
    torch.manual_seed(0)
    return Gemma2ForCausalLM(config)


def adapted(model: Any, dropout: float = 0.0) -> Any:
    """With a LoRA adapter that changes the answers: its B is drawn as well, where PEFT begins with zeros."""
    from peft import LoraConfig, get_peft_model

    adapter = LoraConfig(r=4, lora_alpha=8, lora_dropout=dropout, target_modules="all-linear", task_type="CAUSAL_LM")
    wrapped = get_peft_model(model, adapter)
    torch.manual_seed(1)
    for name, weight in wrapped.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return wrapped


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    """Three rows of different lengths, each with its own share of targets, one of them the first token."""
    generator = torch.Generator().manual_seed(2)
    rows = []
    for length, first_target in ((5, 3), (12, 4), (9, 0)):
        ids = torch.randint(1, VOCABULARY, (length,), generator=generator).tolist()
        rows.append(TokenRow(0, ids, [IGNORED] * first_target + ids[first_target:]))
    return collate(rows, 0)


def by_hand(model: Any, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, int]:
    """−log p of each target, one by one, from the logits of a row that stands alone without padding."""
    total, n_targets = torch.zeros(()), 0
    for row, ids in enumerate(batch["input_ids"]):
        length = int(batch["attention_mask"][row].sum())
        log_p = torch.log_softmax(model(input_ids=ids[None, :length]).logits[0], dim=-1)  # (T, V)
        for position in range(1, length):
            target = int(batch["labels"][row, position])
            if target != IGNORED:
                total = total - log_p[position - 1, target]
                n_targets += 1
    return total, n_targets


def gradients(model: Any, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("way", [summed_nll, summed_nll_plain])
def test_the_loss_is_the_one_worked_out_target_by_target(way: Any, batch: dict[str, torch.Tensor]) -> None:
    model = adapted(llama()).eval()
    loss, n_targets, by_row = way(model, batch)
    expected, n_expected = by_hand(model, batch)
    assert n_targets == n_expected == 2 + 8 + 8
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)  # float32, sums of 18 numbers around 5
    assert not by_row.requires_grad
    torch.testing.assert_close((by_row * torch.tensor([2, 8, 8])).sum(), expected.detach(), rtol=1e-5, atol=1e-5)
    first, _ = by_hand(model, {name: values[:1] for name, values in batch.items()})
    torch.testing.assert_close(by_row[0], first.detach() / 2, rtol=1e-5, atol=1e-5)


def test_the_short_way_gives_the_same_gradients(batch: dict[str, torch.Tensor]) -> None:
    model = adapted(llama()).eval()
    short = gradients(model, summed_nll(model, batch)[0])
    plain = gradients(model, summed_nll_plain(model, batch)[0])
    assert short.keys() == plain.keys()
    assert all("lora_" in name for name in short)
    for name, gradient in short.items():
        assert gradient.abs().max() > 0, name
        torch.testing.assert_close(gradient, plain[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("way", [summed_nll, summed_nll_plain])
def test_the_loss_is_transformers_own(way: Any, batch: dict[str, torch.Tensor]) -> None:
    """A second implementation: transformers' mean over targets, times their number."""
    model = llama().eval()
    loss, n_targets, _ = way(model, batch)
    inputs = {name: values for name, values in batch.items() if name != "rows"}
    torch.testing.assert_close(loss, model(**inputs).loss * n_targets, rtol=1e-5, atol=1e-5)


def test_a_batch_without_targets_has_no_loss(batch: dict[str, torch.Tensor]) -> None:
    batch["labels"] = torch.full_like(batch["labels"], IGNORED)
    for way in (summed_nll, summed_nll_plain):
        loss, n_targets, by_row = way(llama(), batch)
        assert (loss.item(), n_targets, by_row.tolist()) == (0.0, 0, [0.0] * 3)


@pytest.mark.parametrize("tied", [True, False])
def test_a_plain_head_is_known_as_one_with_and_without_an_adapter(tied: bool, batch: dict[str, torch.Tensor]) -> None:
    assert head_is_plain(llama(tie_word_embeddings=tied), batch)
    assert head_is_plain(adapted(llama(tie_word_embeddings=tied)), batch)


def test_a_head_with_a_soft_cap_is_not_plain(batch: dict[str, torch.Tensor]) -> None:
    """Gemma 2 (arXiv:2408.00118, section 2) bends its logits: cap · tanh(logits / cap)."""
    assert not head_is_plain(gemma2(), batch)
    assert not head_is_plain(adapted(gemma2()), batch)


def test_where_the_head_is_not_plain_the_short_way_would_be_wrong(batch: dict[str, torch.Tensor]) -> None:
    model = gemma2().eval()
    expected, _ = by_hand(model, batch)
    torch.testing.assert_close(summed_nll_plain(model, batch)[0], expected, rtol=1e-5, atol=1e-5)
    assert abs((summed_nll(model, batch)[0] - expected).item()) > 1


def test_dropout_does_not_make_a_plain_head_look_odd(batch: dict[str, torch.Tensor]) -> None:
    """A resumed adapter is not zero, and dropout makes two passes differ; the head is what is asked about."""
    model = adapted(llama(), dropout=0.5).train()
    assert head_is_plain(model, batch)
    assert model.training


def test_a_model_that_is_not_laid_out_as_decoder_and_head_takes_the_plain_way(batch: dict[str, torch.Tensor]) -> None:
    class Odd(torch.nn.Module):
        def forward(self, **_: Any) -> None:
            raise AssertionError("not reached")

    assert not head_is_plain(Odd(), batch)
