// <studio-rows dataset="ds_…">: people work on the rows of a dataset. The address bar is the truth about what is shown:
//   filter, order, page, open row and view are read from it; what somebody does writes it and reads it again.
//   One panel for the whole life of the page: Gradio may draw its element again, the panel moves over as it is.

import { NO_PLACE, Refused, api, newId, readAddress, writeAddress } from "./rows-api.js";
import { openBulk } from "./rows-bulk.js";
import { button, h, isComposing, isTyping, t, tn } from "./rows-dom.js";
import { Drafts, Editor } from "./rows-editor.js";
import { accept, drop } from "./rows-review.js";
import { History, countWords } from "./rows-history.js";
import { Table, pager } from "./rows-table.js";
import { Toolbar } from "./rows-toolbar.js";

const HEAD_MS = 1_500; // after the last save, the numbers above the rows are drawn again
const SAY_MS = 6_000;

class Panel {
  constructor(dataset) {
    this.dataset = dataset;
    this.api = api(dataset);
    this.drafts = new Drafts(dataset);
    this.page = null;
    this.loaded = "";
    const mayWrite = () => Boolean(this.page?.may_write);
    const host = () => this.node;
    this.toolbar = new Toolbar({
      filter: (changes) => this.go({ ...changes, ...NO_PLACE }),
      sort: (sort) => this.go({ sort: sort === "position" ? "" : sort, ...NO_PLACE }),
      step: (what) => this.step(what), history: () => this.go({ view: "history", row: "" }),
      bulk: (what) => this.bulk(what), add: () => this.addRow(), wide: () => this.toggleWide(), down: () => this.table.focus(),
    });
    this.table = new Table({ open: (row) => this.openRow(row.id), ticked: () => this.showTicked(), mayWrite,
      openId: () => this.editor?.id, hasDraft: (id) => this.drafts.has(id) });
    this.pager = pager({ turn: (way) => this.turn(way), goto: (no) => this.go({ ...NO_PLACE, at: no }) });
    this.ticks = h("span", { class: "ticked" });
    this.editor = new Editor({ api: this.api, drafts: this.drafts, mayWrite, host,
      saved: (row, old) => this.saved(row, old), removed: (row) => this.removed(row), close: () => this.openRow(""), step: (by) => this.stepRow(by),
      reviewed: (row, words) => this.reviewed(row, words), drafted: () => this.redrawDrafts(), moved: (row, old) => this.moved(row, old) });
    this.history = new History({ show: (changes) => this.go(changes), changed: (told) => this.took(told), api: () => this.api, host, mayWrite });
    this.work = h("div", { class: "work" }, h("div", { class: "left" }, this.table.node, h("div", { class: "foot" }, this.ticks, this.pager)), this.editor.node);
    this.toast = h("p", { class: "toast", role: "status", hidden: true });
    this.node = h("section", { class: "panel", "aria-label": t("title") }, this.toolbar.node, this.work, this.history.node, this.toast);
    this.node.addEventListener("keydown", (event) => this.key(event));
  }

  // 1 The address, and what it asks for

  go(changes, options) {
    writeAddress(changes, options);
    return this.sync();
  }

  async sync({ fresh = false } = {}) {
    this.address = readAddress();
    const { filter, place, view } = this.address;
    this.toolbar.show(filter, place.sort, this.address.isReview);
    const key = JSON.stringify([filter, place]);
    if (fresh || key !== this.loaded) { this.loaded = key; this.loading = this.load(!fresh); }
    await this.loading; // another call may have begun it: a row is opened when it is known who may write
    if (this.address.view !== view) return; // somebody went on meanwhile
    this.showView();
    await this.showRow();
  }

  showView() {
    const { view, older, newer } = this.address;
    const isRows = view !== "history" && view !== "compare";
    this.work.hidden = !isRows;
    this.toolbar.node.classList.toggle("hidden", !isRows);
    if (isRows) { this.history.close(); return; }
    this.reveal();
    if (view === "compare" && older && newer) { if (this.history.shown !== `${older}:${newer}`) this.history.compare(older, newer); }
    else this.history.open();
  }

  // 2 Rows

  async load(isNew) {
    this.searching?.abort();
    const mine = (this.searching = new AbortController());
    const { filter, place, row } = this.address;
    this.node.classList.add("loading");
    this.toolbar.wrong("");
    try {
      const isPlain = !Object.keys(filter).length && !Object.keys(place).length;
      let page = await this.api.rows({ ...filter, ...place, ...(isPlain && row && row !== "new" && { around: row }) }, mine.signal);
      this.took(page);
      this.draw(page, { keepActive: !isNew });
      for (const { limit } = page; !page.is_whole && page.rows.length < limit;) { // it goes on, hits appear as they are found
        this.found(page, true);
        page = place.before
          ? this.joined(await this.api.rows({ ...filter, sort: place.sort, before: page.previous, limit: limit - page.rows.length }, mine.signal), page)
          : this.joined(page, await this.api.rows({ ...filter, sort: place.sort, after: page.next, limit: limit - page.rows.length }, mine.signal));
        this.draw(page);
      }
      this.found(page, false);
      this.count(page, mine.signal);
    } catch (error) {
      if (mine.signal.aborted && this.searching !== mine) return;
      if (error instanceof Refused) this.refused(error);
      else if (!mine.signal.aborted) throw error;
    } finally {
      if (this.searching === mine) this.node.classList.remove("loading");
    }
  }

  /** Two pages that lie side by side, as one. */
  joined(first, second) {
    return { ...second, rows: [...first.rows, ...second.rows], has_before: first.has_before, previous: first.previous };
  }

  refused(error) {
    if (error.field === "text" || error.status === 422) this.toolbar.wrong(error.message);
    else this.table.say(error.message);
  }

  /** What every answer says beside its own: the revision, what can be taken back, who may write. */
  took(told) {
    if (told.can) this.toolbar.steps(told.can);
    if (told.revision) this.revision = told.revision;
  }

  draw(page, { keepActive = true } = {}) {
    const isFirst = !this.page;
    this.page = page;
    this.node.classList.toggle("reads", !page.may_write);
    this.table.show(page.rows, { keepActive });
    this.pager.show({ ...page, numbered: (this.address.place.sort ?? "position") === "position" });
    if (!keepActive || isFirst) this.table.node.scrollTop = 0;
    const isFiltered = Object.keys(this.address.filter).length > 0;
    if (page.rows.length || !page.is_whole) this.table.say("");
    else if (this.isQueue) this.table.say(t("queue_empty"), t("queue_empty_text"));
    else if (isFiltered) this.table.say(t("nothing"), t("nothing_text"), button({ class: "quiet", onclick: () => this.clearFilter() }, t("filter_clear")));
    else this.table.say(t("empty"), t("empty_text"));
  }

  /** Whether all that wait are shown, and nothing else is asked for. */
  get isQueue() {
    return this.address.isReview && Object.keys(this.address.filter).length === 1;
  }

  clearFilter() {
    this.go({ ...Object.fromEntries(Object.keys(this.address.filter).map((name) => [name, ""])), ...NO_PLACE });
  }

  found(page, isGoing) {
    const n = page.rows.length;
    if (isGoing) { this.toolbar.say(tn("hits_so_far", n), button({ class: "text-button", onclick: () => this.searching.abort() }, t("search_stop"))); return; }
    if (!Object.keys(this.address.filter).length) { this.toolbar.say(tn("count", page.n_rows)); return; }
    const all = page.total ?? (page.is_whole && !page.has_before && !page.has_after ? n : null);
    this.tell(all === null ? t("hits_more", { n }) : tn(this.isQueue ? "waiting" : "hits", all));
  }

  tell(words) {
    const canReview = this.isQueue && this.page?.rows.length && this.page.may_write;
    this.toolbar.say(words, ...(canReview ? [h("span", { class: "hint" }, `· ${t("queue_hint")}`)] : []));
  }

  /** How many there are in all, where the page does not say it. */
  async count(page, signal) {
    const { filter } = this.address;
    if (!Object.keys(filter).length || page.total !== null || (!page.has_before && !page.has_after && page.is_whole)) return;
    try {
      const told = await this.api.count(filter, signal);
      this.tell(told.is_exact ? tn(this.isQueue ? "waiting" : "hits", told.n) : t("hits_more", { n: told.n }));
    } catch { /* the page stands without it */ }
  }

  turn(way, focus = false) {
    const cursor = way === "after" ? this.page?.next : this.page?.previous;
    if (!cursor || !this.page[`has_${way}`]) return;
    this.go({ ...NO_PLACE, [way]: cursor }).then(() => { if (focus) this.table.focus(); });
  }

  showTicked() {
    const n = this.table.ticked.size;
    this.toolbar.ticked(n);
    this.ticks.replaceChildren(...(n ? [tn("ticked", n), button({ class: "text-button", onclick: () => this.table.untick() }, t("untick"))] : []));
  }

  // 3 One row

  async openRow(id) {
    if (String(id) === this.address.row) { this.editor.focus(); return; }
    if (!(await this.editor.mayLeave())) return;
    const isStep = Boolean(this.address.row) && Boolean(id);
    const { position } = this.editor.row ?? {};
    await this.go({ row: id }, { replace: isStep });
    if (!id) { if (position) this.table.activate(position); this.table.focus(); }
  }

  async addRow() {
    await this.openRow("new");
  }

  async showRow() {
    const { row, view } = this.address;
    const isOpen = Boolean(row) && !view;
    this.work.classList.toggle("open", isOpen);
    if (!isOpen) { if (this.editor.id) this.editor.close(); this.table.mark(); return; }
    if (String(this.editor.id) === row) return;
    if (row === "new") { if (this.page?.may_write) { this.editor.openNew(this.page.rows[0]?.kind ?? "chat"); this.reveal(); } this.table.mark(); return; }
    try {
      const told = await this.api.row(row);
      if (this.address.row !== row) return;
      if (String(told.row.id) !== row) writeAddress({ row: told.row.id }, { replace: true }); // an older version's link
      this.address.row = String(told.row.id);
      this.editor.open(told.row);
      this.reveal();
      this.table.activate(told.row.position);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      writeAddress({ row: "" }, { replace: true });
      this.address.row = "";
      this.work.classList.remove("open");
      this.editor.close();
      this.say(error.message, true);
    }
  }

  /** An open row wants the window for itself; its Save must not lie below the edge. */
  reveal() {
    const { top, bottom } = this.node.getBoundingClientRect();
    if (top < 0 || bottom > innerHeight) this.node.scrollIntoView({ block: "start" });
  }

  async stepRow(by) {
    const at = this.table.rows.findIndex((row) => row.id === this.editor.id);
    const next = this.table.rows[at + by];
    if (next) { await this.openRow(next.id); return; }
    const way = by > 0 ? "after" : "before";
    if (!this.page?.[`has_${way}`] || !(await this.editor.mayLeave())) return;
    await this.go({ ...NO_PLACE, [way]: this.page[way === "after" ? "next" : "previous"] });
    const end = by > 0 ? this.table.rows[0] : this.table.rows[this.table.rows.length - 1];
    if (end) this.go({ row: end.id }, { replace: true });
  }

  /** A row has a newer version: everything that names the old one names the new one. */
  moved(row, old) {
    this.table.replace(old.position, row);
    if (this.address.row === String(old.id)) { writeAddress({ row: row.id }, { replace: true }); this.address.row = String(row.id); }
    this.table.mark();
  }

  saved(row, old) {
    if (old.id === "new") { this.say(t("added", { no: row.no })); this.go({ row: row.id }, { replace: true }).then(() => this.sync({ fresh: true })); }
    else this.moved(row, old);
    this.refreshSteps();
    this.refreshHead();
  }

  removed(row) {
    this.table.ticked.delete(row.id);
    this.editor.close();
    this.sayUndoable(t("removed", { no: row.no }));
    this.go({ row: "" }, { replace: true }).then(() => this.sync({ fresh: true }));
    this.refreshHead();
  }

  /** In the queue the next that waits opens by itself; elsewhere the row as it is now. */
  reviewed(row, words) {
    const at = this.table.rows.findIndex((one) => one.id === row.id);
    const next = this.address.isReview ? this.table.rows[at + 1] ?? this.table.rows[at - 1] : row;
    this.editor.close();
    this.sayUndoable(words);
    this.go({ row: next ? next.id : "" }, { replace: true }).then(() => this.sync({ fresh: true }));
    this.refreshHead();
  }

  redrawDrafts() {
    for (const [at, row] of this.table.rows.entries()) {
      const line = this.table.body.children[at];
      if (this.drafts.has(row.id) !== Boolean(line.querySelector(".unsaved"))) line.replaceWith(this.table.line(row, at));
    }
    this.table.mark();
  }

  // 4 Many rows

  async bulk(what) {
    if (!(await this.editor.mayLeave())) return;
    const ids = [...this.table.ticked.keys()];
    const scope = { filter: this.address.filter, rows: ids.length && what !== "merge" ? ids : null };
    const done = await openBulk(this.node, this.api, what, scope);
    if (!done) return;
    this.table.untick();
    const told = done.changes ? countWords(done.changes) || t("b_nothing") : t("b_goes_on");
    this.say([told, ...(done.warnings ?? [])].join(" · "));
    await this.afterChange();
  }

  async step(what) {
    if (!(await this.editor.mayLeave())) return;
    try {
      const told = await this.api.step(what, this.revision, newId());
      this.say(told.words);
      this.took(told);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.say(error.message, true);
    }
    await this.afterChange();
  }

  /** Rows have changed all over: read everything again. The open row is found again by its place. */
  async afterChange() {
    const { row } = this.address;
    if (row && row !== "new" && this.editor.id) this.editor.close();
    await this.sync({ fresh: true });
    this.refreshHead(0);
  }

  async refreshSteps() {
    try { this.took(await this.api.rows({ limit: 1 })); } catch { /* the next page says it */ }
  }

  refreshHead(pause = HEAD_MS) {
    clearTimeout(this.heading);
    this.heading = setTimeout(() => window.studio?.reopen(), pause);
  }

  say(words, isBad = false) {
    this.toast.textContent = words;
    this.toast.classList.toggle("bad", isBad);
    this.toast.hidden = !words;
    clearTimeout(this.saying);
    if (words) this.saying = setTimeout(() => { this.toast.hidden = true; }, SAY_MS);
  }

  sayUndoable(words) {
    this.say(words);
    this.toast.append(" ", button({ class: "text-button", onclick: () => this.step("undo") }, t("undo_it")));
  }

  toggleWide() {
    const is = this.node.classList.toggle("whole");
    this.toolbar.wide.setAttribute("aria-pressed", String(is));
    document.documentElement.style.overflow = is ? "hidden" : "";
  }

  // 5 Keys: none while somebody types, apart from those that no field uses

  key(event) {
    if (isComposing(event) || event.altKey) return;
    const isCtrl = event.ctrlKey || event.metaKey;
    const target = event.composedPath()[0];
    if (isCtrl && event.key.toLowerCase() === "s") { event.preventDefault(); if (this.editor.id && this.page.may_write) this.editor.save(); return; }
    if (isCtrl) return;
    if (event.key === "Escape") { this.escape(event); return; }
    if (isTyping(target) || target.closest?.(".menu, dialog, summary, select")) return;
    const decides = this.editor.row?.waits && this.page.may_write && { a: accept, x: drop }[event.key.toLowerCase()];
    if (decides) { event.preventDefault(); decides(this.editor); return; }
    if (event.key === "/") { event.preventDefault(); this.toolbar.search.focus(); this.toolbar.search.select(); return; }
    if (!this.table.node.contains(target)) return;
    const does = {
      ArrowDown: () => this.table.move(1) || this.turn("after", true), ArrowUp: () => this.table.move(-1),
      ArrowRight: () => this.turn("after", true), ArrowLeft: () => this.turn("before", true),
      PageDown: () => this.turn("after", true), PageUp: () => this.turn("before", true),
      Home: () => this.table.move(-this.table.active), End: () => this.table.move(this.table.rows.length - 1 - this.table.active),
      Enter: () => this.table.current && this.openRow(this.table.current.id).then(() => this.editor.focus()),
      " ": () => this.page.may_write && this.table.tick(this.table.active, event.shiftKey),
    }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  }

  escape(event) {
    if (this.address.row) { event.preventDefault(); this.openRow(""); }
    else if (this.address.view) this.go({ view: "", older: "", newer: "" });
    else if (this.table.ticked.size) this.table.untick();
    else if (this.node.classList.contains("whole")) this.toggleWide();
  }
}

// --- the element --------------------------------------------------------------------------------------------------------

let panel = null;

class StudioRows extends HTMLElement {
  static observedAttributes = ["dataset", "revision", "view"];

  connectedCallback() { this.take(); }

  attributeChangedCallback() { if (this.isConnected) this.take(); }

  take() {
    const dataset = this.getAttribute("dataset");
    if (!dataset) return;
    if (!this.shadowRoot) {
      this.attachShadow({ mode: "open" });
      this.shadowRoot.append(h("link", { rel: "stylesheet", href: "/page/data.css" }));
    }
    const isNew = panel?.dataset !== dataset;
    if (isNew) { panel?.node.remove(); panel = new Panel(dataset); }
    if (panel.node.parentNode !== this.shadowRoot) this.shadowRoot.append(panel.node);
    const isStale = !isNew && Number(this.getAttribute("revision")) > panel.revision; // changed in another part of the page
    panel.sync({ fresh: isStale });
  }
}

window.addEventListener("popstate", () => { if (panel?.node.isConnected) panel.sync(); });
window.addEventListener("beforeunload", (event) => {
  panel?.editor.keep.now();
  if (panel?.editor.isDirty) event.preventDefault();
});
document.addEventListener("keydown", (event) => { // "/" and Ctrl+S reach the panel from anywhere on its tab
  if (event.target !== document.body || !panel?.node.offsetParent) return;
  panel.key(event);
});
customElements.define("studio-rows", StudioRows);
