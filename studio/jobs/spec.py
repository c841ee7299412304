"""What every job's spec has in common (CONTRACTS 4): frozen, no unknown fields, no secrets, relative paths."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from studio.errors import ConfigError

__all__ = ["Spec", "checked"]

S = TypeVar("S", bound=BaseModel)


class Spec(BaseModel):
    """`then` names the jobs that are queued when this one has finished."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    kind: str
    schema_version: Literal[1] = Field(1, alias="schema")
    then: list[dict[str, Any]] = Field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True)


def checked(model: type[S], values: dict[str, Any]) -> S:
    """Validate values for a spec.

    Raises ConfigError that names every field at fault at once; `field` is the first of them.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [(".".join(str(part) for part in item["loc"]), item["msg"]) for item in error.errors()]
        shown = "; ".join(f"{where}: {what}" for where, what in problems)
        raise ConfigError("error.config.invalid", field=problems[0][0], problems=shown) from error
