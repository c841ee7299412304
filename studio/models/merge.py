"""The job `merge`: a checkpoint worked into the weights of its base, as a model of its own, after it was shown to be the same.

    1 the base with the adapter              logits of a few texts
    2 W + what the adapter adds, in float32  logits of the same texts: their largest difference is told
    3 written in the numbers of the base's own files

Weights lie in float32 and are read in float64, layer by layer: float32 arithmetic alone moves a logit of 40 by 1e-4 (measured
on the starter model: adapter in float32 against the same in float64), which says nothing of the weights.

Merging goes into the base's original weights, never into quantised ones: those would be rounded once more, and answer otherwise
(huggingface/peft#1043). A full fine-tune is whole already and is copied.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from studio.errors import ModelError
from studio.jobs.context import JobContext
from studio.jobs.resources import free_disk_bytes, free_memory_bytes
from studio.jobs.spec import Spec, checked
from studio.models.catalogue import TOKENIZER_FILES, base_folder
from studio.models.fetch import look_into, made_whole, mark, parameters_of
from studio.models.tables import bases

__all__ = ["MOST_DIFFERENCE", "MergeSpec", "equality_of", "run_merge"]

log = logging.getLogger("studio.merge")

#: Of two logits. Rounding of weights makes some 1e-5 of it; logits of a wrong merge lie apart by tenths.
MOST_DIFFERENCE = 1e-4

#: In the folder of what was merged: where it comes from and what was measured.
_NOTE = "merged.json"

#: What both are compared on: two languages, code, a table, a long sentence; some hundred tokens.
_TEXTS = (
    "Which lens is used after a cataract operation, and how long does it take until one sees clearly again?",
    "白内障手术后要用哪种人工晶体？多久之后视力才会恢复清晰？请分步骤说明。",
    "def mean(values):\n    return sum(values) / len(values)\n\nprint(mean([1, 2, 3.5]))",
    "| drug | dose | days |\n|---|---|---|\n| A | 5 mg | 7 |\n| B | 0.5 mg | 14 |",
    "如果合同没有约定违约金，守约方可以要求赔偿实际损失，包括可得利益。",
    "Once upon a time there was a king who had three daughters, and the youngest of them asked the strangest questions.",
)
_MOST_TOKENS = 96


class MergeSpec(Spec):
    """`base` is the id of the model that it makes, `source` that of the base, `checkpoint` where the weights lie."""

    kind: Literal["merge"] = "merge"
    base: str
    source: str
    run: str
    step: int
    checkpoint: str


def run_merge(context: JobContext) -> dict[str, Any]:
    """`max_difference` of logits between adapter and merged weights in float32, over `tokens` of them; `rounded_difference` of
    what was written, in the base's own numbers. Raises ModelError where the two are not the same.
    """
    spec = checked(MergeSpec, context.spec)
    with made_whole(context, spec.base) as work:
        found = _merge(context, spec, context.settings.home / spec.checkpoint, work)
        context.phase("checking")
        facts = look_into(work)
    with context.db.read() as connection:
        licence = connection.execute(sa.select(bases.c.licence).where(bases.c.id == spec.source)).scalar() or ""
    mark(context, spec.base, facts | {"state": "ready", "licence": licence, "revision": found.pop("revision")})
    return found | {"base": spec.base, "bytes": facts["bytes"]}


def _merge(context: JobContext, spec: MergeSpec, folder: Path, work: Path) -> dict[str, Any]:
    source = base_folder(context.settings, spec.source)
    if not folder.is_dir():
        raise ModelError("error.model.checkpoint_gone", step=spec.step)
    size = sum(path.stat().st_size for path in source.glob("*.safetensors"))
    free = free_disk_bytes(context.settings.home)
    if size * 1.1 > free:
        raise ModelError("error.model.no_disk", needed_bytes=round(size * 1.1), free_bytes=free)
    context.phase("loading")
    import torch
    from transformers import AutoModelForCausalLM
    from transformers import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    is_whole = not (folder / "adapter_config.json").is_file()
    written = _numbers(source)
    n_numbers, free = parameters_of(source), free_memory_bytes()
    if 4 * n_numbers > free:
        raise ModelError("error.model.no_memory", needed_bytes=4 * n_numbers, free_bytes=free)
    model: Any = AutoModelForCausalLM.from_pretrained(
        folder if is_whole else source,
        dtype=torch.float32,
        experts_implementation="eager",  # the grouped kernels have no float64
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
    ).eval()
    texts = _token_ids(source)
    context.check_stop()

    if not is_whole:
        model = _with_adapter(model, folder)
    context.phase("comparing")
    before = _logits(model, texts)
    context.check_stop()
    if not is_whole:
        context.phase("merging")
        model = model.merge_and_unload(safe_merge=True)
    after = _logits(model, texts)
    difference = _largest(before, after)
    log.info("largest difference of %d logits: %.3g", sum(item.numel() for item in before), difference)
    if not difference < MOST_DIFFERENCE:
        raise ModelError("error.model.merge_differs", difference=difference)
    context.check_stop()

    context.phase("writing")
    rounded = difference
    if written != torch.float32:
        _round(model, written)
        rounded = _largest(before, _logits(model, texts))
    model.to(written)
    model.save_pretrained(work)
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, work / name)
    tokens = sum(len(ids) for ids in texts)
    told: dict[str, Any] = {"max_difference": difference, "rounded_difference": rounded, "tokens": tokens, "texts": len(texts)}
    told["numbers"] = str(written).removeprefix("torch.")
    told["revision"] = f"{spec.run}@{spec.step}"
    (work / _NOTE).write_text(json.dumps(told), "utf-8")
    return told


def _round(model: Any, numbers: Any) -> None:
    """Its float32 weights as these numbers would hold them; rotary angles, which are computed at each start, stay."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(numbers).to(parameter.dtype)


def _with_adapter(model: Any, folder: Path) -> Any:
    import warnings

    from peft import PeftModel

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The following rank_pattern keys")  # of AdaLoRA, which loads all the same
        adapted = PeftModel.from_pretrained(model, str(folder), autocast_adapter_dtype=False).to(model.dtype).eval()
    if adapted.active_peft_config.is_prompt_learning:
        raise ModelError("error.model.not_merged", method=adapted.active_peft_config.peft_type.value.lower())
    return adapted


def _numbers(source: Path) -> Any:
    """The type of most weights in the base's files."""
    import torch
    from safetensors import safe_open

    with safe_open(str(next(iter(sorted(source.glob("*.safetensors"))))), framework="pt") as file:
        name = next(iter(file.keys()))
        found = file.get_tensor(name).dtype
    return found if found in (torch.float16, torch.bfloat16) else torch.float32


def _token_ids(source: Path) -> list[list[int]]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    return [tokenizer.encode(text).ids[:_MOST_TOKENS] for text in _TEXTS]


def _logits(model: Any, texts: list[list[int]]) -> list[Any]:
    import torch

    with torch.no_grad(), _computing_in_float64(model):
        return [model(input_ids=torch.tensor([ids])).logits[0] for ids in texts]


@contextlib.contextmanager
def _computing_in_float64(model: Any) -> Iterator[None]:
    """Hidden states in float64, and the weights of the layer that is at work: one layer more than float32 takes."""
    handles = []
    for part, is_embedding in _parts(model):
        if is_embedding:
            handles.append(part.register_forward_hook(lambda part, given, out: out.double()))
        else:
            handles.append(part.register_forward_pre_hook(lambda part, given: part.double() and None))
            handles.append(part.register_forward_hook(lambda part, given, out: part.float() and None))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _parts(model: Any) -> Iterator[tuple[Any, bool]]:
    """The embeddings, each decoder layer, and all else that has weights of its own; with whether it embeds."""
    from torch.nn import Embedding, ModuleList

    layers = next(module for module in model.modules() if isinstance(module, ModuleList))
    for part in model.children():
        if part is layers:
            yield from ((layer, False) for layer in layers)
        elif any(module is layers for module in part.modules()):
            yield from _parts(part)
        elif next(part.parameters(), None) is not None:
            yield part, any(isinstance(module, Embedding) for module in part.modules())


def _largest(before: list[Any], after: list[Any]) -> float:
    """NaN where one of them is none."""
    return max(float((one - other).abs().max()) for one, other in zip(before, after, strict=True))


def equality_of(folder: Path) -> dict[str, Any] | None:
    """What the job that made a merged model measured; None for a folder without such a note."""
    path = folder / _NOTE
    return json.loads(path.read_text("utf-8")) if path.is_file() else None
