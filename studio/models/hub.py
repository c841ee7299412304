"""Where models come from: the Hugging Face hub (or a mirror of it) and ModelScope. Lists files, brings them one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx

from studio.errors import ModelError
from studio.settings import Settings

__all__ = ["Hub", "Listing", "hub_of", "stream_file", "wanted_files"]

#: Files that a base needs; weights are safetensors only, code is never fetched.
_WANTED = (".safetensors", ".safetensors.index.json", "config.json", "tokenizer.json", "chat_template.jinja", "LICENSE")
#: Weights that some repositories carry beside the ones that transformers reads.
_SECOND_COPIES = ("consolidated", "adapter_", "original")
_WANTED_NAMES = ("tokenizer_config.json", "generation_config.json", "special_tokens_map.json", "chat_template.json")

_TIMEOUT = httpx.Timeout(30, connect=8)


@dataclass(frozen=True)
class Listing:
    """What a hub holds under one id: the commit, file sizes in bytes, the licence as the hub names it."""

    commit: str
    sizes: dict[str, int]
    licence: str


class Hub(Protocol):
    """`on_bytes` hears how many bytes came, chunk by chunk; it may raise to stop the download."""

    def listing(self, ref: str) -> Listing: ...

    def download(self, ref: str, commit: str, name: str, target: Path, on_bytes: Callable[[int], None]) -> None: ...


def wanted_files(listing: Listing) -> dict[str, int]:
    """The files of the top folder that a base needs, with their sizes."""
    return {
        name: size
        for name, size in listing.sizes.items()
        if "/" not in name and not name.startswith(_SECOND_COPIES) and (name.endswith(_WANTED) or name in _WANTED_NAMES)
    }


def hub_of(settings: Settings) -> Hub:
    if settings.hub == "modelscope":
        return ModelScope("https://www.modelscope.cn")
    return HuggingFace(settings.hub_endpoint)


class HuggingFace:
    """The hub's library does the talking: tokens, redirects, retries and mirrors are its business."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def listing(self, ref: str) -> Listing:
        from huggingface_hub import HfApi

        # HTTPError is that of the library's own client (httpx2 since 2.0), which is not the httpx of this file.
        from huggingface_hub.errors import GatedRepoError, HFValidationError, HTTPError, RepositoryNotFoundError

        try:
            info = HfApi(endpoint=self._endpoint).model_info(ref, files_metadata=True, timeout=30)
        except GatedRepoError as error:
            raise ModelError("error.model.gated", field="ref", ref=ref) from error
        except (RepositoryNotFoundError, HFValidationError) as error:
            raise ModelError("error.model.not_on_hub", field="ref", ref=ref, hub=self._endpoint) from error
        except (HTTPError, OSError, ValueError) as error:
            raise ModelError("error.model.hub_unreachable", field="ref", hub=self._endpoint) from error
        sizes = {item.rfilename: int(item.size or 0) for item in info.siblings or ()}
        card = info.card_data or {}
        return Listing(info.sha or "", sizes, str(card.get("license") or ""))

    def download(self, ref: str, commit: str, name: str, target: Path, on_bytes: Callable[[int], None]) -> None:
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils import build_hf_headers

        url = hf_hub_url(ref, name, revision=commit, endpoint=self._endpoint)
        stream_file(url, target, on_bytes, hub=self._endpoint, ref=ref, headers=build_hf_headers())


class ModelScope:
    """ModelScope's own listing; its files are plain downloads."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def listing(self, ref: str) -> Listing:
        url = f"{self._endpoint}/api/v1/models/{ref}/repo/files"
        try:
            answer = httpx.get(url, params={"Revision": "master", "Recursive": "true"}, timeout=_TIMEOUT, follow_redirects=True)
            if answer.status_code == 404:
                raise ModelError("error.model.not_on_hub", field="ref", ref=ref, hub=self._endpoint)
            answer.raise_for_status()
            files: list[dict[str, Any]] = (answer.json().get("Data") or {}).get("Files") or []
        except (httpx.HTTPError, ValueError) as error:
            raise ModelError("error.model.hub_unreachable", field="ref", hub=self._endpoint) from error
        if not files:
            raise ModelError("error.model.not_on_hub", field="ref", ref=ref, hub=self._endpoint)
        blobs = [item for item in files if item.get("Type") != "tree"]
        newest = max(blobs, key=lambda item: int(item.get("CommittedDate") or 0))
        return Listing(str(newest.get("Revision") or "master"), {item["Path"]: int(item.get("Size") or 0) for item in blobs}, "")

    def download(self, ref: str, commit: str, name: str, target: Path, on_bytes: Callable[[int], None]) -> None:
        url = f"{self._endpoint}/models/{ref}/resolve/master/{name}"
        stream_file(url, target, on_bytes, hub=self._endpoint, ref=ref, headers={})


def stream_file(url: str, target: Path, on_bytes: Callable[[int], None], *, hub: str, ref: str, headers: dict[str, str]) -> None:
    """Download by way of a temporary file; what is there under the right name is whole."""
    temporary = target.with_name(target.name + ".part")
    try:
        with httpx.stream("GET", url, headers=headers, timeout=_TIMEOUT, follow_redirects=True) as answer:
            if answer.status_code in (401, 403):  # a gated model is listed for everybody, its files are not
                raise ModelError("error.model.gated", field="ref", ref=ref)
            answer.raise_for_status()
            with temporary.open("wb") as file:
                for chunk in answer.iter_bytes(1 << 20):
                    file.write(chunk)
                    on_bytes(len(chunk))
    except httpx.HTTPError as error:
        raise ModelError("error.model.hub_unreachable", field="ref", hub=hub) from error
    temporary.replace(target)
