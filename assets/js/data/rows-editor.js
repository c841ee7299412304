// One row, open. What is typed is kept in this browser tab until it is saved or taken back: a reload loses nothing.
//   open(row) ── typing ──► draft (sessionStorage) ── save ──► the row's next version
//                                                    └─ refused: at its field   └─ somebody was quicker: both are shown

import { Refused, linkOf, newId } from "./rows-api.js";
import { ask, button, diffParts, h, icon, settled, t, tn } from "./rows-dom.js";
import { Form, facts } from "./rows-fields.js";
import { reviewBar } from "./rows-review.js";
import { KINDS } from "./rows-toolbar.js";

const FIELDS = ["content", "split", "tags", "topic", "flag", "references", "group_key"];
const KEEP_MS = 200;

const copy = (value) => JSON.parse(JSON.stringify(value));
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const pick = (row) => Object.fromEntries(FIELDS.map((name) => [name, copy(row[name])]));

const EMPTY = {
  chat: { messages: [{ role: "user", content: "" }, { role: "assistant", content: "" }] },
  preference: { messages: [{ role: "user", content: "" }], chosen: [{ role: "assistant", content: "" }], rejected: [{ role: "assistant", content: "" }] },
  feedback: { messages: [{ role: "user", content: "" }, { role: "assistant", content: "" }], label: true },
  text: { text: "" },
  prompt: { messages: [{ role: "user", content: "" }] },
  choice: { question: "", options: ["", ""], answer: 0 },
  label: { text: "", label: "" },
};

// --- drafts -------------------------------------------------------------------------------------------------------------

/** Of one dataset, by row id ("new" for a row that is not there yet). */
export class Drafts {
  constructor(dataset) { this.prefix = `studio-row:${dataset}:`; }
  get(id) { try { return JSON.parse(sessionStorage.getItem(this.prefix + id)); } catch { return null; } }
  set(id, draft) { try { sessionStorage.setItem(this.prefix + id, JSON.stringify(draft)); } catch { /* a browser that keeps nothing */ } }
  drop(id) { try { sessionStorage.removeItem(this.prefix + id); } catch { /* as above */ } }
  has(id) { try { return sessionStorage.getItem(this.prefix + id) !== null; } catch { return false; } }
}

// --- the editor ---------------------------------------------------------------------------------------------------------

export class Editor {
  /** `on.saved(row, old)`, `on.removed(row)`, `on.close()`, `on.step(±1)`, `on.drafted(id)`; `api`, `host`, `mayWrite()`. */
  constructor(on) {
    this.on = on;
    this.drafts = on.drafts;
    this.row = null;
    this.keep = settled(KEEP_MS, () => this.store());
    this.node = h("aside", { class: "editor", "aria-label": t("editor"), hidden: true });
    this.node.addEventListener("input", () => this.unmark());
  }

  get id() { return this.row?.id ?? null; }
  get isDirty() { return Boolean(this.row) && !same(this.base, this.draft()); }

  draft() { return Object.fromEntries(FIELDS.map((name) => [name, this.state[name]])); }

  open(row, { focus = false } = {}) {
    this.keep.now();
    this.row = row;
    this.base = pick(row);
    const kept = this.drafts.get(row.id);
    this.state = { kind: row.kind, ...(kept ?? pick(row)) };
    this.requestId = newId();
    this.view = "edit";
    this.draw();
    if (kept) this.say(t("draft_back"));
    if (focus) this.focus();
  }

  openNew(kind) {
    const kept = this.drafts.get("new");
    const given = kept?.kind ?? kind;
    this.open({ id: "new", no: "", position: null, kind: given, content: copy(EMPTY[given]), split: null, tags: [], topic: null, flag: null,
      references: [], group_key: null, source: "", extra: null, rule: null });
    this.focus();
  }

  close() {
    this.keep.now();
    this.row = null;
    this.node.hidden = true;
    this.node.replaceChildren();
  }

  focus() { this.node.querySelector("textarea:not([readonly]), textarea")?.focus({ preventScroll: true }); }

  // 1 Drawing

  draw() {
    const readOnly = !this.on.mayWrite();
    const on = { changed: () => this.changed() };
    const isNew = this.row.id === "new";
    this.form = new Form(this.state, on, { readOnly: readOnly || Boolean(this.row.locked) });
    this.notice = h("p", { class: "notice", role: "status", hidden: true });
    this.body = h("div", { class: "scroll" }, this.notice, this.row.locked && h("p", { class: "warn locked" }, t("locked_row")), isNew && this.kindChoice(), this.form.node, facts(this.state, this.row, on, { readOnly }), !isNew && this.tokensFold());
    this.node.replaceChildren(this.header(), ...[reviewBar(this)].filter(Boolean), this.body, ...(readOnly ? [] : [this.footer()]));
    this.node.hidden = false;
    this.mark();
  }

  header() {
    const isNew = this.row.id === "new";
    const step = (by, name, label) => button({ class: "bare", "aria-label": label, onclick: () => this.on.step(by) }, icon(name));
    this.dot = h("span", { class: "unsaved", hidden: true }, t("unsaved"));
    return h("header", {},
      h("h3", {}, isNew ? t("new_row") : t("row_no", { no: this.row.no })), this.dot, h("span", { class: "gap" }),
      !isNew && step(-1, "up", t("row_before")), !isNew && step(1, "down", t("row_after")),
      button({ class: "bare", "aria-label": t("close"), onclick: () => this.on.close() }, icon("close")));
  }

  kindChoice() {
    return h("label", { class: "field" }, h("span", { class: "label" }, t("f_kind")),
      h("select", { value: this.state.kind, onchange: (event) => { this.drafts.drop("new"); this.openNew(event.target.value); } },
        KINDS.map((kind) => h("option", { value: kind, selected: kind === this.state.kind }, t(`kind_${kind}`)))));
  }

  footer() {
    const isNew = this.row.id === "new";
    this.saver = button({ class: "main save", onclick: () => this.save(), title: "Ctrl+S" }, t(isNew ? "save_new" : "save"), h("kbd", {}, "Ctrl S"));
    this.reverter = button({ class: "quiet", onclick: () => this.revert() }, t(isNew ? "let_go" : "revert"));
    const remove = !isNew && !this.row.locked && button({ class: "quiet danger", onclick: () => this.remove() }, icon("trash"), h("span", {}, t("delete")));
    return h("footer", {}, this.saver, this.reverter, h("span", { class: "gap" }), remove);
  }

  tokensFold() {
    const box = h("div", { class: "token-box" });
    const fold = h("details", { class: "fold tokens" }, h("summary", {}, t("tokens")), box);
    fold.addEventListener("toggle", async () => {
      if (!fold.open || box.childElementCount) return;
      box.replaceChildren(h("p", { class: "hint" }, t("loading")));
      try {
        const told = await this.on.api.tokens(this.row.id);
        box.replaceChildren(...(told.base ? [...tokenView(told), otherBase(this.row.id)] : [h("p", { class: "hint" }, t("no_base"))]));
      } catch (error) { box.replaceChildren(h("p", { class: "wrong" }, error.message)); }
    });
    return fold;
  }

  changed() {
    this.keep();
    this.mark();
  }

  store() {
    if (!this.row) return;
    if (this.isDirty) this.drafts.set(this.row.id, { ...this.draft(), ...(this.row.id === "new" && { kind: this.state.kind }) });
    else this.drafts.drop(this.row.id);
    this.on.drafted(this.row.id);
  }

  mark() {
    const dirty = this.isDirty;
    this.dot.hidden = !dirty;
    if (!this.saver) return;
    this.saver.disabled = this.isBusy || !dirty || this.form.invalid.size > 0;
    this.reverter.disabled = this.isBusy || (!dirty && this.row.id !== "new");
  }

  say(words, kind = "") {
    this.notice.textContent = words;
    this.notice.className = `notice ${kind}`;
    this.notice.hidden = !words;
  }

  /** The message of a refusal stands at the field that it is about, or on top. */
  refuse(error) {
    this.unmark();
    const at = error.field && this.fieldNamed(error.field);
    if (!at || error.key === "error.data.locked_test") { this.say(error.message, "bad"); this.body.scrollTop = 0; return; }
    this.say("");
    const id = `wrong-${newId()}`;
    at.setAttribute("aria-invalid", "true");
    at.setAttribute("aria-describedby", id);
    const words = h("p", { class: "wrong", role: "alert", id }, error.message);
    const bubble = at.closest(".bubble"); // below all of a turn, not between its role and its buttons
    if (bubble) bubble.append(words);
    else at.insertAdjacentElement("afterend", words);
    at.closest("details")?.setAttribute("open", "");
    at.scrollIntoView({ block: "center" });
    at.focus();
  }

  fieldNamed(path) { // the field itself, else what holds it: "messages[1].tool_calls[0]" is in "messages[1].tool_calls"
    for (let name = path.replace(/^content\./, ""); name; name = name.replace(/(\.[^.[\]]*|\[\d+\]|[^.[\]]+)$/, "")) {
      const found = this.node.querySelector(`[data-path="${CSS.escape(name)}"]`);
      if (found) return found;
    }
    return null;
  }

  unmark() {
    for (const node of this.node.querySelectorAll("[aria-describedby^=wrong-]")) {
      this.node.querySelector(`#${node.getAttribute("aria-describedby")}`)?.remove();
      node.removeAttribute("aria-invalid");
      node.removeAttribute("aria-describedby");
    }
    if (this.notice?.classList.contains("bad")) this.say("");
  }

  // 2 Saving

  changes() {
    const now = copy(this.draft());
    return Object.fromEntries(FIELDS.filter((name) => !same(this.base[name], now[name])).map((name) => [name, now[name]]));
  }

  /** True when the row is saved, or has nothing to save. */
  async save() {
    if (!this.row || this.isBusy || this.form.invalid.size) return false;
    if (!this.isDirty) return true;
    const { row } = this;
    const sent = copy(this.draft());
    this.busy(true);
    try {
      const told = row.id === "new"
        ? await this.on.api.add({ kind: this.state.kind, ...sent }, null, this.requestId)
        : await this.on.api.save(row.id, this.changes());
      this.keep.drop();
      this.drafts.drop(row.id);
      if (this.row === row) this.taken(told.row, sent);
      this.on.saved(told.row, row);
      return true;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.status === 409 && "theirs" in error.body) await this.conflict(row, sent, error.body);
      else if (this.row === row) this.refuse(error);
      return false;
    } finally {
      this.busy(false);
    }
  }

  /** The saved row is the new ground; what was typed meanwhile stays. */
  taken(row, sent) {
    const later = same(sent, this.draft()) ? null : copy(this.draft());
    const focused = this.node.getRootNode().activeElement?.dataset?.path;
    const { scrollTop } = this.body;
    this.row = row;
    this.base = pick(row);
    if (later) this.drafts.set(row.id, later);
    this.state = { kind: row.kind, ...(later ?? pick(row)) };
    this.draw();
    this.body.scrollTop = scrollTop;
    if (focused) this.fieldNamed(focused)?.focus({ preventScroll: true });
    this.say(t("saved"), "good");
    setTimeout(() => { if (this.notice.textContent === t("saved")) this.say(""); }, 2_500);
  }

  busy(is) {
    this.isBusy = is;
    this.node.classList.toggle("busy", is);
    if (this.row) this.mark();
  }

  /** What was typed and not saved is let go. */
  forget() {
    this.keep.drop();
    this.drafts.drop(this.row.id);
  }

  revert() {
    this.forget();
    this.on.drafted(this.row.id);
    if (this.row.id === "new") { this.base = pick(this.row); this.state = { kind: this.row.kind, ...pick(this.row) }; this.on.close(); return; }
    this.open(this.row);
    this.focus();
  }

  async remove() {
    const { row } = this;
    const sure = await ask(this.on.host(), t("delete_sure", { no: row.no }), (close) => [
      h("p", {}, t("delete_text")),
      h("footer", {}, button({ class: "main danger", onclick: () => close(true) }, t("delete")), button({ class: "quiet", autofocus: true, onclick: () => close() }, t("cancel")))]);
    if (!sure) return;
    try {
      const done = await this.on.api.apply({ rows: [row.id], operation: { do: "delete" } }, newId());
      if (!done.changes.removed) { this.say(done.warnings.join(" "), "bad"); return; }
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.refuse(error);
      return;
    }
    this.forget();
    this.on.removed(row);
  }

  /** Unsaved changes are asked about before somebody leaves the row. False: stay. */
  async mayLeave() {
    this.keep.now();
    if (!this.isDirty) return true;
    const what = await ask(this.on.host(), t("leave_title", { no: this.row.no || t("new_row") }), (close) => [
      h("p", {}, t("leave_text")),
      h("footer", {},
        button({ class: "main", onclick: () => close("save"), autofocus: true }, t("save")),
        button({ class: "quiet", onclick: () => close("later") }, t("leave_later")),
        button({ class: "quiet danger", onclick: () => close("drop") }, t("leave_drop")))]);
    if (what === "save") return this.save();
    if (what === "drop") { this.keep.drop(); this.drafts.drop(this.row.id); this.on.drafted(this.row.id); }
    return what === "later" || what === "drop";
  }

  // 3 Somebody was quicker

  async conflict(row, mine, { theirs, parts }) {
    const what = await ask(this.on.host(), t(theirs ? "conflict" : "conflict_gone", { no: row.no, who: theirs?.who ?? "" }), (close) => [
      h("p", {}, t(theirs ? "conflict_text" : "conflict_gone_text")),
      parts?.length ? diffParts(parts, [t("conflict_theirs"), t("conflict_mine")]) : null,
      h("footer", {},
        button({ class: "main", onclick: () => close("mine") }, t(theirs ? "conflict_keep" : "conflict_put_back")),
        button({ class: "quiet", onclick: () => close("theirs") }, t(theirs ? "conflict_take" : "conflict_let_go")),
        theirs && button({ class: "quiet", onclick: () => close("further") }, t("conflict_further")))].filter(Boolean), { wide: true });
    if (!what || this.row !== row) return;
    this.keep.drop();
    this.drafts.drop(row.id);
    if (!theirs) {
      if (what === "mine") { this.openNew(row.kind); Object.assign(this.state, mine, { kind: row.kind }); this.draw(); this.changed(); } else this.on.removed(row);
      return;
    }
    this.on.moved(theirs, row);
    if (what !== "theirs") this.drafts.set(theirs.id, mine);
    this.busy(false);
    this.open(theirs, { focus: true });
    if (what === "mine") await this.save();
    if (what === "further") this.say(t("conflict_on"));
  }
}

const tokenView = ({ base, pieces }) => [
  h("p", { class: "hint" }, h("span", { class: "legend trained" }), t("trained"), h("span", { class: "legend" }), t("context"),
    ` · ${base} · `, tn("n_tokens", pieces.reduce((sum, piece) => sum + piece.n, 0))),
  h("p", { class: "token-view" }, pieces.map((piece) => h("span", { class: piece.trained ? "trained" : "" }, piece.text))),
];

/** A link to the view of the tab in which the row is shown under any base. */
const otherBase = (row) => {
  const dataset = document.querySelector("studio-rows").getAttribute("dataset");
  const href = linkOf({ tab: "data", dataset, view: "tokens", row });
  return h("a", { class: "hint", href, onclick: (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    window.studio.go(href);
  } }, t("tokens_other"));
};
