// The review queue: a row that waits says why, and asks for a yes or a no. Edited first or as it is; a no may say its reason.

import { Refused, newId } from "./rows-api.js";
import { ask, button, h, icon, t } from "./rows-dom.js";

/** The bar above a row that waits; nothing for one that does not. `editor` knows the row, saves it and is told what came of it. */
export const reviewBar = (editor) => {
  const { row } = editor;
  if (!row.waits) return null;
  const why = row.waits === "draft" ? t("waits_draft") : row.flag ? t("waits_flag", { why: row.flag }) : t("waits_flag_plain");
  return h("div", { class: "review", role: "group", "aria-label": t("f_waiting") },
    h("p", {}, icon("flag"), h("span", {}, why)),
    editor.on.mayWrite() && h("div", { class: "acts" },
      button({ class: "main accept", onclick: () => accept(editor) }, t("accept"), h("kbd", {}, "A")),
      button({ class: "quiet danger drop", onclick: () => drop(editor) }, t("drop"), h("kbd", {}, "X"))));
};

/** What was typed is saved first, so that a yes is a yes to what is on the screen. */
export const accept = async (editor) => {
  if (editor.isBusy || !(await editor.save())) return;
  await decide(editor, { do: "accept" }, "", t("accepted_now", { no: editor.row.no }));
};

export const drop = async (editor) => {
  if (editor.isBusy) return;
  const { row } = editor;
  const why = h("input", { type: "text", maxlength: 200, autofocus: true, "aria-label": t("drop_why"), placeholder: t("drop_why") });
  const reason = await ask(editor.on.host(), t("drop_sure", { no: row.no }), (close) => {
    const go = (event) => { event.preventDefault(); close({ why: why.value.trim() }); };
    return [h("p", {}, t("drop_text")), h("form", { class: "one", onsubmit: go }, why,
      h("footer", {}, button({ class: "main danger", type: "submit" }, t("drop_go")), button({ class: "quiet", type: "button", onclick: () => close() }, t("cancel"))))];
  });
  if (reason) await decide(editor, { do: "delete" }, reason.why, t("removed", { no: row.no }));
};

const decide = async (editor, operation, message, words) => {
  const { row } = editor;
  editor.busy(true);
  try {
    const done = await editor.on.api.apply({ rows: [row.id], operation, message }, newId());
    if (!done.changes.changed && !done.changes.removed) { editor.say(done.warnings.join(" "), "bad"); return; }
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    editor.refuse(error);
    return;
  } finally {
    editor.busy(false);
  }
  editor.forget();
  editor.on.reviewed(row, words);
};
