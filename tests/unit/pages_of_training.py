"""What the templates of trainings are drawn with, with one word wherever people or models write: for test_hostile_text.py."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace as Some
from typing import Any

from studio.jobs.resources import Device, DeviceState
from studio.train.fit import Outlook, Remedy
from studio.train.memory import PARTS, Batch, Footprint
from studio.train.probes import Answered, Probe, Timeline
from studio.train.recipe import Reason
from studio.train.story import Difference, Noticed, NoticedRow
from studio.train.sweeps import Doubling

__all__ = ["training_pages"]

_AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def training_pages(w: str, run: Some, base: Some, job: Some) -> dict[str, dict[str, Any]]:
    """By template. `job` has failed with an error that holds the word."""
    problem = {"key": "error.data.name_taken", "field": "name", "params": {"name": w}}
    device = Device("cuda", 0, w, 2**33)
    outlook = Outlook(Footprint(dict.fromkeys(PARTS, 2**28), 2**30, 2**32), Batch(8, 64, 99), device, 2**33)
    ahead = Some(n_train=1, n_validation=1, steps=1, tokens=1, errors=[problem], warnings=[problem], outlook=outlook)
    pilot = Some(state="failed", result=None, error=problem, phase=None)
    facts = {"device": w, "precision": "float32", "trainable": 5, "parameters": 9, "versions": {w: w}}
    facts["predicted"] = {"total": 5, "low": 4, "high": 6}
    dataset = Some(id=w, name=w, revision=2)
    spec = {"preset": "quick", "seed": 4, "dataset": {"id": w, "revision": 1, "hash": w}}
    spec |= {"base": {"id": w, "revision": w}, "start_from": f"{w}@8"}
    run, origin = Some(**vars(run) | {"spec": spec, "dataset_id": w}), Some(run=run, step=8)
    lineage = Some(
        run=run,
        origin=origin,
        dataset=dataset,
        base=Some(**vars(base) | {"ref": w}),
        facts=facts,
        checkpoints=[Some(step=8, best=False, pinned=True, val_loss=1.0, bytes=5)],
        used={"chats": 1, "links": 2},
        same_data=[run],
    )
    waiting = Some(**vars(job) | {"state": "paused", "is_active": False, "device": w, "job_class": "device", "id": w})
    eased = {"key": "train.warned.eased", "params": Remedy("micro_batch", _MICRO, 0).as_dict()}
    probe = Probe("own1", w)
    answers = [Answered(0, w, None, False), Answered(8, f"{w} more", True, True), None]
    noticed = Noticed("spike", 8, {"step": 8, "loss": 5.0, "usual": 2.0, "n": 1}, [NoticedRow(1, w, w), NoticedRow(2, "", "")], 2)
    swept = Some(run=run, values={"learning_rate": 1e-4, "probes": w}, loss=1.0)
    found = {"runs": [swept, swept], "best": swept, "has_ended": False, "is_curve": True, "losses": [1.0]}
    sweep = Some(id=w, name=w, axes={"learning_rate": [1e-4], "probes": [w]}, **found)
    saved = Some(
        run_id=w, run_name=w, base_id=w, step=8, name=f"{w}@8", path=w, bytes=5, val_loss=1.0, best=False, pinned=True,
        created_at=run.created_at, note=w, tags=[w],
    )  # fmt: skip
    own = Some(**vars(base) | {"id": w, "name": w, "source": "merged", "state": "ready", "ref": f"{w}@8", "revision": w})
    own = Some(**vars(own) | {"architecture": w, "licence": w, "parameters": 10**6, "bytes": 5, "context": 9})
    held = Some(
        checkpoint=saved, run=run, base=own, origin=origin, merges=True, in_vllm=True, models=[own],
        dependants=[Some(kind="run", name=w)],
    )  # fmt: skip
    sent = Some(state="finished", has_ended=True, phase=None, error=None, result={"url": f"https://hub/{w}"})
    unsent = Some(state="failed", has_ended=True, phase=None, error=problem, result=None)
    equal: dict[str, Any] = {"max_difference": 1e-6, "rounded_difference": 1e-3, "tokens": 9, "texts": 2}
    equal["numbers"] = "bfloat16"
    return {
        "models": {"bases": [own], "runs": [[saved]], "chosen": w, "at_work": {}},
        "models_empty": {"is_gone": True},
        "pushed": {},
        "checkpoint": {"held": held, "method": "lora", "pushed": [sent, unsent], "merged": [unsent]},
        "model": {"base": own, "job": None, "failed": None, "equal": equal, "used": held.dependants, "pushed": [sent]},
        "plan": {
            "base": base,
            "origin": origin,
            "problem": problem,
            "ahead": ahead,
            "pilot": pilot,
            "before": None,
            "changed": [Remedy("micro_batch", _MICRO), None],
            "asked": True,
        },
        "memory_bar": {},
        "recipe": {
            "recipe": Some(reasons=[Reason("rate", {"rate": 1e-4, "billions": 0.1})]),
            "known": Some(n_rows=5, device=device, base=w),
        },
        "queue": {
            "running": [waiting],
            "waiting": [waiting, waiting],
            "rivals": {w: 2},
            "devices": [DeviceState(device, 0.5, 2**32, 60)],
        },
        "run_foot": {"lineage": lineage, "log": w},
        "run_head": {
            "run": run,
            "base": base,
            "warnings": [problem, eased],
            "starts": [0, 8],
            "last_step": 8,
            "limit": 3,
            "facts": facts,
            "origin": origin,
        },
        "run_noticed": {"noticed": [noticed], "dataset": w},
        "run_probes": {"told": Timeline([0, 8, 16], [(probe, answers)], [0, 1, 0], 1)},  # type: ignore[list-item]
        "run_compare": {"runs": [run, run], "told": [Difference("seed", [1, 2]), Difference("base", [w, w])]},
        "sweep": {"sweep": sweep, "chosen": w, "ahead": Doubling(0.2, 0.1, True)},
        "runs": {"runs": [run, Some(**vars(run) | {"id": f"{w}2"})], "chosen": w, "over": [w], "sweeps": {w: (w, w)}},
    }


_MICRO = {"per_device_batch_size": 2, "gradient_accumulation_steps": 4}
