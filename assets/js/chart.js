// A line chart on a canvas: runs once per mount, redraws when `value` changes, keeps its zoom.
// value = {series: [{name, color, points: [[x, y|null], …], dots}], x, empty, zero, marks: [{x, text}]}
const canvas = element.querySelector("canvas");
const tip = element.querySelector(".chart-tip");
const table = element.querySelector(".chart-table");
const context = canvas.getContext("2d");
const EDGE = { left: 54, right: 14, top: 12, bottom: 26 };
let zoom = null; // [x0, x1] chosen by dragging
let drag = null;
let frame = null;

const data = () => (typeof props.value === "object" && props.value) || { series: [] };
const shown = (value) => {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e4 || size < 1e-3) return value.toExponential(1).replace("e+", "e");
  return String(Number(value.toPrecision(3)));
};

const ticks = (low, high, most) => {
  const span = high - low || 1;
  const raw = span / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) found.push(at);
  return found;
};

const bounds = () => {
  let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const series of data().series) {
    for (const [x, y] of series.points) {
      if (y === null || (zoom && (x < zoom[0] || x > zoom[1]))) continue;
      x0 = Math.min(x0, x); x1 = Math.max(x1, x); y0 = Math.min(y0, y); y1 = Math.max(y1, y);
    }
  }
  if (!Number.isFinite(x0)) return null;
  if (zoom) [x0, x1] = zoom;
  if (x0 === x1) x1 = x0 + 1;
  const pad = (y1 - y0) * 0.08 || Math.abs(y1) * 0.1 || 1;
  return { x0, x1, y0: data().zero ? 0 : y0 - pad, y1: y1 + pad };
};

const draw = () => {
  frame = null;
  const box = canvas.getBoundingClientRect();
  if (!box.width) return;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = box.width * ratio; canvas.height = box.height * ratio;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const style = getComputedStyle(element);
  const ink = style.getPropertyValue("--body-text-color-subdued") || "#666";
  const line = style.getPropertyValue("--border-color-primary") || "#ddd";
  context.clearRect(0, 0, box.width, box.height);
  context.font = "11px system-ui, sans-serif";
  const view = bounds();
  if (!view) {
    context.fillStyle = ink; context.textAlign = "center";
    context.fillText(data().empty || "", box.width / 2, box.height / 2);
    return;
  }
  const X = (x) => EDGE.left + ((x - view.x0) / (view.x1 - view.x0)) * (box.width - EDGE.left - EDGE.right);
  const Y = (y) => box.height - EDGE.bottom - ((y - view.y0) / (view.y1 - view.y0)) * (box.height - EDGE.top - EDGE.bottom);
  context.lineWidth = 1; context.strokeStyle = line; context.fillStyle = ink;
  context.textAlign = "right"; context.textBaseline = "middle";
  for (const y of ticks(view.y0, view.y1, 4)) {
    context.beginPath(); context.moveTo(EDGE.left, Y(y)); context.lineTo(box.width - EDGE.right, Y(y)); context.stroke();
    context.fillText(shown(y), EDGE.left - 6, Y(y));
  }
  context.textAlign = "center"; context.textBaseline = "top";
  for (const x of ticks(view.x0, view.x1, Math.max(3, Math.floor(box.width / 90)))) {
    if (Number.isInteger(x)) context.fillText(shown(x), X(x), box.height - EDGE.bottom + 7); // there is no half step
  }
  context.save();
  context.beginPath(); context.rect(EDGE.left, 0, box.width - EDGE.left - EDGE.right, box.height); context.clip();
  context.strokeStyle = ink; context.setLineDash([2, 4]);
  for (const { x } of data().marks || []) {
    context.beginPath(); context.moveTo(X(x), EDGE.top); context.lineTo(X(x), box.height - EDGE.bottom); context.stroke();
  }
  context.setLineDash([]);
  for (const series of data().series) {
    context.strokeStyle = series.color; context.fillStyle = series.color; context.lineWidth = 2; context.lineJoin = "round";
    context.beginPath();
    let pen = false;
    for (const [x, y] of series.points) {
      if (y === null) { pen = false; continue; }
      if (pen) context.lineTo(X(x), Y(y)); else context.moveTo(X(x), Y(y));
      pen = true;
    }
    context.stroke();
    if (series.points.length <= 60) {
      for (const [x, y] of series.points) {
        if (y === null) continue;
        context.beginPath(); context.arc(X(x), Y(y), series.dots ? 3.5 : 2, 0, 7); context.fill();
      }
    }
  }
  if (drag) {
    context.fillStyle = "rgba(99,102,241,.15)";
    context.fillRect(Math.min(drag[0], drag[1]), EDGE.top, Math.abs(drag[1] - drag[0]), box.height - EDGE.top - EDGE.bottom);
  }
  context.restore();
  canvas.studioView = { view, X, Y, box };
};

const later = () => { frame ??= requestAnimationFrame(draw); };

const nearest = (event) => {
  const state = canvas.studioView;
  if (!state) return null;
  const left = event.clientX - canvas.getBoundingClientRect().left;
  let best = null;
  for (const series of data().series) {
    for (const [x] of series.points) {
      const far = Math.abs(state.X(x) - left);
      if (!best || far < best.far) best = { x, far };
    }
  }
  return best && best.x;
};

canvas.addEventListener("pointermove", (event) => {
  const left = event.clientX - canvas.getBoundingClientRect().left;
  if (drag) { drag[1] = left; later(); }
  const x = nearest(event);
  if (x === null) { tip.hidden = true; return; }
  tip.replaceChildren();
  const head = document.createElement("b");
  head.textContent = `${data().x || "x"} ${x}`;
  tip.append(head);
  for (const series of data().series) {
    const point = series.points.find((item) => item[0] === x);
    if (!point || point[1] === null) continue;
    const row = document.createElement("div");
    const dot = document.createElement("i");
    dot.style.background = series.color;
    row.append(dot, `${series.name} ${shown(point[1])}`);
    tip.append(row);
  }
  for (const mark of (data().marks || []).filter((item) => item.x === x)) {
    const row = document.createElement("div");
    row.textContent = mark.text;
    tip.append(row);
  }
  tip.hidden = false;
  const width = canvas.getBoundingClientRect().width;
  tip.style.left = `${Math.min(Math.max(0, left + 12), Math.max(0, width - tip.offsetWidth - 4))}px`;
});
canvas.addEventListener("pointerdown", (event) => {
  const left = event.clientX - canvas.getBoundingClientRect().left;
  drag = [left, left];
  canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener("pointerup", () => {
  const state = canvas.studioView;
  if (drag && state && Math.abs(drag[1] - drag[0]) > 12) {
    const span = state.box.width - EDGE.left - EDGE.right;
    const at = (px) => state.view.x0 + ((px - EDGE.left) / span) * (state.view.x1 - state.view.x0);
    zoom = [at(Math.min(...drag)), at(Math.max(...drag))];
  }
  drag = null; later();
});
canvas.addEventListener("dblclick", () => { zoom = null; later(); });
canvas.addEventListener("pointerleave", () => { tip.hidden = true; });

// The same numbers for people who read with a screen reader: the last value of each series.
const describe = () => {
  table.replaceChildren();
  for (const series of data().series) {
    const last = [...series.points].reverse().find((point) => point[1] !== null);
    if (!last) continue;
    const row = document.createElement("li");
    const dot = document.createElement("i");
    dot.style.background = series.color;
    row.append(dot, `${series.name}: ${shown(last[1])} (${data().x || "x"} ${last[0]})`);
    table.append(row);
  }
};
const update = () => { later(); describe(); };

new ResizeObserver(later).observe(canvas);
new MutationObserver(later).observe(document.body, { attributes: true, attributeFilter: ["class"] });
watch("value", update);
update();
