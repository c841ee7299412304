// What every part of the rows panel draws with. Text becomes text here, never markup.
//   h(tag, props, ...children)  one element      t(key, params)  words      icon(name)  a drawn sign
//   menu(button, fill)          a small panel under a button     ask(title, ...)  a dialog that waits for its end

const words = window.studioWords.rows;
export const LANG = document.documentElement.lang || "en";
const numbers = new Intl.NumberFormat(LANG);
const moments = new Intl.DateTimeFormat(LANG, { dateStyle: "medium", timeStyle: "short" });

export const number = (value) => numbers.format(value);
export const moment = (iso) => moments.format(new Date(iso));
export const t = (key, params = {}) =>
  (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => (typeof params[name] === "number" ? number(params[name]) : params[name]));
/** Of a number of things: English has a word of its own for one. */
export const tn = (key, n, params = {}) => t(n === 1 && words[`${key}_one`] ? `${key}_one` : key, { n, ...params });

export const h = (tag, props = {}, ...children) => {
  const node = document.createElement(tag);
  const { value, ...others } = props;
  for (const [name, given] of Object.entries(others)) {
    if (given === undefined || given === null || given === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), given);
    else node.setAttribute(name, given === true ? "" : given);
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  if (value !== undefined) node.value = value ?? "";
  return node;
};

const PATHS = {
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M15.5 15.5 20 20",
  filter: "M4 6h16M7 12h10M10 18h4",
  undo: "M8 5 4 9l4 4M4 9h9a6 6 0 0 1 0 12h-2",
  redo: "M16 5l4 4-4 4M20 9h-9a6 6 0 0 0 0 12h2",
  history: "M4 12a8 8 0 1 0 2.5-5.8M4 4v4h4M12 8v4.5l3 2",
  close: "M6 6l12 12M18 6 6 18",
  up: "M6 14l6-6 6 6",
  down: "M6 10l6 6 6-6",
  left: "M14 6l-6 6 6 6",
  right: "M10 6l6 6-6 6",
  plus: "M12 5v14M5 12h14",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5",
  flag: "M6 21V4M6 5h11l-2.5 4L17 13H6",
  wide: "M14 4h6v6M10 20H4v-6M20 4l-7 7M4 20l7-7",
  narrow: "M20 10h-6V4M4 14h6v6M14 10l6-6M10 14l-6 6",
  edit: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
  good: "M7 11v9H4v-9zM7 11l4-7c2 0 2.5 1.5 2 3l-1 3h6c1.5 0 2 1 1.7 2.4l-1.4 6c-.2 1-1 1.6-2 1.6H7",
  poor: "M17 13V4h3v9zM17 13l-4 7c-2 0-2.5-1.5-2-3l1-3H6c-1.5 0-2-1-1.7-2.4l1.4-6c.2-1 1-1.6 2-1.6H17",
  check: "M5 12.5l4.5 4.5L19 7",
};

export const icon = (name) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
};

/** A button with words, with a sign, or with both; `label` names one that has no words. */
export const button = (props, ...children) =>
  h("button", { type: "button", title: props["aria-label"], ...props }, ...children);

export const option = (value, label, chosen) => h("option", { value, selected: value === chosen }, label);

export const field = (label, control, hint) =>
  h("label", { class: "field" }, h("span", { class: "label" }, label), control, hint && h("small", {}, hint));

/** Grows with its text; browsers that know `field-sizing` do so by themselves. */
export const textarea = (props) => {
  const node = h("textarea", { rows: 1, dir: "auto", ...props });
  if (!CSS.supports("field-sizing", "content")) {
    const grow = () => { node.style.height = "auto"; node.style.height = `${node.scrollHeight + 2}px`; };
    node.addEventListener("input", grow);
    requestAnimationFrame(grow);
  }
  return node;
};

export const isComposing = (event) => event.isComposing || event.keyCode === 229; // Safari says 229
export const isTyping = (node) => Boolean(node?.matches?.("input:not([type=checkbox], [type=radio]), textarea, select"));

/** Calls `done` when nothing has happened for a while; `now()` does it at once, `drop()` never. */
export const settled = (pause, done) => {
  let timer = 0;
  const call = () => { timer = setTimeout(() => { timer = 0; done(); }, pause); };
  const again = () => { clearTimeout(timer); call(); };
  again.now = () => { if (timer) { clearTimeout(timer); timer = 0; done(); } };
  again.drop = () => { clearTimeout(timer); timer = 0; };
  return again;
};

/** A panel under a button, closed by Esc, by a click elsewhere, and by what it offers. */
export const menu = (opener, fill, { label } = {}) => {
  const box = h("div", { class: "menu-box" }, opener);
  let panel = null;
  const close = (focus = true) => {
    if (!panel) return;
    panel.remove();
    panel = null;
    opener.setAttribute("aria-expanded", "false");
    opener.getRootNode().removeEventListener("pointerdown", outside, true);
    document.removeEventListener("pointerdown", elsewhere, true);
    if (focus) opener.focus();
  };
  const outside = (event) => { if (!box.contains(event.target)) close(false); };
  const elsewhere = (event) => { if (event.target !== opener.getRootNode().host) close(false); };
  const open = () => {
    panel = h("div", { class: "menu", role: "group", "aria-label": label });
    panel.append(...[fill(close)].flat());
    panel.addEventListener("keydown", (event) => walk(event, panel));
    box.append(panel);
    const over = panel.getBoundingClientRect().right - (document.documentElement.clientWidth - 8);
    if (over > 0) panel.style.left = `${-over}px`;
    opener.setAttribute("aria-expanded", "true");
    opener.getRootNode().addEventListener("pointerdown", outside, true);
    document.addEventListener("pointerdown", elsewhere, true);
    panel.querySelector("button, input, select")?.focus();
  };
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !panel || isComposing(event)) return;
    event.stopPropagation();
    close();
  });
  opener.setAttribute("aria-expanded", "false");
  opener.addEventListener("click", () => (panel ? close() : open()));
  box.open = () => { if (!panel) open(); };
  return box;
};

const walk = (event, panel) => { // arrows walk through a list of choices
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const choices = [...panel.querySelectorAll("button.choice:not(:disabled)")];
  const at = choices.indexOf(panel.getRootNode().activeElement);
  if (!step || at < 0) return;
  event.preventDefault();
  event.stopPropagation();
  choices[(at + step + choices.length) % choices.length].focus();
};

/** A dialog above everything. `fill(close)` gives its content; resolves with what it was closed with, null for Esc. */
export const ask = (host, title, fill, { wide = false } = {}) =>
  new Promise((resolve) => {
    const id = `dialog-${Math.random().toString(36).slice(2)}`;
    const box = h("dialog", { class: wide ? "wide" : "", "aria-labelledby": id });
    const close = (value = null) => { box.returned = value; box.close(); };
    const shut = button({ class: "bare", "aria-label": t("close"), onclick: () => close() }, icon("close"));
    box.append(h("header", {}, h("h3", { id }, title), shut), ...[fill(close)].flat());
    box.addEventListener("cancel", (event) => { if (box.dataset.busy) event.preventDefault(); });
    box.addEventListener("keydown", (event) => event.stopPropagation()); // the table's keys are not for here
    box.addEventListener("close", () => { box.remove(); resolve(box.returned ?? null); });
    host.append(box);
    box.showModal();
    box.querySelector("[autofocus]")?.focus();
  });

/** Pieces of a text diff: [["same" | "gone" | "new", text], …]. `only` leaves out the other side. */
export const diff = (pieces, only) =>
  h("div", { class: "diff", dir: "auto" },
    pieces.filter(([op]) => op === "same" || !only || op === only).map(([op, text]) =>
      op === "same" ? h("span", {}, text) : h(op === "new" ? "ins" : "del", {}, h("span", { class: "unseen" }, t(op === "new" ? "diff_new" : "diff_gone")), text)));

/** Parts of a row before and after, one under the other, or in two columns when `sides` names them. */
export const diffParts = (parts, sides) =>
  h("div", { class: sides ? "parts two" : "parts" },
    sides && h("div", { class: "side-names" }, h("b", {}, sides[0]), h("b", {}, sides[1])),
    parts.map((part) =>
      h("div", { class: `part ${part.role ?? ""}` },
        h("span", { class: "who" }, part.label),
        sides ? h("div", { class: "pair" }, diff(part.pieces, "gone"), diff(part.pieces, "new")) : diff(part.pieces))));
