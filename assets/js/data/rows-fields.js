// The forms of a row's content, one for each kind. They write into the draft that they are given and say `on.changed()`;
//   what changes their shape (a turn more, a turn moved) draws them again.
//   Every control carries `data-path`, the name under which the server refuses it: "messages[2].content".

import { button, field, h, icon, option, t, textarea } from "./rows-dom.js";

const ROLES = ["system", "user", "assistant", "tool"];
const NAMES = ["name", "tool_call_id"]; // of tools, where a file has brought them

export class Form {
  constructor(draft, on, { readOnly }) {
    this.draft = draft;
    this.on = on;
    this.readOnly = readOnly;
    this.invalid = new Map(); // path -> words, of JSON that cannot be read yet
    this.node = h("div", { class: "content" });
    this.draw();
  }

  draw(focus) {
    const content = this.draft.content;
    this.node.replaceChildren(...[this[`of_${this.draft.kind}`](content)].flat().filter(Boolean));
    if (focus) this.node.querySelector(`[data-path="${CSS.escape(focus)}"]`)?.focus();
  }

  reshaped(focus) {
    this.on.changed();
    this.draw(focus);
  }

  // 1 Parts

  text(holder, name, path, props = {}) {
    const node = textarea({ "data-path": path, readonly: this.readOnly, ...props });
    node.value = holder[name] ?? "";
    node.addEventListener("input", () => {
      if (props["data-optional"] && !node.value) delete holder[name];
      else holder[name] = node.value;
      this.on.changed();
    });
    return node;
  }

  /** A value edited as JSON: what cannot be read is said at once and keeps the row from being saved. */
  json(holder, name, path, label) {
    const node = textarea({ "data-path": path, class: "mono", "aria-label": label, readonly: this.readOnly, spellcheck: "false" });
    const wrong = h("p", { class: "wrong", role: "alert", hidden: true });
    node.value = JSON.stringify(holder[name], null, 2);
    node.addEventListener("input", () => {
      try {
        if (node.value.trim()) holder[name] = JSON.parse(node.value);
        else delete holder[name];
        this.invalid.delete(path);
      } catch (error) {
        this.invalid.set(path, t("json_wrong", { why: error.message }));
      }
      wrong.textContent = this.invalid.get(path) ?? "";
      wrong.hidden = !this.invalid.has(path);
      node.setAttribute("aria-invalid", String(this.invalid.has(path)));
      this.on.changed();
    });
    return h("details", { class: "fold" }, h("summary", {}, label), node, wrong);
  }

  small(name, label, props, onclick) {
    return this.readOnly ? null : button({ class: "bare", "aria-label": label, onclick, ...props }, icon(name));
  }

  // 2 Turns

  turns(list, path, { grows = true } = {}) {
    const bubbles = list.map((message, at) => this.turn(list, message, at, `${path}[${at}]`, path));
    const next = list[list.length - 1]?.role === "user" ? "assistant" : "user";
    const more = grows && !this.readOnly && h("div", { class: "more" },
      button({ class: "quiet", onclick: () => { list.push({ role: next, content: "" }); this.reshaped(`${path}[${list.length - 1}].content`); } },
        icon("plus"), h("span", {}, t("turn_add", { role: t(`role_${next}`) }))),
      list[0]?.role !== "system" && path === "messages" && button({ class: "text-button", onclick: () => {
        list.unshift({ role: "system", content: "" });
        this.reshaped(`${path}[0].content`);
      } }, t("system_add")));
    return h("div", { class: "turns-list", "data-path": path }, bubbles, more);
  }

  turn(list, message, at, path, home) {
    const role = h("select", { class: "role", "data-path": `${path}.role`, "aria-label": t("turn_role", { n: at + 1 }), disabled: this.readOnly,
      onchange: (event) => { message.role = event.target.value; this.reshaped(`${path}.role`); } },
      ROLES.map((name) => option(name, t(`role_${name}`), message.role)));
    const move = (step) => () => {
      list.splice(at + step, 0, ...list.splice(at, 1));
      this.reshaped(`${home}[${at + step}].content`);
    };
    const tools = this.readOnly ? [] : [
      this.small("up", t("turn_up"), { disabled: at === 0 }, move(-1)),
      this.small("down", t("turn_down"), { disabled: at === list.length - 1 }, move(1)),
      this.small("trash", t("turn_remove"), { disabled: list.length === 1 }, () => {
        list.splice(at, 1);
        this.reshaped(`${home}[${Math.max(0, at - 1)}].content`);
      })];
    const label = t("turn_words", { n: at + 1, role: t(`role_${message.role}`) });
    const parts = [this.text(message, "content", `${path}.content`, { "aria-label": label })];
    if (message.reasoning_content !== undefined) parts.unshift(this.reasoning(message, path));
    else if (message.role === "assistant" && !this.readOnly) tools.unshift(this.addReasoning(message, path));
    for (const name of NAMES) {
      if (message[name] !== undefined) parts.push(field(name, this.text(message, name, `${path}.${name}`, { class: "short" })));
    }
    if (message.tool_calls) parts.push(this.json(message, "tool_calls", `${path}.tool_calls`, t("tool_calls", { n: message.tool_calls.length })));
    return h("section", { class: `bubble ${message.role}`, "aria-label": label }, h("div", { class: "top" }, role, h("span", { class: "gap" }), tools), parts);
  }

  reasoning(message, path) {
    return h("details", { class: "fold reasoning", open: !message.reasoning_content }, h("summary", {}, t("reasoning")),
      this.text(message, "reasoning_content", `${path}.reasoning_content`, { "aria-label": t("reasoning"), "data-optional": true }));
  }

  addReasoning(message, path) {
    return button({ class: "text-button seldom", onclick: () => {
      message.reasoning_content = "";
      this.draw(`${path}.reasoning_content`);
      delete message.reasoning_content; // a field that stays empty is none
    } }, t("reasoning_add"));
  }

  // 3 Kinds

  of_chat(content) {
    return [this.turns(content.messages, "messages"), content.tools && this.json(content, "tools", "tools", t("tools", { n: content.tools.length }))];
  }

  of_preference(content) {
    const side = (name) => h("div", { class: `side ${name}` }, h("h4", {}, t(name)), this.turns(content[name], name, { grows: false }));
    const swap = !this.readOnly && button({ class: "text-button swap", onclick: () => {
      [content.chosen, content.rejected] = [content.rejected, content.chosen];
      this.reshaped("chosen[0].content");
    } }, t("swap"));
    return [this.turns(content.messages, "messages", { grows: false }), h("div", { class: "sides" }, side("chosen"), side("rejected")), swap];
  }

  of_feedback(content) {
    const thumb = (value, name, label) => button({ class: "thumb", "aria-pressed": String(content.label === value), disabled: this.readOnly,
      onclick: () => { content.label = value; this.reshaped(); } }, icon(name), h("span", {}, label));
    return [this.turns(content.messages, "messages"),
      h("div", { class: "thumbs", role: "group", "aria-label": t("thumb"), "data-path": "label" }, thumb(true, "good", t("thumb_good")), thumb(false, "poor", t("thumb_poor")))];
  }

  of_text(content) {
    return field(t("part_text"), this.text(content, "text", "text", { class: "page" }));
  }

  of_prompt(content) {
    return [this.turns(content.messages, "messages", { grows: false }),
      field(t("part_answer"), this.text(content, "answer", "answer", { "data-optional": true }), t("part_answer_hint"))];
  }

  of_choice(content) {
    const name = `right-${Math.random().toString(36).slice(2)}`;
    const choose = (at) => { content.answer = at; this.reshaped(); };
    const drop = (at) => {
      content.options.splice(at, 1);
      if (content.answer >= at && content.answer > 0) content.answer -= 1;
      this.reshaped();
    };
    const line = (words, at) => {
      const right = h("input", { type: "radio", name, "aria-label": t("option_right", { n: at + 1 }), disabled: this.readOnly, onchange: () => choose(at) });
      right.checked = content.answer === at;
      return h("div", { class: content.answer === at ? "option right" : "option" }, right,
        this.text(content.options, at, `options[${at}]`, { "aria-label": t("option_words", { n: at + 1 }) }),
        this.small("trash", t("option_remove"), { disabled: content.options.length <= 2 }, () => drop(at)));
    };
    return [field(t("part_question"), this.text(content, "question", "question")),
      h("div", { class: "options", role: "radiogroup", "aria-label": t("options"), "data-path": "options" }, h("span", { class: "label" }, t("options")), content.options.map(line)),
      !this.readOnly && button({ class: "quiet", onclick: () => { content.options.push(""); this.reshaped(`options[${content.options.length - 1}]`); } }, icon("plus"), h("span", {}, t("option_add")))];
  }

  of_label(content) {
    return [field(t("part_text"), this.text(content, "text", "text")), field(t("part_label"), this.text(content, "label", "label", { class: "short" }))];
  }
}

// --- what stands beside the content -------------------------------------------------------------------------------------

/** Split, topic, tags, group, flag, references; where the row came from. */
export const facts = (draft, row, on, { readOnly }) => {
  const node = h("div", { class: "facts" });
  const set = (name) => (event) => { draft[name] = event.target.value || null; on.changed(); };
  const line = (name, label, props = {}) =>
    field(label, h("input", { type: "text", "data-path": name, value: draft[name] ?? "", maxlength: 200, readonly: readOnly, oninput: set(name), ...props }));
  const split = h("select", { "data-path": "split", disabled: readOnly, onchange: set("split") },
    option("", t("split_none"), draft.split ?? ""), ["train", "validation", "test"].map((name) => option(name, t(`split_${name}`), draft.split)));
  node.append(
    h("div", { class: "columns" }, field(t("f_split"), split), line("topic", t("f_topic")), line("group_key", t("f_group"))),
    tags(draft, on, readOnly), flag(draft, on, readOnly), references(draft, on, readOnly), source(row));
  return node;
};

const tags = (draft, on, readOnly) => {
  const input = h("input", { type: "text", class: "tag-input", "aria-label": t("tag_add"), placeholder: t("tag_add"), maxlength: 100 });
  const box = h("div", { class: "tag-box", "data-path": "tags" });
  const draw = () => box.replaceChildren(
    ...draft.tags.map((tag, at) => h("span", { class: "chip" }, h("span", {}, tag),
      !readOnly && button({ class: "bare", "aria-label": t("tag_remove", { tag }), onclick: () => { draft.tags.splice(at, 1); on.changed(); draw(); input.focus(); } }, icon("close")))),
    ...(readOnly ? [] : [input]));
  const take = () => {
    for (const tag of input.value.split(/[,，、]/).map((word) => word.trim()).filter(Boolean)) if (!draft.tags.includes(tag)) draft.tags.push(tag);
    if (input.value) { input.value = ""; on.changed(); draw(); }
  };
  input.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter" || event.key === ",") { event.preventDefault(); take(); input.focus(); }
    if (event.key === "Backspace" && !input.value && draft.tags.length) { draft.tags.pop(); on.changed(); draw(); input.focus(); }
  });
  input.addEventListener("blur", take);
  draw();
  return h("div", { class: "field" }, h("span", { class: "label" }, t("f_tags")), box);
};

const flag = (draft, on, readOnly) => {
  const why = h("input", { type: "text", "data-path": "flag", value: draft.flag ?? "", maxlength: 200, readonly: readOnly,
    placeholder: t("flag_why"), "aria-label": t("flag_why"), oninput: () => { draft.flag = why.value; on.changed(); } });
  const box = h("input", { type: "checkbox", disabled: readOnly, onchange: () => {
    draft.flag = box.checked ? "" : null;
    why.value = "";
    why.hidden = !box.checked;
    on.changed();
    if (box.checked) why.focus();
  } });
  box.checked = draft.flag !== null;
  why.hidden = draft.flag === null;
  return h("div", { class: "field flag-field" }, h("label", { class: "tick" }, box, icon("flag"), h("span", {}, t("flag_it"))), why);
};

const references = (draft, on, readOnly) => {
  const box = h("details", { class: "fold", open: draft.references.length > 0 });
  const draw = (focus) => {
    box.replaceChildren(h("summary", {}, draft.references.length ? t("references_n", { n: draft.references.length }) : t("references")),
      ...draft.references.map((words, at) => {
        const node = textarea({ "data-path": `references[${at}]`, readonly: readOnly, "aria-label": t("reference_words", { n: at + 1 }) });
        node.value = words;
        node.addEventListener("input", () => { draft.references[at] = node.value; on.changed(); });
        return h("div", { class: "option" }, node,
          !readOnly && button({ class: "bare", "aria-label": t("reference_remove"), onclick: () => { draft.references.splice(at, 1); on.changed(); draw(); } }, icon("trash")));
      }),
      ...(readOnly ? [] : [button({ class: "text-button", onclick: () => { draft.references.push(""); on.changed(); draw(true); } }, t("reference_add"))]));
    if (focus) box.querySelector(".option:last-of-type textarea")?.focus();
  };
  draw();
  return box;
};

const source = (row) =>
  h("div", { class: "source" },
    row.source && h("p", {}, t("from", { source: row.source })),
    row.extra && h("details", { class: "fold" }, h("summary", {}, t("extra")), h("pre", {}, JSON.stringify(row.extra, null, 2))),
    row.rule && h("details", { class: "fold" }, h("summary", {}, t("rule")), h("pre", {}, JSON.stringify(row.rule, null, 2))));
