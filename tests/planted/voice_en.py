"""English topics and manner of speaking, put together."""

from __future__ import annotations

from functools import cache

from . import patterns_en, patterns_en_more, texts_en
from .compose import Topic, Voice, make_topic
from .hard_en import ambient

VOICE = Voice(
    lang="en",
    space=" ",
    ambient=ambient,
    bullet_tails=("As bullet points, please.", "Make it a list.", "Bullets are fine.", "List the points."),
    number_tails=("Number the points.", "One, two, three, please.", "In order, with numbers."),
    short_tails=("Just the answer, please.", "Keep it to a few words.", "No explanation needed.", "In brief."),
    table_tails=(),
    stops=".!?",
    systems=(
        "You are a patient tutor.",
        "Answer in plain English.",
        "You work for a consumer advice centre. Be brief and friendly.",
        "You help customers of a mail-order company.",
        "Reply to readers of a local magazine.",
        "You are an expert who avoids jargon.",
        "Keep answers under 150 words.",
        "Use British spelling.",
    ),
    greetings=(
        "Hello! What can I do for you today?",
        "Hi there, how can I help?",
        "Good morning! What would you like to know?",
        "Welcome back. What's on your mind?",
    ),
)


@cache
def topics() -> tuple[Topic, ...]:
    patterns = {**vars(patterns_en), **vars(patterns_en_more)}
    return tuple(make_topic(name, columns, facts, patterns[name.upper()]) for name, (columns, facts) in texts_en.TABLES.items())
