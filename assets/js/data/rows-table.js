// The rows as a grid of our own: one page of them, numbered by their place; the active row moves by keys.
//   Ticks outlive the page: what somebody picked on page 1 is still picked on page 3.

import { button, h, icon, t, tn } from "./rows-dom.js";

const SHOWN_TAGS = 3;
const SEEN = 30; // characters of a text that any window shows

/** Whether what was searched for stands where the table shows it anyway. */
const isSeen = (text, found) => { const at = text.indexOf(found); return at >= 0 && at + found.length <= SEEN; };

/** A text with the first place marked that was searched for. */
const marked = (text, found) => {
  const at = found ? text.indexOf(found) : -1;
  return at < 0 ? [text] : [text.slice(0, at), h("mark", {}, found), text.slice(at + found.length)];
};

export class Table {
  /** `on.open(row)`, `on.ticked()`; `mayWrite()` and `openId()` are asked while drawing. */
  constructor(on) {
    this.on = on;
    this.rows = [];
    this.ticked = new Map(); // id -> number
    this.active = 0;
    this.all = h("input", { type: "checkbox", "aria-label": t("tick_page"), onchange: () => this.tickPage(this.all.checked) });
    this.body = h("tbody");
    this.head = h("tr", { role: "row" },
      this.heading("pick", this.all), this.heading("no", t("col_no")), this.heading("question", t("col_question")),
      this.heading("answer", t("col_answer")), this.heading("marks", t("col_marks")));
    this.grid = h("table", { role: "grid", "aria-label": t("title"), "aria-multiselectable": "true" }, h("thead", {}, this.head), this.body);
    this.note = h("div", { class: "none", hidden: true });
    this.node = h("div", { class: "table-box", tabindex: "-1" }, this.grid, this.note);
    this.body.addEventListener("click", (event) => this.clicked(event));
  }

  heading(name, content) {
    return h("th", { class: name, scope: "col", role: "columnheader" }, content);
  }

  /** Draw a page. The active row stays the one it was, where it is still there. */
  show(rows, { keepActive = true } = {}) {
    const was = this.rows[this.active]?.position;
    this.rows = rows;
    const same = keepActive ? rows.findIndex((row) => row.position === was) : -1;
    this.active = Math.max(0, same);
    this.grid.classList.toggle("read", !this.on.mayWrite());
    this.body.replaceChildren(...rows.map((row, at) => this.line(row, at)));
    this.mark();
  }

  /** One row has become another version of itself, or is gone. */
  replace(position, row) {
    const at = this.rows.findIndex((one) => one.position === position);
    if (at < 0) return;
    const old = this.rows[at];
    if (this.ticked.delete(old.id) && row) this.ticked.set(row.id, row.no);
    if (row) {
      this.rows[at] = row;
      this.body.children[at].replaceWith(this.line(row, at));
      this.body.children[at].classList.add("fresh");
    } else {
      this.rows.splice(at, 1);
      this.show(this.rows);
    }
    this.mark();
  }

  line(row, at) {
    const tick = h("input", { type: "checkbox", tabindex: "-1", "aria-label": t("tick_row", { no: row.no }) });
    tick.checked = this.ticked.has(row.id);
    const turns = row.n_turns > 2 && h("span", { class: "turns" }, tn("turns", row.n_turns));
    const hit = row.hit && !isSeen(row.question, row.hit[1]) && !isSeen(row.answer, row.hit[1])
      && h("span", { class: "hit", dir: "auto" }, row.hit[0], h("mark", {}, row.hit[1]), row.hit[2]);
    const cells = [
      h("td", { role: "gridcell", class: "pick" }, tick),
      h("td", { role: "gridcell", class: "no" }, row.no, this.on.hasDraft(row.id) && h("i", { class: "unsaved", title: t("unsaved"), role: "img", "aria-label": t("unsaved") })),
      h("td", { role: "gridcell", class: "question" }, h("p", { dir: "auto" }, marked(row.question, row.hit?.[1])), turns, hit),
      h("td", { role: "gridcell", class: "answer" }, h("p", { dir: "auto" }, marked(row.answer, row.hit?.[1]))),
      h("td", { role: "gridcell", class: "marks" }, this.marks(row)),
    ];
    return h("tr", { role: "row", "data-at": at, tabindex: "-1", "aria-rowindex": at + 2 }, cells);
  }

  marks(row) {
    const split = row.split && h("span", { class: `tag ${row.split}` }, t(`split_${row.split}`));
    const kind = row.kind !== "chat" && h("span", { class: "tag kind" }, t(`kind_${row.kind}`));
    const draft = row.waits === "draft" && h("span", { class: "tag flag" }, t("waiting_draft"));
    const flag = row.flag !== null && h("span", { class: "tag flag", title: row.flag }, icon("flag"), h("span", {}, row.flag || t("flagged")));
    const tags = row.tags.slice(0, SHOWN_TAGS).map((tag) => h("span", { class: "tag own" }, tag));
    const more = row.tags.length > SHOWN_TAGS && h("span", { class: "tag own", title: row.tags.slice(SHOWN_TAGS).join(", ") }, `+${row.tags.length - SHOWN_TAGS}`);
    return [split, kind, draft, flag, ...tags, more];
  }

  /** What is active, open and ticked, without drawing anything again. */
  mark() {
    const open = this.on.openId();
    [...this.body.children].forEach((line, at) => {
      const row = this.rows[at];
      line.tabIndex = at === this.active ? 0 : -1;
      line.classList.toggle("open", row.id === open);
      line.setAttribute("aria-selected", String(this.ticked.has(row.id)));
      const tick = line.querySelector("input");
      if (tick) tick.checked = this.ticked.has(row.id);
    });
    const n = this.rows.filter((row) => this.ticked.has(row.id)).length;
    this.all.checked = n > 0 && n === this.rows.length;
    this.all.indeterminate = n > 0 && n < this.rows.length;
  }

  clicked(event) {
    const line = event.target.closest("tr");
    if (!line) return;
    this.active = Number(line.dataset.at);
    const cell = event.target.closest("td");
    if (cell?.classList.contains("pick")) { // the whole cell: the box itself is small
      if (event.target.tagName !== "INPUT") event.preventDefault();
      this.tick(this.active, event.shiftKey);
      line.focus();
      return;
    }
    if (getSelection()?.toString()) return; // somebody copies a word
    this.mark();
    this.on.open(this.rows[this.active]);
  }

  tick(at, range = false) {
    const row = this.rows[at];
    if (!row) return;
    const wanted = !this.ticked.has(row.id);
    const from = range && this.lastTick !== undefined ? Math.min(this.lastTick, at) : at;
    const to = range && this.lastTick !== undefined ? Math.max(this.lastTick, at) : at;
    for (const one of this.rows.slice(from, to + 1)) this.set(one, wanted);
    this.lastTick = at;
    this.mark();
    this.on.ticked();
  }

  tickPage(wanted) {
    for (const row of this.rows) this.set(row, wanted);
    this.mark();
    this.on.ticked();
  }

  set(row, wanted) {
    if (wanted) this.ticked.set(row.id, row.no);
    else this.ticked.delete(row.id);
  }

  untick() {
    this.ticked.clear();
    this.mark();
    this.on.ticked();
  }

  activate(position) {
    const at = this.rows.findIndex((row) => row.position === position);
    if (at >= 0) this.active = at;
    this.mark();
    this.body.children[this.active]?.scrollIntoView({ block: "nearest" });
  }

  /** Moves the active row; false at an end of the page. */
  move(step) {
    const next = this.active + step;
    if (next < 0 || next >= this.rows.length) return false;
    this.active = next;
    this.mark();
    this.focus();
    return true;
  }

  focus() {
    const line = this.body.children[this.active];
    line?.focus({ preventScroll: true });
    line?.scrollIntoView({ block: "nearest" });
  }

  get current() {
    return this.rows[this.active];
  }

  /** Words in the place of rows. */
  say(title, text, ...actions) {
    this.note.hidden = !title;
    this.grid.hidden = Boolean(title);
    this.note.replaceChildren(...(title ? [h("b", {}, title), text && h("p", {}, text), ...actions].filter(Boolean) : []));
  }
}

/** "No. 1–100", page back and on, and a way to a number. */
export const pager = (on) => {
  const range = h("span", { class: "range" });
  const before = button({ class: "bare", "aria-label": t("page_before"), onclick: () => on.turn("before") }, icon("left"));
  const after = button({ class: "bare", "aria-label": t("page_after"), onclick: () => on.turn("after") }, icon("right"));
  const wanted = h("input", { type: "text", inputmode: "decimal", class: "goto", placeholder: t("goto"), "aria-label": t("goto_label") });
  const form = h("form", { onsubmit: (event) => {
    event.preventDefault();
    const no = wanted.value.trim().replace(",", ".");
    if (/^\d+(\.\d+)?$/.test(no)) { wanted.value = ""; on.goto(no); }
  } }, wanted);
  const node = h("nav", { class: "pages", "aria-label": t("pages") }, before, range, after, form);
  node.show = (page) => {
    const rows = page?.rows ?? [];
    node.hidden = !page;
    const [first, last] = [rows[0]?.no, rows[rows.length - 1]?.no];
    const isWhole = page?.numbered && Math.abs(last - first) + 1 <= rows.length;
    range.textContent = rows.length ? t(isWhole ? "range" : "range_of", { first, last, n: rows.length }) : t("range_none");
    before.disabled = !page?.has_before;
    after.disabled = !page?.has_after;
    form.hidden = !page?.numbered;
  };
  return node;
};
