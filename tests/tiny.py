"""A tiny random base: what a hub would deliver, made in seconds, for tests and benches."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from studio.db import Database
from studio.ids import now
from studio.models.tables import bases
from studio.settings import ROOT

__all__ = ["CHATML", "CONTEXT", "byte_tokenizer", "enter_base", "make_tiny_base", "sample_texts", "tiny_llama_config"]

SAMPLE = ROOT / "assets" / "sample" / "eye-care.jsonl"
CONTEXT = 512

TURNS = "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endfor %}"
CHATML = TURNS + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"


def sample_texts() -> Iterator[str]:
    for line in SAMPLE.read_text("utf-8").splitlines():
        for message in json.loads(line)["messages"]:
            yield message["content"]


def byte_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """A byte-level BPE learnt from `texts`, with the two special tokens of ChatML."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def tiny_llama_config(tokenizer: Tokenizer, **more: Any) -> Any:
    """Two layers, width 32, four heads on two key-value heads; `more` goes over it."""
    from transformers import LlamaConfig

    end = tokenizer.token_to_id("<|im_end|>")
    usual = {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": CONTEXT,
        "bos_token_id": None,
        "eos_token_id": end,
        "pad_token_id": end,
    }
    return LlamaConfig(**usual | more)


def make_tiny_base(folder: Path) -> None:
    """A random Llama with a byte-level BPE and ChatML. float32, about 150 kB."""
    import torch
    from transformers import LlamaForCausalLM

    tokenizer = byte_tokenizer(sample_texts(), 600)
    torch.manual_seed(0)
    LlamaForCausalLM(tiny_llama_config(tokenizer)).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}))
    (folder / "chat_template.jinja").write_text(CHATML)


def enter_base(db: Database, folder: Path) -> None:
    """Write a base that lies in the home's models/tiny into the list of bases, fetched and ready."""
    weights = (folder / "model.safetensors").stat().st_size
    values = {"id": "tiny", "name": "Tiny", "source": "folder", "ref": str(folder), "revision": "0" * 40}
    facts = {"architecture": "LlamaForCausalLM", "parameters": weights // 4, "bytes": weights, "context": CONTEXT}
    with db.write() as connection:
        connection.execute(bases.insert().values(**values, **facts, state="ready", author="usr_local", created_at=now()))
