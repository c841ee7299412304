"""Rows to tokens. Oracles: transformers' `apply_chat_template` for text and ids, its generation mask for the loss mask."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.data.render import Rendered, Template, pieces, render
from studio.errors import DataError, ModelError

FAMILIES = ("chatml", "llama3", "mistral", "gemma", "phi3", "zephyr")
END = {
    "chatml": "<|im_end|>",
    "llama3": "<|eot_id|>",
    "mistral": "</s>",
    "gemma": "<end_of_turn>",
    "phi3": "<|end|>",
    "zephyr": "</s>",
}
# Mistral writes a space between the generation prompt and the answer: the model has to produce it.
LEAD = {"mistral": " "}

SYSTEM = {"role": "system", "content": "You are a doctor."}
ENGLISH = [{"role": "user", "content": "What is hypertension?"}, {"role": "assistant", "content": "A lasting rise.\n\n- one"}]
CHINESE = [{"role": "user", "content": "高血压是什么？"}, {"role": "assistant", "content": "高血压是慢性疾病。"}]

CONVERSATIONS: dict[str, list[dict[str, str]]] = {
    "one turn": ENGLISH,
    "Chinese": CHINESE,
    "two turns": ENGLISH + CHINESE,
    "system": [SYSTEM, *CHINESE, *ENGLISH],
    "line breaks at the borders": [{"role": "user", "content": "a\n"}, {"role": "assistant", "content": "b c"}],
}

FolderOf = Callable[[str], Path]


def apply_chat_template(folder: Path, messages: list[dict[str, Any]], **options: Any) -> Any:
    """The oracle: transformers on the same folder."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(str(folder))
    return tokenizer.apply_chat_template(messages, **options)


def trained_texts(rendered: Rendered, template: Template) -> list[str]:
    """Each run of masked tokens, decoded."""
    runs: list[list[int]] = []
    before = 0
    for token, counts in zip(rendered.ids, rendered.loss_mask, strict=True):
        if counts:
            runs = runs if before else [*runs, []]
            runs[-1].append(token)
        before = counts
    return [template.decode(run, skip_special=False) for run in runs]


def chat(messages: list[dict[str, Any]]) -> dict[str, Any]:
    return {"messages": messages}


@pytest.mark.parametrize("name", CONVERSATIONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_text_and_ids_are_those_of_transformers(family: str, name: str, model_folder: FolderOf) -> None:
    messages = CONVERSATIONS[name]
    if family == "gemma" and messages[0]["role"] == "system":
        pytest.skip("Gemma's template refuses system messages")
    folder = model_folder(family)
    template = Template.load(folder)

    rendered = render("chat", chat(messages), template)

    assert rendered.text == apply_chat_template(folder, messages, tokenize=False)
    assert rendered.ids == apply_chat_template(folder, messages, return_dict=False)
    prompt = messages[:-1]
    assert template.prompt_ids(prompt) == apply_chat_template(folder, prompt, add_generation_prompt=True, return_dict=False)


@pytest.mark.parametrize("name", CONVERSATIONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_loss_counts_on_answers_and_their_end_tokens_only(family: str, name: str, model_folder: FolderOf) -> None:
    messages = CONVERSATIONS[name]
    if family == "gemma" and messages[0]["role"] == "system":
        pytest.skip("Gemma's template refuses system messages")
    template = Template.load(model_folder(family))

    rendered = render("chat", chat(messages), template)

    answers = [message["content"] for message in messages if message["role"] == "assistant"]
    assert trained_texts(rendered, template) == [LEAD.get(family, "") + answer + END[family] for answer in answers]
    assert rendered.n_targets == sum(rendered.loss_mask)
    assert not rendered.is_cut


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_mask_equals_the_generation_mask_of_transformers(name: str, model_folder: FolderOf) -> None:
    folder = model_folder("chatml")
    # Transformers reads the mask from character offsets, so it needs those that keep white space.
    config = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    config["post_processor"]["trim_offsets"] = False
    (folder / "tokenizer.json").write_text(json.dumps(config), "utf-8")

    expected = apply_chat_template(folder, CONVERSATIONS[name], return_dict=True, return_assistant_tokens_mask=True)

    assert render("chat", chat(CONVERSATIONS[name]), Template.load(folder)).loss_mask == expected["assistant_masks"]


def test_prompt_and_answer_at_inference_give_the_ids_of_training(model_folder: FolderOf) -> None:
    """A law: what the model is asked to continue is exactly what stood before the trained answer."""
    for family in ("chatml", "llama3", "gemma", "phi3"):
        template = Template.load(model_folder(family))
        messages = [*ENGLISH, *CHINESE]
        rendered = render("chat", chat(messages), template)
        prompt = template.prompt_ids(messages[:-1])
        assert rendered.ids[: len(prompt)] == prompt
        assert rendered.spans[-1].start == len(prompt)


def test_default_system_prompt_is_written_and_not_trained(model_folder: FolderOf) -> None:
    template = Template.load(model_folder("chatml"))

    shown = pieces(render("chat", chat(ENGLISH), template), template)

    assert "You are a helpful assistant." in "".join(piece.text for piece in shown if piece.role == "template")


@pytest.mark.parametrize("family", FAMILIES)
def test_pieces_join_to_the_text_without_broken_characters(family: str, model_folder: FolderOf) -> None:
    template = Template.load(model_folder(family))
    rendered = render("chat", chat([*CHINESE, {"role": "user", "content": "罕见字：龘"}, *CHINESE[1:]]), template)

    shown = pieces(rendered, template)

    assert "".join(piece.text for piece in shown) == rendered.text
    assert "\N{REPLACEMENT CHARACTER}" not in "".join(piece.text for piece in shown)
    assert sum(piece.n_tokens for piece in shown) == len(rendered.ids)
    assert next(piece for piece in shown if "龘" in piece.text).n_tokens > 1
    assert "".join(piece.text for piece in shown if piece.role == "user") == "高血压是什么？罕见字：龘"


def test_a_short_message_is_not_mistaken_for_a_header(model_folder: FolderOf) -> None:
    template = Template.load(model_folder("chatml"))
    messages = [{"role": "user", "content": "assistant"}, {"role": "assistant", "content": "user"}]

    rendered = render("chat", chat(messages), template)

    user, answer = rendered.spans
    assert (user.role, user.trained, answer.role, answer.trained) == ("user", False, "assistant", True)
    assert rendered.text[rendered.offsets[user.start][0] - 5 : rendered.offsets[user.start][0]] == "user\n"


def test_template_that_drops_earlier_reasoning_trains_the_last_answer_only(model_folder: FolderOf) -> None:
    source = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n"
        "{% if m.role == 'assistant' and not loop.last %}{{ m.content.split('</think>')[-1] }}"
        "{% else %}{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    template = replace(Template.load(model_folder("chatml")), chat_template=source)
    first = [CHINESE[0], {"role": "assistant", "content": "<think>hm</think>高血压。"}]

    rendered = render("chat", chat([*first, *ENGLISH]), template)

    assert trained_texts(rendered, template) == ["A lasting rise.\n\n- one<|im_end|>"]


def test_template_whose_generation_prompt_is_never_in_the_row_is_refused(model_folder: FolderOf) -> None:
    source = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
    )
    template = replace(Template.load(model_folder("chatml")), chat_template=source)

    with pytest.raises(DataError) as caught:
        render("chat", chat(ENGLISH), template)

    assert (caught.value.key, caught.value.field) == ("error.data.template_unstable", "messages")


def test_template_that_refuses_the_roles_says_why(model_folder: FolderOf) -> None:
    template = Template.load(model_folder("gemma"))

    with pytest.raises(DataError) as caught:
        render("chat", chat([SYSTEM, *ENGLISH]), template)

    assert caught.value.key == "error.data.template_refused"
    assert caught.value.params == {"reason": "System role not supported"}


def test_row_over_the_limit_is_cut_and_says_so(model_folder: FolderOf) -> None:
    template = Template.load(model_folder("chatml"))
    whole = render("chat", chat(ENGLISH), template)

    cut = render("chat", chat(ENGLISH), template, max_seq_len=len(whole.ids) - 3)
    fitting = render("chat", chat(ENGLISH), template, max_seq_len=len(whole.ids))

    assert cut.is_cut and cut.ids == whole.ids[:-3] and len(cut.loss_mask) == len(cut.ids)
    assert cut.n_tokens == len(whole.ids)
    assert fitting == whole


def test_plain_text_is_trained_whole_and_ended(model_folder: FolderOf) -> None:
    template = Template.load(model_folder("llama3"))

    rendered = render("text", {"text": "青光眼会损害视神经。"}, template)

    assert template.decode(rendered.ids, skip_special=False) == "青光眼会损害视神经。<|end_of_text|>"
    assert rendered.loss_mask == [1] * len(rendered.ids)
    assert rendered.n_targets == len(rendered.ids) - 1
    assert pieces(rendered, template)[-1].text == "<|end_of_text|>"


def test_other_kinds_are_refused(model_folder: FolderOf) -> None:
    with pytest.raises(DataError) as caught:
        render("label", {"text": "a", "label": "b"}, Template.load(model_folder("chatml")))
    assert (caught.value.key, caught.value.params) == ("error.data.kind_not_rendered", {"kind": "label"})


def test_tools_and_json_are_written_as_transformers_writes_them(model_folder: FolderOf) -> None:
    folder = model_folder("chatml")
    source = (
        "{% for tool in tools %}{{ tool | tojson }}\n{{ tool | tojson(indent=2) }}\n{% endfor %}"
        "{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}{{ m.content }}{{ eos_token }}{% endfor %}"
        "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}"
        "{{ dict(a=1) }}{{ strftime_now('%Y') }}"
    )
    (folder / "chat_template.jinja").write_text(source, "utf-8")
    tools = [{"type": "function", "function": {"name": "查询", "description": "<眼压> & 'x'", "parameters": {"type": "object"}}}]

    text = Template.load(folder).text([SYSTEM, *CHINESE], tools=tools)

    assert text == apply_chat_template(folder, [SYSTEM, *CHINESE], tools=tools, tokenize=False)


@pytest.mark.parametrize(
    "attack",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{{ dict.__globals__['json'] }}",
        "{% set ns = namespace() %}{% set ns.__class__ = 1 %}",
    ],
)
def test_a_template_cannot_reach_into_python(attack: str, model_folder: FolderOf) -> None:
    template = replace(Template.load(model_folder("chatml")), chat_template=attack)

    with pytest.raises(DataError) as caught:
        template.text(ENGLISH)

    assert caught.value.key == "error.data.template_refused"


def test_folder_is_read_in_every_spelling(model_folder: FolderOf) -> None:
    folder = model_folder("phi3")
    template = Template.load(folder)
    end, eos = (template.tokenizer.token_to_id(token) for token in ("<|end|>", "<|endoftext|>"))
    assert template.end_ids == {end, eos}
    assert (template.context, template.eos_id) == (512, eos)

    (folder / "chat_template.jinja").unlink()
    config = {
        "eos_token": "<|endoftext|>",
        "chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    assert Template.load(folder).chat_template == "d"

    (folder / "tokenizer_config.json").unlink()
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": "j"}), "utf-8")
    assert Template.load(folder).chat_template == "j"


def test_a_tokenizer_file_that_cuts_and_pads_does_neither_here(model_folder: FolderOf) -> None:
    folder = model_folder("chatml")
    template = Template.load(folder)
    whole = template.prompt_ids(ENGLISH[:1])
    template.tokenizer.enable_truncation(3)
    template.tokenizer.enable_padding(length=99)
    template.tokenizer.save(str(folder / "tokenizer.json"))

    assert Template.load(folder).prompt_ids(ENGLISH[:1]) == whole


def test_missing_and_broken_files_are_named(model_folder: FolderOf) -> None:
    folder = model_folder("chatml")
    (folder / "generation_config.json").write_text("{", "utf-8")
    with pytest.raises(ModelError) as caught:
        Template.load(folder)
    assert (caught.value.key, caught.value.params["file"]) == ("error.model.file_broken", "generation_config.json")

    (folder / "tokenizer.json").write_text("{}", "utf-8")
    with pytest.raises(ModelError) as caught:
        Template.load(folder)
    assert (caught.value.key, caught.value.params["folder"]) == ("error.model.tokenizer_broken", "chatml")

    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError) as caught:
        Template.load(folder)
    assert (caught.value.key, caught.value.params) == ("error.model.no_tokenizer", {"folder": "chatml"})


@pytest.mark.parametrize(("source", "key"), [(None, "no_chat_template"), ("{% if %}", "chat_template_broken")])
def test_model_without_a_usable_chat_template_says_so(source: str | None, key: str, model_folder: FolderOf) -> None:
    template = replace(Template.load(model_folder("chatml")), chat_template=source)

    with pytest.raises(ModelError) as caught:
        render("chat", chat(ENGLISH), template)

    assert caught.value.key == f"error.model.{key}"
