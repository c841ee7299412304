"""What the tests of methods share."""

from __future__ import annotations

from typing import Any

from studio.train.estimates import Shapes
from studio.train.spec import TrainSpec

__all__ = ["sizes_of", "spec_of"]


def spec_of(**values: Any) -> TrainSpec:
    parts = {"base": {"id": "tiny", "revision": ""}, "dataset": {"id": "d", "revision": 1, "hash": ""}, "name": "a"}
    return TrainSpec.model_validate(parts | values)


def sizes_of(shapes: Shapes, **values: Any) -> list[int]:
    """Of the tensors that such a training trains."""
    spec = spec_of(**values)
    return spec.how.sizes(spec, shapes)
