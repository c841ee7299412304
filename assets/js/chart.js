// A line chart on a canvas: runs once per mount, redraws when `value` changes. components/widgets/chart.py says what a value is.
// What a person has set stays for as long as the browser tab: smoothing, log and hidden lines by chart, zoom by what is shown.
const plot = window.studioPlot;
const figure = element.querySelector("figure.chart");
const [canvas, box, tip] = [".chart-box canvas", ".chart-box", ".chart-tip"].map((name) => figure.querySelector(name));
const [table, tools, flags] = [".chart-table", ".chart-tools", ".chart-marks"].map((name) => figure.querySelector(name));
const slider = tools.querySelector("input");
const [resetButton, logButton] = tools.querySelectorAll("button");
const context = canvas.getContext("2d");
const NEAR = 8; // px within which a point counts as under the cursor
const HOME = `chart:${figure.dataset.chart}`;

const recall = (name, otherwise) => {
  try { return JSON.parse(sessionStorage.getItem(name)) ?? otherwise; } catch { return otherwise; }
};
const keep = (name, what) => {
  try { if (what === null) sessionStorage.removeItem(name); else sessionStorage.setItem(name, JSON.stringify(what)); } catch { /* a private window */ }
};
const make = (tag, className, text) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};

const chosen = { smooth: 0, log: false, hidden: [], ...recall(HOME, {}) };
let data = { series: [] };
let lines = []; // the series, ready to be drawn
let whole = true; // every x is: there is no half step
let range = null; // [lowest x, highest x] of what is shown
let zoomHome = "";
let zoom = null; // [x0, x1]
let drag = null; // [px, px]
let cursor = null; // x under the pointer, or where the arrow keys have moved it
let drawn = null; // the view and the scales of the last picture
let frame = null;

const entryOf = (series) => series.group ?? series.name;
const visible = () => lines.filter((line) => !chosen.hidden.includes(line.entry));
const smooth = () => {
  for (const line of lines) line.smooth = chosen.smooth > 0 && !line.dots ? plot.smoothed(line.ys, chosen.smooth) : null;
};
// A zoom that shows nothing of what is there is kept, and not used.
const zoomed = () => (zoom && range && zoom[0] < range[1] && zoom[1] > range[0] ? zoom : null);

const draw = () => {
  frame = null;
  const { width, height } = canvas.getBoundingClientRect();
  if (!width) return;
  const ratio = window.devicePixelRatio || 1;
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide || canvas.height !== high) { canvas.width = wide; canvas.height = high; }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const style = getComputedStyle(element);
  const ink = style.getPropertyValue("--body-text-color-subdued") || "#666";
  const shown = visible();
  const view = plot.bounds(shown, { zoom: zoomed(), log: chosen.log, zero: data.zero });
  resetButton.hidden = !zoomed();
  if (!view) {
    drawn = null;
    context.font = "11px system-ui, sans-serif"; context.fillStyle = ink; context.textAlign = "center";
    if (shown.length === lines.length) context.fillText(data.empty || "", width / 2, height / 2);
  } else {
    const line = style.getPropertyValue("--border-color-primary") || "#ddd";
    const scene = { lines: shown, view, log: chosen.log, whole, marks: data.marks || [], cursor, drag, ink, line };
    drawn = { view, width, ...plot.paint(context, width, height, scene) };
  }
  for (const flag of flags.children) {
    const x = Number(flag.dataset.x);
    flag.hidden = !drawn || x < drawn.view.x0 || x > drawn.view.x1;
    if (!flag.hidden) flag.style.left = `${drawn.X(x)}px`;
  }
};
const later = () => { frame ??= requestAnimationFrame(draw); };

// --- zoom ---

const setZoom = (wanted) => {
  zoom = wanted;
  if (zoom && range) {
    const least = Math.min(whole ? 2 : (range[1] - range[0]) / 1e6, range[1] - range[0]);
    const middle = Math.min(Math.max((zoom[0] + zoom[1]) / 2, range[0] + least / 2), range[1] - least / 2);
    if (zoom[1] - zoom[0] < least) zoom = [middle - least / 2, middle + least / 2];
    zoom = [Math.max(zoom[0], range[0]), Math.min(zoom[1], range[1])];
    if (zoom[0] <= range[0] && zoom[1] >= range[1]) zoom = null;
  }
  keep(zoomHome, zoom);
  later();
};
const zoomBy = (factor) => {
  if (!drawn) return;
  const { x0, x1 } = drawn.view;
  const centre = cursor !== null && cursor >= x0 && cursor <= x1 ? cursor : (x0 + x1) / 2;
  setZoom([centre - (centre - x0) * factor, centre + (x1 - centre) * factor]);
};

// --- values under the cursor ---

const tell = (x, aloud) => {
  cursor = x;
  later();
  tip.hidden = x === null || !drawn;
  if (tip.hidden) return;
  tip.setAttribute("aria-live", aloud ? "polite" : "off");
  const left = drawn.X(x);
  tip.replaceChildren(make("b", "", `${data.x || "x"} ${plot.place(x)}`));
  for (const line of visible()) {
    const at = plot.nearest(line.xs, x);
    if (at >= line.xs.length || Number.isNaN(line.ys[at]) || Math.abs(drawn.X(line.xs[at]) - left) > NEAR) continue;
    const row = make("div"), dot = make("i");
    dot.style.background = line.color;
    const value = line.smooth ? `${plot.shown(line.smooth[at])} (${plot.shown(line.ys[at])})` : plot.shown(line.ys[at]);
    row.append(dot, `${line.group && line.group !== line.name ? `${line.group} · ` : ""}${line.name} ${value}`);
    if (line.xs[at] !== x) row.append(make("small", "", ` ${data.x || "x"} ${plot.place(line.xs[at])}`));
    tip.append(row);
  }
  for (const mark of data.marks || []) {
    if (Math.abs(drawn.X(mark.x) - left) <= NEAR / 2) tip.append(make("div", "", mark.text));
  }
  const wide = tip.offsetWidth, beside = left + 12 + wide < drawn.width ? left + 12 : left - 12 - wide;
  tip.style.left = `${Math.max(0, beside)}px`;
};

const nearestX = (px) => {
  if (!drawn) return null;
  let best = null;
  for (const { xs } of visible()) {
    if (!xs.length) continue;
    const x = xs[plot.nearest(xs, drawn.at(px))];
    if (best === null || Math.abs(drawn.X(x) - px) < Math.abs(drawn.X(best) - px)) best = x;
  }
  return best;
};

const stepCursor = (way) => {
  if (!drawn) return;
  const { x0, x1 } = drawn.view;
  const from = cursor ?? (way > 0 ? x0 - 1e-9 : x1 + 1e-9);
  let next = null;
  for (const { xs } of visible()) {
    const at = way > 0 ? plot.behind(xs, from) : plot.reach(xs, from) - 1;
    if (at < 0 || at >= xs.length) continue;
    if (next === null || (way > 0 ? xs[at] < next : xs[at] > next)) next = xs[at];
  }
  if (next === null) return;
  if (zoomed() && (next < x0 || next > x1)) { // the part that is shown goes along
    const by = next < x0 ? next - x0 : next - x1;
    setZoom([x0 + by, x1 + by]);
    draw();
  }
  tell(next, true);
};

const offset = (event) => event.clientX - canvas.getBoundingClientRect().left;
canvas.addEventListener("pointermove", (event) => {
  if (drag) drag[1] = offset(event);
  tell(nearestX(offset(event)), false);
});
canvas.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  drag = [offset(event), offset(event)];
  canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener("pointerup", (event) => {
  const [from, to] = drag ? [Math.min(...drag), Math.max(...drag)] : [0, 0];
  drag = null;
  if (drawn && to - from > 12) setZoom([drawn.at(from), drawn.at(to)]);
  else if (event.pointerType === "touch") tell(nearestX(offset(event)), false);
  later();
});
canvas.addEventListener("pointercancel", () => { drag = null; tell(null, false); }); // the page is scrolled
canvas.addEventListener("pointerleave", (event) => { if (!drag && event.pointerType !== "touch") tell(null, false); });
canvas.addEventListener("blur", () => tell(null, false));
canvas.addEventListener("dblclick", () => setZoom(null));
canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const act = {
    ArrowLeft: () => stepCursor(-1), ArrowRight: () => stepCursor(1),
    "+": () => zoomBy(0.5), "=": () => zoomBy(0.5), "-": () => zoomBy(2), "−": () => zoomBy(2),
    0: () => setZoom(null), Escape: () => setZoom(null),
  }[event.key];
  if (act) { event.preventDefault(); act(); }
});

// --- tools, legend, marks ---

const showTools = () => {
  const words = data.words || {};
  tools.querySelector("label span").textContent = words.smooth || "";
  logButton.textContent = words.log || "";
  resetButton.textContent = words.reset || "";
  tools.hidden = !words.reset;
  logButton.setAttribute("aria-pressed", String(chosen.log));
  slider.value = chosen.smooth;
  tools.querySelector("output").textContent = Number(chosen.smooth).toFixed(2);
};
const choose = (what) => { Object.assign(chosen, what); keep(HOME, chosen); smooth(); showTools(); later(); };
slider.addEventListener("input", () => { choose({ smooth: Number(slider.value) }); });
logButton.addEventListener("click", () => choose({ log: !chosen.log }));
resetButton.addEventListener("click", () => { setZoom(null); canvas.focus(); });

// The legend, and the same numbers for people who read with a screen reader: the last value of each series.
const describe = () => {
  const entries = new Map();
  for (const line of lines) entries.set(line.entry, [...(entries.get(line.entry) || []), line]);
  const rows = [...entries].map(([entry, members]) => {
    const row = make("li"), dot = make("i");
    const name = make(entries.size > 1 ? "button" : "span", "", "");
    dot.style.background = members[0].color;
    name.append(dot, entry);
    if (entries.size > 1) {
      name.type = "button"; name.dataset.entry = entry;
      name.setAttribute("aria-pressed", String(!chosen.hidden.includes(entry)));
    }
    const told = members.map((line) => {
      const at = line.ys.findLastIndex((y) => !Number.isNaN(y));
      return at < 0 ? null : `${line.name === entry ? "" : `${line.name} `}${plot.shown(line.ys[at])} (${data.x || "x"} ${plot.place(line.xs[at])})`;
    }).filter(Boolean);
    row.append(name, told.length ? `: ${told.join(" · ")}` : "");
    return row;
  });
  replace(table, rows, "entry");
};
table.addEventListener("click", (event) => {
  const entry = event.target.closest("button")?.dataset.entry;
  if (entry === undefined) return;
  const hidden = chosen.hidden.includes(entry);
  choose({ hidden: hidden ? chosen.hidden.filter((name) => name !== entry) : [...chosen.hidden, entry] });
  measure();
  describe();
});
// Marks that can be pressed are the page's own kind of button (`data-press` in shell.js), so keys and screen readers reach them.
const flagUp = () => {
  const pressed = (data.marks || []).filter((mark) => mark.press).sort((a, b) => a.x - b.x);
  replace(flags, pressed.map((mark) => {
    const flag = make("button", "chart-mark");
    flag.type = "button"; flag.title = mark.text; flag.setAttribute("aria-label", mark.text);
    Object.assign(flag.dataset, { x: mark.x, press: mark.press, key: `${mark.x} ${mark.wish ?? ""}` });
    if (mark.wish !== undefined) flag.dataset.wish = mark.wish;
    if (mark.color) flag.style.color = mark.color;
    return flag;
  }), "key");
};
// A page that looks again every few seconds takes no button from under somebody's finger or focus.
const replace = (list, rows, key) => {
  const sign = rows.map((row) => row.outerHTML).join("");
  if (list.studioSign === sign) return;
  const held = list.contains(document.activeElement) ? document.activeElement.dataset[key] : undefined;
  list.replaceChildren(...rows);
  list.studioSign = sign;
  if (held !== undefined) [...list.querySelectorAll("button")].find((button) => button.dataset[key] === held)?.focus();
};

const measure = () => { // the range of what is shown
  range = null;
  for (const { xs } of visible()) {
    if (xs.length) range = [Math.min(range?.[0] ?? Infinity, xs[0]), Math.max(range?.[1] ?? -Infinity, xs[xs.length - 1])];
  }
};
const update = () => {
  data = (typeof props.value === "object" && props.value) || { series: [] };
  lines = (data.series || []).map((series) => ({ ...series, entry: entryOf(series), ...plot.prepared(series.points) }));
  const home = `${HOME}:${data.key ?? JSON.stringify(lines.map((line) => line.name))}`;
  if (home !== zoomHome && lines.length) { zoomHome = home; zoom = recall(home, null); cursor = null; tip.hidden = true; }
  whole = lines.every(({ xs }) => xs.every(Number.isInteger));
  smooth(); measure(); showTools(); describe(); flagUp();
  if (cursor === null) later(); else { draw(); tell(cursor, false); }
};

new ResizeObserver(later).observe(canvas);
const shade = new MutationObserver(() => { if (canvas.isConnected) later(); else shade.disconnect(); });
shade.observe(document.body, { attributes: true, attributeFilter: ["class"] });
watch("value", update);
update();
