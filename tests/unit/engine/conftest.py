"""A tiny random Llama with a byte-level BPE, and adapters for it: what the engine's tests run on. float32, CPU, no network."""

from __future__ import annotations

import copy
import json
import random
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from tokenizers import Tokenizer

from studio.access import Actor, check
from studio.access.links import Link, LinkService
from studio.db import Database
from studio.engine.client import EngineClient
from studio.engine.conversations import Conversations
from studio.engine.demo import DemoService
from studio.engine.manager import EngineManager
from studio.engine.protocol import Generator
from studio.engine.server import build_app
from studio.engine.transformers_engine import TransformersEngine
from studio.ids import now
from studio.models.tables import bases
from studio.settings import Settings
from tests.fakes.engine import FakeGenerator, Gate
from tests.tiny import CHATML, byte_tokenizer, tiny_llama_config
from tests.unit.engine.guests import make, new_run

SENTENCES = [
    "A head cold usually gets better within ten days.",
    "Drink enough water, rest, and see a doctor when the fever stays.",
    "感冒一般十天之内会好转。",
    "多喝水,多休息;如果持续发烧,请去看医生。",
]
CONTEXT = 256
TOKEN = "test-token"


@dataclass(frozen=True)
class ChatML:
    """Stands in for `studio.data.render.Template`."""

    tokenizer: Tokenizer
    end_ids: frozenset[int]
    context: int | None = CONTEXT

    def prompt_ids(self, messages: list[dict[str, Any]]) -> list[int]:
        turns = "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in messages)
        return list(self.tokenizer.encode(f"{turns}<|im_start|>assistant\n").ids)

    def decode(self, ids: list[int], skip_special: bool = True) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=skip_special)


@pytest.fixture(scope="session")
def template() -> ChatML:
    tokenizer = byte_tokenizer(SENTENCES, 340)
    return ChatML(tokenizer, frozenset({tokenizer.token_to_id("<|im_end|>")}))


@pytest.fixture(scope="session")
def tiny_model(template: ChatML) -> Callable[[], Any]:
    """Makes the same random model again and again; adapters change a model in place, so each test step takes its own."""
    import torch
    from transformers import LlamaForCausalLM

    torch.set_num_threads(1)  # such small matrices gain nothing from a second thread and lose much by waiting for it
    config = tiny_llama_config(
        template.tokenizer,
        max_position_embeddings=CONTEXT,
        initializer_range=0.3,  # wide: near ties between logits would make greedy texts depend on rounding
        eos_token_id=sorted(template.end_ids),
        pad_token_id=0,
    )

    def make() -> Any:
        torch.manual_seed(1)
        return LlamaForCausalLM(copy.deepcopy(config)).eval()

    return make


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory, tiny_model: Callable[[], Any], template: ChatML) -> Path:
    folder = tmp_path_factory.mktemp("base")
    tiny_model().save_pretrained(folder)
    save_template(template, folder)
    return folder


def save_template(template: ChatML, folder: Path) -> None:
    """What `studio.data.render.Template.load` reads of a base."""
    template.tokenizer.save(str(folder / "tokenizer.json"))
    config = {"chat_template": CHATML, "eos_token": "<|im_end|>", "model_max_length": CONTEXT}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def save_adapter(model: Any, config: Any, folder: Path, *, seed: int) -> Path:
    """A random adapter whose answers differ from the base's: every trained weight is drawn, LoRA's B too."""
    import torch
    from peft import get_peft_model

    adapted = get_peft_model(model, config)
    torch.manual_seed(seed)
    for name, weight in adapted.named_parameters():
        if "lora_" in name or "ia3_" in name or "modules_to_save" in name:
            torch.nn.init.normal_(weight, std=0.5)
    adapted.save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="session")
def adapters(tmp_path_factory: pytest.TempPathFactory, tiny_model: Callable[[], Any]) -> dict[str, Path]:
    """Good ones (`run_a`, `run_b`, `run_head`, `run_ia3`) and bad ones, by the name under which the engine finds them."""
    from peft import IA3Config, LoraConfig

    root = tmp_path_factory.mktemp("adapters")
    lora = {"r": 4, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM"}
    found = {
        "run_a": save_adapter(tiny_model(), LoraConfig(**lora), root / "a", seed=2),
        "run_b": save_adapter(tiny_model(), LoraConfig(**lora | {"target_modules": ["q_proj", "up_proj"]}), root / "b", seed=3),
        "run_head": save_adapter(tiny_model(), LoraConfig(**lora, modules_to_save=["lm_head"]), root / "head", seed=8),
        "run_ia3": save_adapter(
            tiny_model(),
            IA3Config(target_modules=["k_proj", "v_proj"], feedforward_modules=[], task_type="CAUSAL_LM"),
            root / "ia3",
            seed=4,
        ),
        "run_bias": save_adapter(tiny_model(), LoraConfig(**lora, bias="all"), root / "bias", seed=5),
    }
    return found | _broken(root, tiny_model, lora)


def _broken(root: Path, tiny_model: Callable[[], Any], lora: dict[str, Any]) -> dict[str, Path]:
    from peft import LoraConfig
    from transformers import LlamaForCausalLM

    config = tiny_model().config
    config.hidden_size, config.head_dim = 48, 12
    other_base = LlamaForCausalLM(config)
    deeper = tiny_model().config
    deeper.num_hidden_layers = 3
    truncated = root / "truncated"
    shutil.copytree(root / "a", truncated)
    weights = (root / "a" / "adapter_model.safetensors").read_bytes()
    (truncated / "adapter_model.safetensors").write_bytes(weights[: len(weights) // 2])
    empty = root / "empty"
    empty.mkdir()
    return {
        "run_wide": save_adapter(other_base, LoraConfig(**lora), root / "wide", seed=6),
        "run_deep": save_adapter(LlamaForCausalLM(deeper), LoraConfig(**lora), root / "deep", seed=7),
        "run_truncated": truncated,
        "run_empty": empty,
    }


@pytest.fixture(scope="session")
def make_engine(base_folder: Path, adapters: dict[str, Path], template: ChatML) -> Iterator[Callable[..., TransformersEngine]]:
    """Makes a fresh engine; options go over the usual arguments."""
    made: list[TransformersEngine] = []

    def make(**options: Any) -> TransformersEngine:
        usual = {
            "device": "cpu",
            "dtype": "float32",
            "resolve": adapters.get,
            "template": template,
            "known": lambda: sorted(adapters),
        }
        made.append(TransformersEngine(base_folder, **usual | options))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


@pytest.fixture(scope="session")
def engine(make_engine: Callable[..., TransformersEngine]) -> TransformersEngine:
    """One for many tests: whatever a test asked of it, it must answer the next one rightly."""
    return make_engine()


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[..., str]]:
    """`serve(generator)` puts it on HTTP on a free port, in a thread, and gives the address."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(generator: Generator, **options: Any) -> str:
        listener = socket.create_server(("127.0.0.1", 0))  # it listens from here on: requests wait until uvicorn accepts
        app = build_app(generator, token=TOKEN, **options)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for server, _ in running:
        server.should_exit = True
    for _, thread in running:
        thread.join()


@pytest.fixture
def settings(settings: Settings, template: ChatML) -> Settings:
    """A home with one base, `tiny`: a tokenizer and a chat template, no weights."""
    save_template(template, settings.folder("models", "tiny"))
    return settings


@pytest.fixture
def db(db: Database) -> Database:
    """A database that knows the base `tiny`."""
    with db.write() as connection:
        values = {"id": "tiny", "name": "Tiny", "source": "folder", "ref": "/tiny", "state": "ready", "author": "usr_a"}
        connection.execute(bases.insert().values(**values, created_at=now()))
    return db


class OneEngine(EngineManager):
    """Gives a client of the server at `url`, or raises `error`."""

    url = ""
    error: Exception | None = None

    async def client(self, actor: Actor, base_id: str) -> EngineClient:
        check(actor, "engine.use")
        if self.error is not None:
            raise self.error
        return EngineClient(self.url, TOKEN)


@pytest.fixture
def engines(db: Database, settings: Settings) -> OneEngine:
    return OneEngine(db, settings)


@pytest.fixture
def fake(serve: Callable[..., str], engines: OneEngine) -> Iterator[FakeGenerator]:
    """The model behind the engine; its gate is closed."""
    generator = FakeGenerator({"base": "Hello, world!", "run_a": "你好!"}, gate=Gate(is_open=False))
    engines.url = serve(generator)
    yield generator
    generator.gate.open()


@pytest.fixture
def links(db: Database) -> LinkService:
    return LinkService(db)


@pytest.fixture
def conversations(db: Database, settings: Settings, engines: Any, links: LinkService) -> Iterator[Conversations]:
    made = Conversations(db, settings, engines, links.is_open)
    yield made
    made.close()


@pytest.fixture
def demo(db: Database, links: LinkService, conversations: Conversations) -> DemoService:
    return DemoService(db, links, conversations, random.Random(1))


@pytest.fixture
def run_id(db: Database) -> str:
    """A run on the base `tiny` with checkpoints at the steps 10 (the best) and 20."""
    return new_run(db, "Headache answers")


@pytest.fixture
def duel(demo: DemoService, run_id: str, fake: FakeGenerator) -> Link:
    """A link to the base and the run; its engine says who speaks."""
    fake.texts[run_id] = "Tuned!"
    return make(demo, ["base", run_id])


@pytest.fixture
def solo(demo: DemoService) -> Link:
    return make(demo, ["base"], base_id="tiny")
