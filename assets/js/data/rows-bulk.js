// Changing all rows that match, or all that are ticked: what, which rows, how the first of them would look, then the change.
//   The look follows what is typed. A large change goes on as a job: its progress stands in the dialog, and it can be left alone.

import { Refused, newId } from "./rows-api.js";
import { ask, button, diffParts, field, h, number, option, settled, t, textarea, tn } from "./rows-dom.js";
import { SPLITS, filterWords } from "./rows-toolbar.js";

const LOOK_MS = 400;
const TICK_MS = 1_000;

/** What each operation asks for. `values` become the operation; `ready` says whether they are enough for a look. */
const asks = {
  replace: (values, on) => [
    field(t("b_find"), typed(values, "find", on, { autofocus: true })),
    field(t("b_put"), typed(values, "put", on), t("b_put_hint")),
    h("div", { class: "columns" },
      field(t("b_where"), chosen(values, "where", ["all", "answers", "questions", "system"], on, (name) => t(`where_${name}`))),
      h("div", { class: "ticks" }, ticked(values, "match_case", t("b_case"), on), ticked(values, "regex", t("b_regex"), on)))],
  system: (values, on) => {
    const words = field(t("b_system"), typed(values, "text", on, { autofocus: true }));
    const when = chosen(values, "when", ["missing", "always", "remove"], () => { words.hidden = values.when === "remove"; on(); }, (name) => t(`when_${name}`));
    return [field(t("b_when"), when), words];
  },
  tag: (values, on) => [
    field(t("b_add"), list(values, "add", on, { autofocus: true }), t("b_tags_hint")), field(t("b_remove"), list(values, "remove", on))],
  split: (values, on) => [field(t("f_split"), chosen(values, "split", [...SPLITS, ""], on, (name) => t(`split_${name || "none"}`)))],
  flag: (values, on) => [ticked(values, "off", t("b_unflag"), on), field(t("flag_why"), typed(values, "flag", on, { autofocus: true }))],
  topic: (values, on) => [field(t("f_topic"), typed(values, "topic", on, { autofocus: true }), t("b_topic_hint"))],
  cut: (values, on) => [field(t("b_turns"), h("input", { type: "number", min: 1, max: 1000, value: values.max_turns, autofocus: true,
    oninput: (event) => { values.max_turns = Number(event.target.value); on(); } }), t("b_turns_hint"))],
  delete: () => [h("p", {}, t("b_delete_text"))],
  accept: () => [h("p", {}, t("b_accept_text"))],
  merge: () => [],
};

const START = {
  replace: { find: "", put: "", where: "all", match_case: true, regex: false },
  system: { text: "", when: "missing" }, tag: { add: [], remove: [] }, split: { split: "train" }, flag: { flag: "", off: false }, topic: { topic: "" },
  cut: { max_turns: 4 }, delete: {}, accept: {}, merge: { datasets: [] },
};

const isReady = (what, values) =>
  ({ replace: values.find, system: values.when === "remove" || values.text, tag: values.add?.length || values.remove?.length,
    cut: values.max_turns >= 1, flag: values.off || values.flag, merge: values.datasets?.length }[what] ?? true);

const operationOf = (what, { off, ...values }) => {
  if (what === "flag") return { do: what, flag: off ? null : values.flag };
  if (what === "split" || what === "topic") return { do: what, [what]: values[what] || null };
  return { do: what, ...values };
};

function typed(values, name, on, props = {}) {
  const node = textarea(props);
  node.value = values[name];
  node.addEventListener("input", (event) => { values[name] = node.value; if (!event.isComposing) on(); });
  node.addEventListener("compositionend", () => on());
  return node;
}

function chosen(values, name, choices, on, words) {
  return h("select", { onchange: (event) => { values[name] = event.target.value; on(); } }, choices.map((one) => option(one, words(one), values[name])));
}

function ticked(values, name, words, on) {
  const box = h("input", { type: "checkbox", onchange: () => { values[name] = box.checked; on(); } });
  box.checked = values[name];
  return h("label", { class: "tick" }, box, h("span", {}, words));
}

function list(values, name, on, props) {
  return h("input", { type: "text", value: values[name].join(", "), ...props,
    oninput: (event) => { values[name] = event.target.value.split(/[,，、]/).map((word) => word.trim()).filter(Boolean); on(); } });
}

/** Opens the dialog. `scope`: {filter, rows (ids), total}. Resolves with {changes} when rows have changed, else with null. */
export const openBulk = (host, api, what, scope) =>
  ask(host, t(`do_${what}`).replace(/\s*…+$/, ""), (close) => new Bulk(api, what, scope, close).nodes, { wide: true });

class Bulk {
  constructor(api, what, scope, close) {
    Object.assign(this, { api, what, scope, close });
    this.values = structuredClone(START[what]);
    if (what === "replace" && scope.filter?.text) Object.assign(this.values, { find: scope.filter.text, regex: Boolean(scope.filter.regex) });
    this.looking = settled(LOOK_MS, () => this.look());
    this.form = h("div", { class: "bulk-form" }, asks[what](this.values, () => this.stale()));
    this.shown = h("div", { class: "looked", "aria-live": "polite" });
    this.go = button({ class: what === "delete" ? "main danger" : "main", disabled: true, onclick: () => this.apply() }, t("b_go"));
    this.message = h("input", { type: "text", class: "message", placeholder: t("b_message"), "aria-label": t("b_message"), maxlength: 200 });
    this.leave = button({ class: "quiet", onclick: () => close() }, t("cancel"));
    this.foot = h("footer", {}, this.go, this.leave, this.message);
    this.nodes = [this.which(), this.form, this.shown, this.foot];
    this.wish = 0;
    if (what === "merge") this.offerOthers();
    if (isReady(what, this.values)) this.look();
  }

  /** Which rows, in words. */
  which() {
    if (this.what === "merge") return h("p", { class: "which" }, t("b_merge_text"));
    if (this.scope.rows) return h("p", { class: "which" }, tn("b_ticked", this.scope.rows.length));
    const phrases = filterWords(this.scope.filter).map(([, words]) => words);
    return h("p", { class: "which" }, phrases.length ? t("b_filtered") : t("b_all"), phrases.map((words) => h("span", { class: "chip" }, h("span", {}, words))));
  }

  async offerOthers() {
    try {
      const { datasets } = await this.api.others();
      if (!datasets.length) { this.form.replaceChildren(h("p", {}, t("b_no_others"))); return; }
      this.form.replaceChildren(h("div", { class: "ticks column" }, datasets.map((one) => {
        const box = h("input", { type: "checkbox", onchange: () => {
          const kept = this.values.datasets.filter((id) => id !== one.id);
          this.values.datasets = box.checked ? [...kept, one.id] : kept;
          this.stale();
        } });
        return h("label", { class: "tick" }, box, h("span", {}, one.name), h("small", {}, tn("count", one.n_rows)));
      })));
    } catch (error) { this.wrong(error); }
  }

  spec() {
    return { filter: this.scope.rows ? {} : this.scope.filter, rows: this.scope.rows, message: this.message.value, operation: operationOf(this.what, this.values) };
  }

  // 1 The look

  stale() {
    this.go.disabled = true;
    this.wish += 1;
    this.requestId = null;
    if (!isReady(this.what, this.values)) { this.looking.drop(); this.shown.replaceChildren(); return; }
    this.shown.classList.add("waiting");
    this.looking();
  }

  async look() {
    const wish = (this.wish += 1);
    this.shown.classList.add("waiting");
    if (!this.shown.childElementCount) this.shown.replaceChildren(h("p", { class: "hint" }, t("b_looking")));
    try {
      const told = await this.api.preview(this.spec());
      if (wish === this.wish) this.draw(told);
    } catch (error) {
      if (wish === this.wish) this.wrong(error);
    }
  }

  draw({ n_matching: n, is_exact: isExact, n_changed: changed, examples, warnings, may }) {
    const about = isExact ? number(changed) : t("b_about", { n: changed });
    this.shown.classList.remove("waiting");
    this.shown.replaceChildren(
      h("p", { class: "sum" }, h("b", {}, tn("b_changed", changed, { n: about })), " ", h("span", { class: "hint" }, tn("b_of", n, { n: isExact ? number(n) : t("b_about", { n }) }))),
      ...warnings.map((words) => h("p", { class: "warn" }, words)),
      ...examples.map((one) => h("article", { class: "example" }, h("h4", {}, one.after ? t("row_no", { no: one.no }) : t("b_goes", { no: one.no })), diffParts(one.parts))));
    this.go.disabled = !may;
    this.go.textContent = tn(`b_go_${this.what === "delete" ? "delete" : this.what === "merge" ? "merge" : "n"}`, changed, { n: about });
  }

  wrong(error) {
    if (!(error instanceof Refused)) throw error;
    this.shown.classList.remove("waiting");
    this.shown.replaceChildren(h("p", { class: "wrong", role: "alert" }, error.message));
  }

  // 2 The change

  async apply() {
    this.looking.drop();
    this.wish += 1;
    this.requestId ??= newId();
    this.lock(true);
    try {
      const told = await this.api.apply(this.spec(), this.requestId);
      if (told.job) this.follow(told.job);
      else this.close({ changes: told.changes, warnings: told.warnings });
    } catch (error) {
      this.lock(false);
      this.wrong(error);
    }
  }

  lock(is) {
    this.form.inert = is;
    this.go.disabled = is;
    this.message.disabled = is;
  }

  follow(jobId) {
    const bar = h("i");
    const words = h("p", { class: "hint", role: "status" }, t("b_begun"));
    const stop = button({ class: "quiet danger", onclick: async () => { stop.disabled = true; await this.api.stop(jobId); } }, t("b_stop"));
    this.shown.replaceChildren(h("div", { class: "progress" }, bar), words);
    this.foot.replaceChildren(stop, button({ class: "quiet", onclick: () => this.close({ job: jobId }) }, t("b_leave")));
    const look = async () => {
      if (!this.shown.isConnected) return;
      try {
        const job = await this.api.job(jobId);
        bar.style.width = `${Math.round(job.share * 100)}%`;
        words.textContent = job.words;
        if (job.ended) { this.ended(job); return; }
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        words.textContent = error.message;
      }
      setTimeout(look, TICK_MS);
    };
    look();
  }

  ended(job) {
    if (job.state === "finished") { this.close({ changes: job.changes, job: job.id }); return; }
    this.shown.replaceChildren(h("p", { class: job.state === "stopped" ? "notice" : "wrong", role: "alert" }, job.words), h("p", { class: "hint" }, t("b_untouched")));
    this.foot.replaceChildren(button({ class: "quiet", onclick: () => this.close() }, t("close")));
  }
}
