// What was done to the rows, newest first, and two states of them side by side.

import { Refused, newId, linkOf } from "./rows-api.js";
import { ask, button, diffParts, h, icon, moment, number, t, tn } from "./rows-dom.js";

export class History {
  /** `on.show(changes of the address)`, `on.changed(told)`, `on.api()`, `on.host()`, `on.mayWrite()`. */
  constructor(on) {
    this.on = on;
    this.list = h("ol", { class: "revisions" });
    this.more = button({ class: "quiet", hidden: true, onclick: () => this.load(this.last) }, t("more"));
    this.wrong = h("p", { class: "wrong", role: "alert", hidden: true });
    this.node = h("section", { class: "view", hidden: true, "aria-label": t("history") });
  }

  // 1 The list

  async open() {
    this.node.hidden = false;
    this.node.replaceChildren(this.title(t("history"), t("history_text")), this.wrong, this.list, this.more);
    await this.load();
  }

  close() {
    this.node.hidden = true;
    this.shown = null;
  }

  title(words, text) {
    const back = button({ class: "quiet", onclick: () => this.on.show({ view: "", older: "", newer: "" }) }, icon("left"), h("span", {}, t("to_rows")));
    return h("header", { class: "view-head" }, back, h("h3", {}, words), text && h("p", { class: "hint" }, text));
  }

  async load(before) {
    try {
      const { revisions, more } = await this.on.api().history(before);
      const lines = revisions.map((one) => this.line(one));
      if (before) this.list.append(...lines); else this.list.replaceChildren(...lines);
      this.last = revisions[revisions.length - 1]?.number;
      this.more.hidden = !more;
      this.complain(null);
    } catch (error) { this.complain(error); }
  }

  complain(error) {
    if (error && !(error instanceof Refused)) throw error;
    this.wrong.hidden = !error;
    this.wrong.textContent = error?.message ?? "";
  }

  line(one) {
    const compare = (older, newer, words) => h("a", { href: linkOf({ view: "compare", older, newer }), onclick: (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.on.show({ view: "compare", older, newer });
    } }, words);
    const acts = [
      one.before && compare(one.before, one.number, t("compare_before")),
      !one.newest && compare(one.number, one.now, t("compare_now")),
      this.on.mayWrite() && !one.newest && button({ class: "text-button", onclick: () => this.restore(one) }, t("restore")),
      this.on.mayWrite() && button({ class: "text-button", onclick: () => this.rename(one) }, t(one.name ? "rename" : "name_it")),
    ];
    return h("li", { class: one.newest ? "now" : "" },
      h("span", { class: "n" }, number(one.number)),
      h("div", { class: "what" },
        h("p", {}, one.name && h("b", {}, one.name), h("span", {}, one.words), one.newest && h("span", { class: "tag train" }, t("now"))),
        one.message && h("p", { class: "message" }, one.message),
        h("p", { class: "hint" }, [one.who, moment(one.at), countWords(one.changes)].filter(Boolean).join(" · "))),
      h("div", { class: "acts" }, acts));
  }

  async restore(one) {
    const sure = await ask(this.on.host(), t("restore_sure", { number: one.number }), (close) => [
      h("p", {}, t("restore_text")),
      h("footer", {}, button({ class: "main", autofocus: true, onclick: () => close(true) }, t("restore")), button({ class: "quiet", onclick: () => close() }, t("cancel")))]);
    if (sure) await this.act(() => this.on.api().restore(one.number, newId()));
  }

  async rename(one) {
    const input = h("input", { type: "text", maxlength: 200, value: one.name ?? "", autofocus: true, "aria-label": t("name") });
    const name = await ask(this.on.host(), t("name_title", { number: one.number }), (close) =>
      h("form", { class: "one", onsubmit: (event) => { event.preventDefault(); close({ name: input.value.trim() }); } }, input,
        h("p", { class: "hint" }, t("name_hint")),
        h("footer", {}, h("button", { class: "main" }, t("save")), button({ class: "quiet", onclick: () => close() }, t("cancel")))));
    if (name) await this.act(() => this.on.api().name(one.number, name.name));
  }

  async act(call) {
    try {
      this.on.changed(await call());
      await this.load();
    } catch (error) { this.complain(error); }
  }

  // 2 Two of them

  async compare(older, newer) {
    const key = `${older}:${newer}`;
    this.node.hidden = false;
    this.shown = key;
    const changes = h("div", { class: "changes" });
    const sum = h("p", { class: "sum", role: "status" }, t("loading"));
    const more = button({ class: "quiet", hidden: true }, t("more"));
    const back = button({ class: "quiet", onclick: () => this.on.show({ view: "history", older: "", newer: "" }) }, icon("left"), h("span", {}, t("history")));
    this.node.replaceChildren(h("header", { class: "view-head" }, back, h("h3", {}, t("compare_title", { older: Number(older), newer: Number(newer) }))), this.wrong, sum, changes, more);
    const load = async (after) => {
      try {
        const told = await this.on.api().compare(older, newer, after);
        if (this.shown !== key) return;
        const words = countWords(told.counts);
        sum.textContent = words || t("compare_same");
        changes.append(...told.changes.map((one) => this.change(one)));
        more.hidden = told.next === null;
        more.onclick = () => load(told.next);
        this.complain(null);
      } catch (error) { sum.textContent = ""; this.complain(error); }
    };
    await load();
  }

  change(one) {
    const head = h("h4", {}, h("span", { class: `tag ${one.what}` }, t(`was_${one.what}`)), t("row_no", { no: one.no }));
    if (one.row) head.append(button({ class: "text-button", onclick: () => this.on.show({ view: "", older: "", newer: "", row: one.row }) }, t("open")));
    return h("article", { class: "change" }, head, diffParts(one.parts, one.what === "changed" ? [t("side_before"), t("side_after")] : undefined));
  }
}

/** "3 changed, 1 removed", empty where nothing was. */
export const countWords = (counts) =>
  ["changed", "added", "removed"].filter((name) => counts?.[name]).map((name) => tn(`n_${name}`, counts[name])).join(t("and"));
