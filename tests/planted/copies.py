"""Groups of rows: exact and near duplicates, contradictions, leaks between the splits."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from types import ModuleType

from .clean import question_key
from .compose import Draft, Message
from .damage import gap, places, sentences

Messages = tuple[Message, ...]
Edit = Callable[[str, str, Random], str]
STAYS = 0.80


def flat(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum())


def grams(text: str) -> set[str]:
    plain = flat(text)
    return {plain[i : i + 3] for i in range(len(plain) - 2)}


def text_of(messages: Messages) -> str:
    return "\n".join(text for role, text in messages if role != "system")


def jaccard(a: str, b: str) -> float:
    one, two = grams(a), grams(b)
    return len(one & two) / (len(one | two) or 1)


def is_long(draft: Draft, lang: str) -> bool:
    return len(flat(draft.text)) >= 70 if lang == "zh" else len(draft.text.split()) >= 30


def swap_words(text: str, lang: str, rng: Random, phrases: ModuleType, count: int) -> str:
    """Replaces up to `count` words by words of the same meaning."""
    pairs = rng.sample(phrases.SYNONYMS, len(phrases.SYNONYMS))
    for plain, other in pairs:
        pattern = rf"\b{plain}\b" if lang == "en" else plain
        if count and re.search(pattern, text):
            text = re.sub(pattern, other, text, count=1)
            count -= 1
    return text


class NearCopies:
    """Small edits as they happen when rows are copied, revised and merged."""

    def __init__(self, lang: str, phrases: ModuleType) -> None:
        self._lang = lang
        self._phrases = phrases
        self._edits: dict[str, Callable[[list[Message], Random], None]] = {
            "greeting": self._greeting,
            "thanks": self._thanks,
            "closing": self._closing,
            "words": self._words,
            "case": self._case,
            "punctuation": self._punctuation,
            "spaces": self._spaces,
            "number": self._number,
            "order of sentences": self._order,
            "sentence dropped": self._dropped,
            "question reworded": self._question_words,
        }

    def _edit(self, messages: list[Message], place: int, text: str) -> None:
        messages[place] = (messages[place][0], text)

    def _place(self, messages: list[Message], role: str) -> int:
        return [i for i, (who, _) in enumerate(messages) if who == role][-1]

    def _greeting(self, messages: list[Message], rng: Random) -> None:
        place = next(i for i, (who, _) in enumerate(messages) if who == "user")
        self._edit(messages, place, rng.choice(self._phrases.NEAR_GREETINGS) + messages[place][1])

    def _thanks(self, messages: list[Message], rng: Random) -> None:
        place = self._place(messages, "user")
        self._edit(messages, place, messages[place][1] + rng.choice(self._phrases.NEAR_THANKS))

    def _closing(self, messages: list[Message], rng: Random) -> None:
        place = self._place(messages, "assistant")
        self._edit(messages, place, messages[place][1] + rng.choice(self._phrases.NEAR_CLOSERS))

    def _words(self, messages: list[Message], rng: Random) -> None:
        place = self._place(messages, "assistant")
        self._edit(messages, place, swap_words(messages[place][1], self._lang, rng, self._phrases, rng.choice((1, 2))))

    def _question_words(self, messages: list[Message], rng: Random) -> None:
        place = self._place(messages, "user")
        self._edit(messages, place, swap_words(messages[place][1], self._lang, rng, self._phrases, 1))

    def _case(self, messages: list[Message], rng: Random) -> None:
        place = self._place(messages, "user")
        text = messages[place][1]
        if self._lang == "zh" and not re.search("[a-z]", text):
            return self._punctuation(messages, rng)
        self._edit(messages, place, rng.choice((text.lower(), text.upper(), text.title())))
        return None

    def _punctuation(self, messages: list[Message], rng: Random) -> None:
        place = rng.choice([i for i, (who, _) in enumerate(messages) if who != "system"])
        text = messages[place][1]
        if self._lang == "zh":
            table = rng.choice(
                (
                    str.maketrans("，？：！", ",?:!"),
                    str.maketrans("。", "．"),
                    str.maketrans("？。", "！；"),
                    str.maketrans("，", " "),
                )
            )
            self._edit(messages, place, text.translate(table))
        else:
            self._edit(
                messages,
                place,
                rng.choice((text.replace(",", ""), text.replace(".", "!"), text.replace("?", "??"), text.replace(". ", "; "))),
            )

    def _spaces(self, messages: list[Message], rng: Random) -> None:
        place = rng.choice([i for i, (who, _) in enumerate(messages) if who != "system"])
        text = messages[place][1]
        if self._lang == "zh":
            self._edit(
                messages,
                place,
                rng.choice((text.replace("，", "， "), " " + text, text.replace("。", "。\n"), text.replace("、", "、 "))),
            )
        else:
            self._edit(
                messages,
                place,
                rng.choice((text.replace(" ", "  "), text + " ", text.replace(". ", ".  "), text.replace(". ", ".\n"))),
            )

    def _number(self, messages: list[Message], rng: Random) -> None:
        places_with = [i for i, (who, text) in enumerate(messages) if who == "assistant" and re.search(r"\d", text)]
        if not places_with:
            return self._words(messages, rng)
        place = rng.choice(places_with)
        match = rng.choice(list(re.finditer(r"\d+", messages[place][1])))
        number = str(int(match.group()) + rng.choice((1, 2, 5, 10)))
        text = messages[place][1]
        self._edit(messages, place, text[: match.start()] + number + text[match.end() :])
        return None

    def _order(self, messages: list[Message], rng: Random) -> None:
        place = self._place(messages, "assistant")
        parts = sentences(messages[place][1], self._lang)
        if len(parts) > 2 and "\n" not in messages[place][1]:
            parts[-1], parts[-2] = parts[-2], parts[-1]
        self._edit(messages, place, gap(self._lang).join(parts))

    def _dropped(self, messages: list[Message], rng: Random) -> None:
        place = self._place(messages, "assistant")
        parts = sentences(messages[place][1], self._lang)
        if len(parts) > 3:
            del parts[rng.randrange(1, len(parts))]
        self._edit(messages, place, gap(self._lang).join(parts))

    def copy(self, messages: Messages, rng: Random) -> tuple[Messages, str] | None:
        """One copy with one or two edits of which at least ~80 % stays; None if it came out otherwise."""
        edited = list(messages)
        names = rng.sample(list(self._edits), rng.choice((1, 1, 2)))
        for name in names:
            self._edits[name](edited, rng)
        source, result = text_of(messages), text_of(tuple(edited))
        if tuple(edited) == messages or jaccard(source, result) < STAYS:
            return None
        return tuple(edited), "+".join(names)

    def cluster(self, draft: Draft, rng: Random) -> list[tuple[Messages, str]]:
        """The source and one to four copies, all different, each like every other."""
        members: list[tuple[Messages, str]] = [(draft.messages, "source")]
        size = rng.choice((2, 2, 2, 3, 3, 5))
        for _ in range(60):
            if len(members) == size:
                break
            made = self.copy(draft.messages, rng)
            if made and all(
                made[0] != other and jaccard(text_of(made[0]), text_of(other)) >= STAYS - 0.06 for other, _ in members
            ):
                members.append(made)
        return members


def retyped(question: str, lang: str, rng: Random) -> str:
    """The same question with other case, spaces or punctuation."""
    bare = question.rstrip("?？.。!！ ")
    forms: tuple[str, ...]
    if lang == "zh":
        forms = (
            question,
            question,
            bare,
            bare + "?",
            bare + "？？",
            " " + question,
            question.replace("，", ","),
            question.replace("，", " "),
            bare + "！",
        )
    else:
        forms = (
            question,
            question,
            bare,
            bare + "??",
            question.lower(),
            question.upper(),
            "  " + question,
            question.replace(" ", "  ", 3),
            bare + " ?",
            question.replace(",", ""),
        )
    return rng.choice(forms)


def reworded(question: str, lang: str, rng: Random, phrases: ModuleType) -> str | None:
    """A long question with one word changed; None where that is not possible."""
    long_enough = len(flat(question)) >= 20 if lang == "zh" else len(question.split()) >= 10
    other = swap_words(question, lang, rng, phrases, 1)
    return other if long_enough and other != question and question_key(other) != question_key(question) else None


def other_answer(draft: Draft, rng: Random, most: float, facts: bool) -> str | None:
    """Another answer to the same question: with other facts, or with the same facts in other words."""
    make = draft.differ if facts else draft.again
    for _ in range(12):
        answer = make(rng) if make else None
        if answer and flat(answer) != flat(draft.answer) and jaccard(answer, draft.answer) <= most and len(flat(answer)) >= 6:
            return answer
    return None


def single_messages(question: str, answer: str) -> Messages:
    return (("user", question), ("assistant", answer))


def contradiction(draft: Draft, lang: str, rng: Random) -> list[tuple[Messages, str]] | None:
    """Two or three rows with the same question and different answers."""
    if not draft.is_single or places(draft, "user") != [0]:
        return None
    members = [(draft.messages, "source")]
    for _ in range(rng.choice((1, 1, 1, 2))):
        facts = rng.random() < 0.65
        answer = other_answer(draft, rng, 0.85, facts)
        if not answer or any(flat(answer) == flat(messages[-1][1]) for messages, _ in members):
            continue
        question = retyped(draft.question, lang, rng)
        members.append((single_messages(question, answer), "other facts" if facts else "other words"))
    return members if len(members) > 1 else None


def leak(
    draft: Draft, lang: str, rng: Random, phrases: ModuleType, in_other_words: bool
) -> tuple[Messages, Messages, str] | None:
    """A row and its twin for the held-out side: the same question (or with one word changed) and an answer of its own."""
    if not draft.is_single or places(draft, "user") != [0]:
        return None
    answer = other_answer(draft, rng, 0.92, facts=False)
    if not answer:
        return None
    question = retyped(draft.question, lang, rng)
    how = "verbatim" if question == draft.question else "retyped"
    if in_other_words:
        changed = reworded(draft.question, lang, rng, phrases)
        if not changed:
            return None
        question, how = changed, "reworded"
    return draft.messages, single_messages(question, answer), how
