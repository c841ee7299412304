"""The job `push`: a checkpoint or a merged model to the Hugging Face hub, with its model card.

Who may write there is the hub's library's business: it finds the token of `hf auth login`, or HF_TOKEN.
"""

from __future__ import annotations

from typing import Any, Literal

from studio.errors import ModelError
from studio.jobs.context import JobContext
from studio.jobs.spec import Spec, checked
from studio.train.packing import files_to_take

__all__ = ["PushSpec", "run_push"]


class PushSpec(Spec):
    """`folder` lies under the home."""

    kind: Literal["push"] = "push"
    folder: str
    repo: str
    private: bool = True
    card: str = ""


def run_push(context: JobContext) -> dict[str, Any]:
    """The address at which it is then. Raises ModelError without a token, or where the hub refuses."""
    spec = checked(PushSpec, context.spec)
    if context.settings.hub == "modelscope":
        raise ModelError("error.model.push_hub")
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalTokenNotFoundError
    from huggingface_hub.utils import get_token

    if get_token() is None:
        raise ModelError("error.model.no_hub_token")
    files = files_to_take(context.settings.home / spec.folder)
    if not files:
        raise ModelError("error.model.push_gone")
    context.phase("uploading")
    hub = HfApi(endpoint=context.settings.hub_endpoint)
    try:
        hub.create_repo(spec.repo, private=spec.private, exist_ok=True)
        context.check_stop()
        parts = [CommitOperationAdd("README.md", spec.card.encode())]
        parts += [CommitOperationAdd(name, str(path)) for name, path in files.items()]
        told = hub.create_commit(spec.repo, parts, commit_message="Upload from Finetune Studio")
    except LocalTokenNotFoundError as error:
        raise ModelError("error.model.no_hub_token") from error
    except (HfHubHTTPError, HTTPError, OSError, ValueError) as error:
        raise ModelError("error.model.push_failed", repo=spec.repo, reason=str(error).split("\n")[0][:300]) from error
    return {"repo": spec.repo, "url": f"{context.settings.hub_endpoint}/{spec.repo}", "commit": told.oid, "files": len(files) + 1}
