"""Weights of a full fine-tune in the place of the base's own: one model, whose parameters point here or there.

Switching costs nothing but the memory of the second set, which is read once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["Weights", "is_whole_model"]

_FILE = "model.safetensors"


def is_whole_model(folder: Path) -> bool:
    return (folder / _FILE).is_file() and not (folder / "adapter_config.json").is_file()


class Weights:
    """The parameters of `model`, which has to be bare when this is made: adapters that come later leave them where they are."""

    def __init__(self, model: Any) -> None:
        self._parameters = dict(model.named_parameters())
        self._own = {name: parameter.data for name, parameter in self._parameters.items()}
        self._read: dict[Path, dict[str, Any]] = {}
        self._in_force: Path | None = None

    def put(self, folder: Path | None) -> None:
        """Let the model compute with those of `folder`, or with its own. Raises ValueError where they do not fit."""
        if folder == self._in_force:
            return
        if folder is not None and folder not in self._read:
            self._read[folder] = self._fitting(folder)
        for name, tensor in (self._own if folder is None else self._read[folder]).items():
            self._parameters[name].data = tensor
        self._in_force = folder

    def forget(self, folder: Path) -> None:
        if self._in_force == folder:
            self.put(None)
        self._read.pop(folder, None)

    def has(self, folder: Path) -> bool:
        return folder in self._read

    def _fitting(self, folder: Path) -> dict[str, Any]:
        from safetensors.torch import load_file

        found = load_file(folder / _FILE)
        odd = [name for name, own in self._own.items() if name not in found or found[name].shape != own.shape]
        if odd:
            raise ValueError(f"{len(odd)} weights are missing or of another shape, the first is {odd[0]}")
        return {name: found[name].to(own.device, own.dtype) for name, own in self._own.items()}
