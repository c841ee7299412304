"""A small byte-level tokenizer and model folders around it; no network, no weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

TEMPLATES = Path(__file__).parent / "templates"

SENTENCES = [
    "What is hypertension? It is a lasting rise of blood pressure.",
    "You are a helpful assistant. Hello! How can I help you today?",
    "The user asks and the assistant answers, line by line:\n\n- one\n- two\n",
    "高血压是指血压持续升高的慢性疾病。请问有什么可以帮您？",
    "青光眼会损害视神经，应尽早检查眼压。你好，谢谢。",
]


@dataclass(frozen=True)
class Family:
    """How one family of models writes a conversation: its template's file and its special tokens."""

    template: str
    bos: str
    eos: str
    end: str
    others: tuple[str, ...] = ()
    has_system: bool = True


FAMILIES = {
    "chatml": Family("chatml_default_system", "<|im_start|>", "<|im_end|>", "<|im_end|>"),
    "llama3": Family(
        "llama3", "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", ("<|start_header_id|>", "<|end_header_id|>")
    ),
    "mistral": Family("mistral", "<s>", "</s>", "</s>"),
    "gemma": Family("gemma", "<bos>", "<eos>", "<end_of_turn>", ("<start_of_turn>",), has_system=False),
    "phi3": Family("phi3", "<s>", "<|endoftext|>", "<|end|>", ("<|user|>", "<|assistant|>", "<|system|>")),
    "zephyr": Family("zephyr", "<s>", "</s>", "</s>"),
}


def byte_level_tokenizer(special: tuple[str, ...], *, trim_offsets: bool = True) -> Tokenizer:
    """A byte-level BPE of 600 tokens, with the post-processor of Llama 3: its trimmed offsets are the hard case."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=list(special), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=trim_offsets)
    return tokenizer


@pytest.fixture
def model_folder(tmp_path: Path) -> Callable[[str], Path]:
    """Writes the folder of a family's model, without weights, and gives its path."""

    def write(name: str) -> Path:
        family = FAMILIES[name]
        folder = tmp_path / name
        folder.mkdir()
        special = tuple(dict.fromkeys((family.bos, family.eos, family.end, *family.others)))
        tokenizer = byte_level_tokenizer(special)
        tokenizer.save(str(folder / "tokenizer.json"))
        write_json(
            folder / "tokenizer_config.json",
            {"bos_token": family.bos, "eos_token": {"__type": "AddedToken", "content": family.eos}},
        )
        write_json(folder / "generation_config.json", {"eos_token_id": [tokenizer.token_to_id(family.end)]})
        write_json(folder / "config.json", {"max_position_embeddings": 512})
        (folder / "chat_template.jinja").write_bytes((TEMPLATES / f"{family.template}.jinja").read_bytes())
        return folder

    return write


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), "utf-8")
