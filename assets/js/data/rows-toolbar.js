// Above the table: search, filter, order, what was found, and what can be done with all of it.

import { FILTERS } from "./rows-api.js";
import { button, field, h, icon, isComposing, menu, option, settled, t, tn } from "./rows-dom.js";

const PAUSE_MS = 250;
export const KINDS = ["chat", "preference", "feedback", "text", "prompt", "choice", "label"];
export const SPLITS = ["train", "validation", "test"];
const ROLES = ["system", "user", "assistant", "tool"];
const ORIGINS = ["file", "document", "chat", "vote", "edit", "model"];
const SORTS = ["position", "longest", "shortest", "newest"];

/** A filter in words, one phrase each: [[name, words], …]. */
export const filterWords = (filter) => {
  const found = [];
  const add = (name, words) => found.push([name, words]);
  if (filter.text) add("text", t(filter.regex ? "is_regex" : "is_text", { text: filter.text }));
  if (filter.kind) add("kind", t(`kind_${filter.kind}`));
  if (filter.role) add("role", t("is_role", { role: t(`role_${filter.role}`) }));
  if (filter.split) add("split", t("is_split", { split: t(`split_${filter.split}`) }));
  if (filter.tag) add("tag", t("is_tag", { tag: filter.tag }));
  if (filter.topic) add("topic", t("is_topic", { topic: filter.topic }));
  if (filter.origin) add("origin", t("is_origin", { origin: t(`origin_${filter.origin}`) }));
  if (filter.flagged) add("flagged", t(filter.flagged === "true" ? "flagged" : "not_flagged"));
  if (filter.edited) add("edited", t(filter.edited === "true" ? "edited" : "not_edited"));
  if (filter.waiting) add("waiting", t(filter.waiting === "true" ? "is_waiting" : "not_waiting"));
  if (filter.finding) add("finding", t("is_found", { check: t(`check_${filter.finding.split(".")[1]}`) }));
  if (filter.min_chars) add("min_chars", t("is_min", { n: Number(filter.min_chars) }));
  if (filter.max_chars) add("max_chars", t("is_max", { n: Number(filter.max_chars) }));
  return found;
};

export class Toolbar {
  /** `on.filter(changes)`, `on.sort(name)`, `on.step("undo" | "redo")`, `on.history()`, `on.bulk(what)`, `on.add()`, `on.wide()`. */
  constructor(on) {
    this.on = on;
    this.filter = {};
    this.sort = "position";
    this.search = h("input", { type: "search", class: "search", placeholder: t("search"), "aria-label": t("search_label"), enterkeyhint: "search" });
    this.regex = button({ class: "regex", "aria-pressed": "false", "aria-label": t("regex"), onclick: () => this.toggleRegex() }, ".*");
    this.clear = button({ class: "bare clear", "aria-label": t("search_clear"), onclick: () => { this.empty(); this.search.focus(); } }, icon("close"));
    this.searching = settled(PAUSE_MS, () => this.sendSearch());
    this.wireSearch();
    this.filters = menu(button({ class: "quiet" }, icon("filter"), h("span", {}, t("filter"))), () => this.form(), { label: t("filter") });
    this.order = h("select", { class: "order", "aria-label": t("sort"), onchange: () => on.sort(this.order.value) },
      SORTS.map((name) => option(name, t(`sort_${name}`))));
    this.undo = button({ class: "bare", "aria-label": t("undo"), onclick: () => on.step("undo") }, icon("undo"));
    this.redo = button({ class: "bare", "aria-label": t("redo"), onclick: () => on.step("redo") }, icon("redo"));
    this.history = button({ class: "bare", "aria-label": t("history"), onclick: () => on.history() }, icon("history"));
    this.wide = button({ class: "bare wide-button", "aria-pressed": "false", "aria-label": t("wide"), onclick: () => on.wide() }, icon("wide"));
    this.add = button({ class: "quiet writes add", "aria-label": t("new_row"), onclick: () => on.add() }, icon("plus"), h("span", {}, t("add")));
    this.bulkWords = h("span", {}, t("change_all"));
    this.bulk = menu(button({ class: "main writes" }, icon("edit"), this.bulkWords), (close) => this.operations(close), { label: t("change_all") });
    this.chips = h("div", { class: "chips" });
    this.found = h("p", { class: "found", role: "status" });
    this.problem = h("p", { class: "wrong", role: "alert", hidden: true });
    const box = h("div", { class: "search-box" }, icon("search"), this.search, this.clear, this.regex);
    const tools = h("div", { class: "tools" }, this.undo, this.redo, this.history, this.wide);
    for (const one of [this.undo, this.redo]) one.classList.add("writes");
    this.node = h("div", { class: "toolbar" },
      h("div", { class: "line" }, box, this.filters, this.order, h("span", { class: "gap" }), this.add, this.bulk, tools),
      this.problem,
      h("div", { class: "line second" }, this.found, this.chips));
  }

  // 1 Search: an input method composes first, then it is a word

  wireSearch() {
    this.search.addEventListener("input", (event) => { if (!event.isComposing) this.searching(); });
    this.search.addEventListener("compositionstart", () => this.searching.drop());
    this.search.addEventListener("compositionend", () => this.searching());
    this.search.addEventListener("keydown", (event) => {
      if (isComposing(event)) return;
      if (event.key === "Enter") { this.searching.drop(); this.sendSearch(); }
      if (event.key === "ArrowDown") { event.preventDefault(); this.searching.now(); this.on.down(); }
      if (event.key === "Escape" && this.search.value) { event.stopPropagation(); this.empty(); }
    });
  }

  empty() {
    this.search.value = "";
    this.searching.drop();
    this.sendSearch();
  }

  sendSearch() {
    if (this.search.value !== (this.filter.text ?? "")) this.on.filter({ text: this.search.value });
  }

  toggleRegex() {
    this.on.filter({ regex: this.filter.regex ? "" : "true", text: this.search.value });
  }

  // 2 Filter

  form() {
    const set = (name) => (event) => this.on.filter({ [name]: event.target.value });
    const choice = (name, label, values, words) =>
      field(label, h("select", { name, onchange: set(name) }, option("", t("any"), this.filter[name] ?? ""),
        values.map((value) => option(value, words(value), this.filter[name]))));
    const typed = (name, label, props = {}) =>
      field(label, h("input", { name, type: "text", value: this.filter[name] ?? "", onchange: set(name), ...props }));
    return h("div", { class: "filter-form" },
      choice("split", t("f_split"), [...SPLITS, "none"], (value) => t(`split_${value}`)),
      choice("kind", t("f_kind"), KINDS, (value) => t(`kind_${value}`)),
      choice("role", t("f_role"), ROLES, (value) => t(`role_${value}`)),
      choice("origin", t("f_origin"), ORIGINS, (value) => t(`origin_${value}`)),
      choice("flagged", t("f_flagged"), ["true", "false"], (value) => t(value === "true" ? "flagged" : "not_flagged")),
      choice("edited", t("f_edited"), ["true", "false"], (value) => t(value === "true" ? "edited" : "not_edited")),
      typed("tag", t("f_tag")), typed("topic", t("f_topic")),
      typed("min_chars", t("f_min"), { inputmode: "numeric", pattern: "\\d*" }),
      typed("max_chars", t("f_max"), { inputmode: "numeric", pattern: "\\d*" }));
  }

  operations(close) {
    const names = ["accept", "replace", "system", "tag", "split", "flag", "topic", "cut", "delete"];
    const one = (name) => button({ class: `choice do-${name}`, onclick: () => { close(); this.on.bulk(name); } }, t(`do_${name}`));
    return [...names.map(one), h("hr"), one("merge")];
  }

  // 3 What is

  show(filter, sort, isReview) {
    this.filter = filter;
    if (this.search.getRootNode().activeElement !== this.search) this.search.value = filter.text ?? "";
    this.regex.setAttribute("aria-pressed", String(Boolean(filter.regex)));
    this.order.value = sort || "position";
    const chips = filterWords(filter).filter(([name]) => name !== "text" && !(isReview && name === "waiting"));
    this.chips.replaceChildren(...chips.map(([name, words]) =>
      h("span", { class: "chip" },
        button({ class: "words", onclick: () => this.filters.open() }, words),
        button({ class: "bare", "aria-label": t("filter_drop", { words }), onclick: () => this.on.filter({ [name]: "" }) }, icon("close")))));
    if (chips.length > 1) this.chips.append(button({ class: "text-button", onclick: () => this.on.filter(Object.fromEntries(FILTERS.map((name) => [name, ""]))) }, t("filter_clear")));
  }

  /** "1,204 hits" and the like; `action` is a button behind it. */
  say(words, action) {
    this.found.replaceChildren(words, ...(action ? [" ", action] : []));
  }

  wrong(words) {
    this.problem.hidden = !words;
    this.problem.textContent = words;
  }

  steps({ undo, redo }) {
    this.undo.disabled = !undo;
    this.redo.disabled = !redo;
  }

  ticked(n) {
    this.bulkWords.textContent = n ? tn("change_ticked", n) : t("change_all");
  }
}
