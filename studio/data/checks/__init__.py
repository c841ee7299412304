"""What ruins fine-tunes and can be seen in the rows: one file a check, each named in `CHECKS`. What a check is: `base`."""

from __future__ import annotations

import importlib

from studio.data.checks.base import Check, Context

__all__ = ["CHECKS", "check_of"]

#: By key, in the order in which they are told.
CHECKS: dict[str, str] = {
    "empty": "studio.data.checks.empty:Empty",
    "exact_duplicates": "studio.data.checks.duplicates:ExactDuplicates",
    "near_duplicates": "studio.data.checks.duplicates:NearDuplicates",
    "contradictions": "studio.data.checks.contradictions:Contradictions",
    "leakage": "studio.data.checks.leakage:Leakage",
    "truncated": "studio.data.checks.truncated:Truncated",
    "loops": "studio.data.checks.loops:Loops",
    "role_order": "studio.data.checks.role_order:RoleOrder",
    "template_tokens": "studio.data.checks.template_tokens:TemplateTokens",
    "too_long": "studio.data.checks.too_long:TooLong",
    "html": "studio.data.checks.html:Html",
    "hard_wraps": "studio.data.checks.hard_wraps:HardWraps",
    "radicals": "studio.data.checks.radicals:Radicals",
    "mojibake": "studio.data.checks.mojibake:Mojibake",
    "boilerplate": "studio.data.checks.boilerplate:Boilerplate",
    "refusals": "studio.data.checks.refusals:Refusals",
    "personal_data": "studio.data.checks.personal_data:PersonalData",
    "openings": "studio.data.checks.openings:Openings",
}


def check_of(key: str, context: Context | None = None) -> Check:
    """A check for one examination. Raises KeyError for a key that is none."""
    module, _, name = CHECKS[key].partition(":")
    made: Check = getattr(importlib.import_module(module), name)(context)
    return made
