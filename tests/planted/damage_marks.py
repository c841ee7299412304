"""Leftovers in the text: chat templates, HTML, self-descriptions of models, refusals, placeholders, personal data."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from types import ModuleType

from . import personal
from .compose import Draft
from .damage import Damaged, Turns, count_sentences, damaged, gap, insert_sentence, last_place, pick_place, places, sentences

CHATML, BAR = ("<|im_start|>", "<|im_end|>"), "\uff5c"


def token_ways(lang: str) -> dict[str, tuple[str, str]]:
    """Way -> where it goes ("end", "start", "around", "question", "mid") and the text; {t} stands for the message."""
    more_q = {"zh": "还有别的办法吗？", "en": "Is there another way?"}[lang]
    more_a = {"zh": "还可以问问身边有经验的人。", "en": "You could also ask somebody with experience."}[lang]
    return {
        "ChatML end": ("any", "{t}<|im_end|>"),
        "ChatML end, newline": ("any", "{t}<|im_end|>\n"),
        "ChatML start": ("answer", "<|im_start|>assistant\n{t}"),
        "ChatML whole": ("answer", "<|im_start|>assistant\n{t}<|im_end|>"),
        "ChatML user": ("question", "<|im_start|>user\n{t}<|im_end|>"),
        "ChatML next turn": ("answer", "{t}<|im_end|>\n<|im_start|>user\n" + more_q),
        "half eaten end": ("answer", "{t}im_end|>"),
        "half eaten start": ("answer", "|im_start|>assistant\n{t}"),
        "half eaten, other side": ("answer", "{t}<|im_end"),
        "Llama 2": ("question", "[INST] {t} [/INST]"),
        "Llama 2 system": ("question", "<<SYS>>\nYou are a helpful assistant.\n<</SYS>>\n\n{t}"),
        "Llama 2 whole": ("question", "<s>[INST] <<SYS>>\nAnswer briefly.\n<</SYS>>\n\n{t} [/INST]"),
        "Llama 2 answer": ("answer", "[/INST] {t} </s>"),
        "Llama 2 next turn": ("answer", "{t} </s><s>[INST] " + more_q + " [/INST]"),
        "Llama 3 header": ("answer", "<|start_header_id|>assistant<|end_header_id|>\n\n{t}<|eot_id|>"),
        "Llama 3 end": ("any", "{t}<|eot_id|>"),
        "Llama 3 begin": ("question", "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n{t}"),
        "</s>": ("answer", "{t}</s>"),
        "<s>": ("any", "<s>{t}"),
        "<s> </s>": ("answer", "<s> {t} </s>"),
        "<|endoftext|>": ("answer", "{t}<|endoftext|>"),
        "<|endoftext|> and more": ("answer", "{t}<|endoftext|>" + more_q),
        "Gemma": ("answer", "<start_of_turn>model\n{t}<end_of_turn>"),
        "Gemma user": ("question", "<start_of_turn>user\n{t}<end_of_turn>"),
        "Alpaca response": ("answer", "### Response:\n{t}"),
        "Alpaca instruction": ("question", "### Instruction:\n{t}\n\n### Response:"),
        "Alpaca next turn": ("answer", "{t}\n\n### Instruction:\n" + more_q),
        "Alpaca input": ("question", "### Instruction:\n{t}\n\n### Input:\n"),
        "Vicuna": ("question", "USER: {t} ASSISTANT:"),
        "Vicuna lines": ("answer", "{t}\nUSER: " + more_q + "\nASSISTANT: " + more_a),
        "Human/Assistant": ("answer", "{t}\n\nHuman: " + more_q + "\n\nAssistant: " + more_a),
        "Human at the end": ("answer", "{t}\n\nHuman:"),
        "Human, question": ("question", "Human: {t}\n\nAssistant:"),
        "DeepSeek": ("question", f"<{BAR}User{BAR}>{{t}}<{BAR}Assistant{BAR}>"),
        "DeepSeek end": ("answer", f"{{t}}<{BAR}end\u2581of\u2581sentence{BAR}>"),
        "Mistral": ("answer", "[/INST]{t}"),
        "ChatML in the middle": ("middle", "<|im_end|>\n<|im_start|>assistant\n"),
        "eos in the middle": ("middle", "</s>"),
        "[INST] in the middle": ("middle", "[INST]"),
        "Qwen end": ("answer", "{t}<|im_end|><|endoftext|>"),
        "Phi": ("answer", "<|assistant|>\n{t}<|end|>"),
        "Zephyr": ("question", "<|user|>\n{t}</s>\n<|assistant|>"),
    }


class TemplateTokens:
    """Chat-template markers that were left in the text."""

    def __init__(self, lang: str) -> None:
        self._lang = lang
        self._ways = token_ways(lang)
        self._order: list[str] = []

    def __call__(self, draft: Draft, rng: Random) -> Damaged | None:
        if not self._order:
            self._order = rng.sample(list(self._ways), len(self._ways))
        how = self._order.pop()
        where, form = self._ways[how]
        if where == "middle":
            many = count_sentences(draft.answer, self._lang)
            text = insert_sentence(draft.answer, form, many // 2, self._lang)
            return damaged(draft, last_place(draft), text, how) if many > 1 else None
        place = pick_place(draft, rng, {"question": 1.0, "answer": 0.0}.get(where, 0.4))
        return damaged(draft, place, form.replace("{t}", draft.messages[place][1]), how)


def link_word(text: str, lang: str, rng: Random) -> str:
    """Some word or part of the text that is worth a tag."""
    words = re.findall(r"[A-Za-z]{4,}", text) if lang == "en" else re.findall(r"[\u4e00-\u9fff]{2,4}", text)
    return rng.choice(words) if words else text[:4]


class Html:
    """Pieces of HTML of scraped pages."""

    def __init__(self, lang: str) -> None:
        self._lang = lang
        self._ways = [
            self._paragraphs,
            self._breaks,
            self._inline,
            self._link,
            self._image,
            self._items,
            self._script,
            self._style,
            self._comment,
            self._entity,
            self._double_entity,
            self._upper,
            self._unclosed,
            self._box,
            self._attribute,
            self._stray,
            self._heading,
            self._quoted,
        ]
        self._order: list[Callable[[str, list[str], Random], str | None]] = []

    def __call__(self, draft: Draft, rng: Random) -> Damaged | None:
        if not self._order:
            self._order = rng.sample(self._ways, len(self._ways))
        way = self._order.pop()
        place = pick_place(draft, rng, 0.2)
        text = draft.messages[place][1]
        parts = sentences(text, self._lang)
        changed = way(text, parts, rng)
        return damaged(draft, place, changed, way.__name__.strip("_")) if changed and changed != text else None

    def _join(self, parts: list[str]) -> str:
        return gap(self._lang).join(parts)

    def _paragraphs(self, text: str, parts: list[str], rng: Random) -> str:
        kind = rng.choice(("<p>{}</p>", '<p class="MsoNormal">{}</p>', '<p style="margin-top:0">{}</p>', "<div>{}</div>"))
        glue = rng.choice(("", "\n"))
        return glue.join(kind.format(part) for part in parts)

    def _breaks(self, text: str, parts: list[str], rng: Random) -> str | None:
        mark = rng.choice(("<br>", "<br/>", "<br />", "<BR>", "<br><br>", "<br/>\n"))
        return mark.join(parts) if len(parts) > 1 else text + mark

    def _inline(self, text: str, parts: list[str], rng: Random) -> str:
        word = link_word(text, self._lang, rng)
        tag = rng.choice(("b", "strong", "em", "i", "u", "font", "mark", "sup"))
        opening = f'<{tag} color="red">' if tag == "font" else f"<{tag}>"
        return text.replace(word, f"{opening}{word}</{tag}>", 1)

    def _link(self, text: str, parts: list[str], rng: Random) -> str:
        word = link_word(text, self._lang, rng)
        target = rng.choice(
            ("/wiki/page_12", "https://www.haoshi-tech.net/a/20391.html", "#section2", "javascript:void(0)", "/tag/more?id=8")
        )
        return text.replace(word, f'<a href="{target}"{rng.choice(("", " target=_blank", " rel=nofollow"))}>{word}</a>', 1)

    def _image(self, text: str, parts: list[str], rng: Random) -> str:
        image = rng.choice(
            (
                '<img src="/img/pic_01.jpg" alt="">',
                '<img class="lazy" data-src="//cdn.page.net/7.png">',
                "<IMG SRC='a.gif' WIDTH=200>",
            )
        )
        return self._join([parts[0], image, *parts[1:]])

    def _items(self, text: str, parts: list[str], rng: Random) -> str:
        kind = rng.choice(("ul", "ol"))
        return f"<{kind}>" + rng.choice(("", "\n")).join(f"<li>{part}</li>" for part in parts) + f"</{kind}>"

    def _script(self, text: str, parts: list[str], rng: Random) -> str:
        piece = rng.choice(
            (
                "<script>var _hmt = _hmt || [];</script>",
                '<script src="/js/stat.js"></script>',
                "<script type=\"text/javascript\">document.write('');</script>",
                "<noscript>Please enable JavaScript</noscript>",
            )
        )
        return self._join([*parts[:-1], piece, parts[-1]])

    def _style(self, text: str, parts: list[str], rng: Random) -> str:
        piece = rng.choice(
            (
                "<style>p {color: #333;}</style>",
                '<style type="text/css">.a{margin:0}</style>',
                '<link rel="stylesheet" href="/m.css">',
            )
        )
        return piece + text

    def _comment(self, text: str, parts: list[str], rng: Random) -> str:
        piece = rng.choice(("<!-- ad begin -->", "<!--more-->", "<!-- .entry-content -->", "<!--[if IE]>"))
        return self._join([parts[0], piece, *parts[1:]])

    def _entity(self, text: str, parts: list[str], rng: Random) -> str | None:
        if self._lang == "zh":
            for plain, entity in rng.sample(
                (("“", "&ldquo;"), ("、", "&#12289;"), ("——", "&mdash;"), ("，", "&#65292;"), ("。", "&nbsp;。")), 5
            ):
                if plain in text:
                    return text.replace(plain, entity)
            return text + "&nbsp;"
        for plain, entity in rng.sample(
            (("'", "&#39;"), ('"', "&quot;"), (", ", ",&nbsp;"), (" and ", " &amp; "), ("'", "&rsquo;"), (". ", ".&nbsp;&nbsp;")),
            6,
        ):
            if plain in text:
                return text.replace(plain, entity, rng.choice((1, -1)))
        return text + "&nbsp;"

    def _double_entity(self, text: str, parts: list[str], rng: Random) -> str:
        mark = rng.choice(("&amp;nbsp;", "&amp;quot;", "&amp;lt;br&amp;gt;", "&lt;br&gt;", "&lt;p&gt;", "&amp;amp;"))
        return self._join([parts[0] + mark, *parts[1:]])

    def _upper(self, text: str, parts: list[str], rng: Random) -> str:
        return rng.choice(("<P>{}</P>", "<FONT SIZE=2>{}</FONT>", "<CENTER>{}</CENTER>", "<TD>{}</TD>", "<B>{}</B>")).format(text)

    def _unclosed(self, text: str, parts: list[str], rng: Random) -> str:
        return rng.choice(("<p>", '<div class="content">', "<td>", "<span>", "<li>")) + text

    def _box(self, text: str, parts: list[str], rng: Random) -> str:
        return f'<div class="{rng.choice(("post-body", "answer", "content-main"))}"><span>{text}</span></div>'

    def _attribute(self, text: str, parts: list[str], rng: Random) -> str:
        word = link_word(text, self._lang, rng)
        style = rng.choice(("color:#ff0000", "font-size:14px", "background:yellow", "font-family:SimSun"))
        return text.replace(word, f'<span style="{style}">{word}</span>', 1)

    def _stray(self, text: str, parts: list[str], rng: Random) -> str:
        return text + rng.choice(("</p>", "</div>", "</span></p>", "</td></tr></table>", "</body></html>", "</a>"))

    def _heading(self, text: str, parts: list[str], rng: Random) -> str:
        return f"<h{rng.randint(2, 4)}>{parts[0]}</h{rng.randint(2, 4)}>" + self._join(parts[1:])

    def _quoted(self, text: str, parts: list[str], rng: Random) -> str:
        return f"<table><tr><td>{parts[0]}</td></tr></table>" + self._join(parts[1:])


class Boilerplate:
    """Self-descriptions of a model in front of a real answer or amid it."""

    def __init__(self, lang: str, phrases: ModuleType) -> None:
        self._lang = lang
        self._phrases = phrases

    def __call__(self, draft: Draft, rng: Random) -> Damaged | None:
        model, company = rng.choice(self._phrases.MODELS)
        phrase = rng.choice(self._phrases.BOILERPLATE).format(model=model, company=company)
        many = count_sentences(draft.answer, self._lang)
        if many > 1 and rng.random() < 0.3:
            text, how = insert_sentence(draft.answer, phrase, rng.randint(1, many - 1), self._lang), "in the middle"
        else:
            text, how = phrase + rng.choice((gap(self._lang), gap(self._lang), "\n\n")) + draft.answer, "at the beginning"
        return damaged(draft, last_place(draft), text, how)


class Refusals:
    """Answers that only refuse."""

    def __init__(self, lang: str, phrases: ModuleType) -> None:
        self._lang = lang
        self._phrases = phrases
        self._order: list[str] = []

    def __call__(self, draft: Draft, rng: Random) -> Damaged | None:
        if not self._order:
            self._order = rng.sample(self._phrases.REFUSALS, len(self._phrases.REFUSALS))
        phrase = self._order.pop()
        tail = rng.choice(self._phrases.REFUSAL_TAILS) if phrase[-1] in ".。" and len(phrase) < 90 else ""
        return damaged(draft, last_place(draft), phrase + tail, "refusal")


class Empty:
    """A placeholder instead of a question or an answer."""

    def __init__(self, lang: str, phrases: ModuleType) -> None:
        self._phrases = phrases
        self._answers: list[str] = []
        self._questions: list[str] = []

    def __call__(self, draft: Draft, rng: Random) -> Damaged | None:
        if rng.random() < 0.25 and draft.is_single:
            if not self._questions:
                self._questions = rng.sample(self._phrases.EMPTY_QUESTIONS, len(self._phrases.EMPTY_QUESTIONS))
            return damaged(draft, places(draft, "user")[0], self._questions.pop(), "placeholder")
        if not self._answers:
            self._answers = rng.sample(self._phrases.EMPTY_ANSWERS, len(self._phrases.EMPTY_ANSWERS))
        return damaged(draft, last_place(draft), self._answers.pop(), "placeholder")


class PersonalData:
    """Real-looking personal data in a question or an answer."""

    def __init__(self, lang: str, phrases: ModuleType) -> None:
        self._lang = lang
        self._phrases = phrases
        self._order: list[str] = []

    def __call__(self, draft: Draft, rng: Random) -> Damaged | None:
        if not self._order:
            kinds = [kind for kind, count in self._phrases.PERSONAL_MIX.items() for _ in range(count)]
            self._order = rng.sample(kinds, len(kinds))
        kind = self._order.pop()
        frame = rng.choice(self._phrases.PERSONAL[kind])
        phrase = frame.format(x=personal.make(kind, rng, self._lang), person=rng.choice(self._phrases.PERSONAL_PEOPLE))
        place = pick_place(draft, rng, 0.5)
        text = draft.messages[place][1]
        many = count_sentences(text, self._lang)
        cut = rng.choice((0, many, rng.randint(0, many)))
        if phrase[-1].isalnum() and cut < many:
            phrase += {"zh": "。", "en": "."}[self._lang]
        if cut == many and text[-1] not in ".!?。！？":
            text += {"zh": "。", "en": "."}[self._lang]
        return damaged(draft, place, insert_sentence(text, phrase, cut, self._lang), kind)


class RoleOrder:
    """Two turns of the same role in a row."""

    def __init__(self, lang: str) -> None:
        self._lang = lang
        self._turns = Turns(
            {"lost answer": 5, "lost question": 4, "split question": 3, "split answer": 4, "repeated question": 3}
        )

    def __call__(self, draft: Draft, rng: Random) -> Damaged | None:
        messages = list(draft.messages)
        asked = places(draft, "user")
        answers = places(draft, "assistant")
        how = self._turns.current(rng)
        if how.startswith("lost") and len(asked) < 2:
            return None
        if how == "lost answer":
            del messages[rng.choice(answers[:-1])]
        elif how == "lost question":
            del messages[rng.choice(asked[1:])]
        elif how == "repeated question":
            place = rng.choice(asked)
            messages.insert(place, messages[place])
        else:
            place = rng.choice(asked if how == "split question" else answers)
            role, text = messages[place]
            many = count_sentences(text, self._lang)
            if many < 2 or "```" in text or "|" in text:
                return None
            first, _, second = insert_sentence(text, "\0", rng.randint(1, many - 1), self._lang).partition("\0")
            messages[place : place + 1] = [(role, first.strip()), (role, second.strip())]
        self._turns.done()
        return Damaged(tuple(messages), how)
