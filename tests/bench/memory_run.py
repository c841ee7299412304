"""One training in a process of its own, for the bench `memory`: prints its peak of resident memory in bytes.

python -m tests.bench.memory_run FOLDER '{"rows": 4, "width": 128, "share": 0.5, "steps": 3, "spec": {...}}'
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from studio.train.spec import Precision, TrainSpec


def lengths_of(rows: int, width: int) -> list[int]:
    """Tokens of the rows of one batch: as in most batches, all but the longest are padded."""
    return [width - number for number in range(rows)]


def n_targets_of(length: int, share: float) -> int:
    """The first token of a row is never a target."""
    return length - max(1, round(length * (1 - share)))


def main(folder: Path, case: dict[str, Any]) -> dict[str, int]:
    """Steps of full batches through our trainer and our loss, as the job takes them; without evaluations and checkpoints."""
    import torch
    import transformers
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    from studio.train.batches import IGNORED, TokenRow, TokenRows
    from studio.train.facts import peak_bytes
    from studio.train.model import Device, load_base
    from studio.train.stages import Parts

    spec = TrainSpec.model_validate(case["spec"])
    device = Device("cpu", spec.precision == Precision.BFLOAT16)
    transformers.set_seed(spec.seed)
    libraries = peak_bytes()
    model = load_base(folder, spec, device)
    loaded = peak_bytes()
    draw = torch.Generator().manual_seed(0)
    rows = []
    for number in range(case["rows"] * case["steps"]):
        length = lengths_of(case["rows"], case["width"])[number % case["rows"]]
        ids = torch.randint(3, model.config.vocab_size, (length,), generator=draw).tolist()
        n_prompt = length - n_targets_of(length, case["share"])
        rows.append(TokenRow(number, ids, [IGNORED] * n_prompt + ids[n_prompt:]))
    with tempfile.TemporaryDirectory() as out:
        more = {"max_steps": case["steps"], "save_strategy": "no", "warmup_steps": 0}
        no_words: Any = SimpleNamespace(special_tokens={}, tokenizer=SimpleNamespace(token_to_id=lambda token: 0))
        parts = Parts(device, model, no_words, folder, TokenRows(rows), TokenRows([]), Path(out))
        trainer = spec.to_what.trainer(spec, parts, in_order=True, more=more)
        trainer.remove_callback(PrinterCallback)
        trainer.remove_callback(ProgressCallback)
        assert trainer.choose_loss(TokenRows(rows))
        trainer.train()
    return {"libraries": libraries, "loaded": loaded, "peak": peak_bytes()}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), json.loads(sys.argv[2]))))
