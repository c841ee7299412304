// What a line chart needs that has nothing to do with the page: numbers in, pictures on a canvas. Used by chart.js.
window.studioPlot = (() => {
  const EDGE = { left: 54, right: 14, top: 12, bottom: 26 };
  const FEW = 60; // points up to which each is a dot of its own
  const MANY = 6; // lines from which on they are thin, to be told apart; one pixel is also drawn ten times as fast as two
  const PIECE = 16; // points a stroke: one stroke of a thousand takes a canvas without a GPU six times as long

  // [[x, y | null], …] as two arrays in the order of x; what is no number is a gap.
  const prepared = (points) => {
    const sorted = points.every((point, at) => !at || point[0] >= points[at - 1][0]) ? points : [...points].sort((a, b) => a[0] - b[0]);
    const xs = new Float64Array(sorted.length), ys = new Float64Array(sorted.length);
    sorted.forEach(([x, y], at) => { xs[at] = x; ys[at] = Number.isFinite(y) ? y : NaN; });
    return { xs, ys };
  };

  // Exponential moving average without the pull of its start to zero, as TensorBoard draws it: s_n = Σ w^(n-i) y_i / Σ w^(n-i).
  const smoothed = (ys, weight) => {
    const found = new Float64Array(ys.length);
    let sum = 0, weights = 0;
    for (let at = 0; at < ys.length; at += 1) {
      if (Number.isNaN(ys[at])) { found[at] = NaN; continue; }
      sum = sum * weight + ys[at]; weights = weights * weight + 1;
      found[at] = sum / weights;
    }
    return found;
  };

  // The first index whose x is not below a value.
  const reach = (xs, value) => {
    let low = 0, high = xs.length;
    while (low < high) { const middle = (low + high) >> 1; if (xs[middle] < value) low = middle + 1; else high = middle; }
    return low;
  };
  const behind = (xs, value) => {
    let at = reach(xs, value);
    while (xs[at] === value) at += 1;
    return at;
  };
  const nearest = (xs, value) => {
    const at = reach(xs, value);
    return at > 0 && (at === xs.length || value - xs[at - 1] <= xs[at] - value) ? at - 1 : at;
  };

  const shown = (value) => {
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size >= 1e4 || size < 1e-3) return value.toExponential(1).replace(".0e", "e").replace("e+", "e");
    return String(Number(value.toPrecision(3)));
  };
  // Steps are whole, and a long run has many: 9999, 10,000.
  const place = (x) => (Math.abs(x) < 1e4 ? String(Number(x.toPrecision(6))) : x.toLocaleString("en", { maximumFractionDigits: 0 }));

  const ticks = (low, high, most) => {
    const raw = (high - low || 1) / most;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw * (1 - 1e-9));
    const found = [];
    for (let at = Math.ceil(low / step); at * step <= high + step * 1e-9; at += 1) found.push(Number((at * step).toPrecision(12)));
    return found;
  };
  // 1, 2 and 5 of each decade; fewer where there are many decades, even steps where there is hardly one.
  const logTicks = (low, high, most) => {
    const from = Math.floor(Math.log10(low)), to = Math.ceil(Math.log10(high));
    for (const [factors, stride] of [[[1, 2, 5], 1], [[1], 1], [[1], 2], [[1], 5], [[1], 10], [[1], 50]]) {
      const found = [];
      for (let power = Math.ceil(from / stride) * stride; power <= to; power += stride) {
        for (const factor of factors) found.push(Number(`${factor}e${power}`));
      }
      const inside = found.filter((value) => value >= low && value <= high);
      if (inside.length < 2 && stride === 1 && factors.length > 1) return ticks(low, high, 4).filter((value) => value > 0);
      if (inside.length <= most) return inside;
    }
    return [];
  };

  // What is to be seen: `lines` are {xs, ys, smooth?}; null where there is nothing to see.
  const bounds = (lines, { zoom, log, zero }) => {
    let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
    for (const { xs, ys, smooth } of lines) {
      let [from, to] = zoom ? [reach(xs, zoom[0]), behind(xs, zoom[1])] : [0, xs.length];
      if (from >= to) [from, to] = [Math.max(0, from - 1), Math.min(xs.length, to + 1)]; // a line that only passes through
      for (let at = from; at < to; at += 1) {
        const y = ys[at];
        if (Number.isNaN(y) || (log && y <= 0)) continue;
        if (xs[at] < x0) x0 = xs[at];
        if (xs[at] > x1) x1 = xs[at];
        if (y < y0) y0 = y;
        if (y > y1) y1 = y;
        if (smooth && (!log || smooth[at] > 0)) { if (smooth[at] < y0) y0 = smooth[at]; if (smooth[at] > y1) y1 = smooth[at]; }
      }
    }
    if (!Number.isFinite(x0)) return null;
    if (zoom) [x0, x1] = zoom;
    if (x0 === x1) x1 = x0 + 1;
    if (log) {
      const pad = 10 ** ((Math.log10(y1) - Math.log10(y0)) * 0.08 || 0.05);
      return { x0, x1, y0: y0 / pad, y1: y1 * pad };
    }
    const pad = (y1 - y0) * 0.08 || Math.abs(y1) * 0.1 || 1;
    return { x0, x1, y0: zero ? Math.min(0, y0) : y0 - pad, y1: y1 + pad };
  };

  const scales = (view, width, height, log) => {
    const across = (width - EDGE.left - EDGE.right) / (view.x1 - view.x0), tall = height - EDGE.top - EDGE.bottom;
    const of = log ? Math.log10 : (y) => y;
    const low = of(view.y0), span = of(view.y1) - low;
    return {
      X: (x) => EDGE.left + (x - view.x0) * across,
      Y: (y) => height - EDGE.bottom - ((of(y) - low) / span) * tall,
      at: (px) => view.x0 + (px - EDGE.left) / across,
    };
  };

  // One line. Where points are closer than pixels, a column of pixels shows its first, lowest, highest and last.
  const trace = (context, xs, ys, from, to, { X, Y }, log, columns, piece) => {
    const dense = to - from > columns * 4;
    let pen = false, n = 0, backX = 0, backY = 0;
    const put = (px, y) => {
      const py = Y(y);
      if (pen && (n += 1) % piece === 0) { context.stroke(); context.beginPath(); context.moveTo(backX, backY); }
      if (pen) context.lineTo(px, py); else context.moveTo(px, py);
      pen = true; backX = px; backY = py;
    };
    let column = null, first = 0, low = 0, high = 0, last = 0;
    const flush = () => {
      if (column === null) return;
      put(column, first);
      if (low < first || high > first) { put(column, low); put(column, high); }
      put(column, last);
      column = null;
    };
    context.beginPath();
    for (let at = from; at < to; at += 1) {
      const y = ys[at];
      if (Number.isNaN(y) || (log && y <= 0)) { flush(); pen = false; continue; }
      if (!dense) { put(X(xs[at]), y); continue; }
      const px = Math.round(X(xs[at]));
      if (px !== column) { flush(); column = px; first = low = high = y; }
      if (y < low) low = y;
      if (y > high) high = y;
      last = y;
    }
    flush();
    context.stroke();
  };

  const grid = (context, view, { X, Y }, width, height, log, whole, line, ink) => {
    context.lineWidth = 1; context.strokeStyle = line; context.fillStyle = ink;
    context.textAlign = "right"; context.textBaseline = "middle";
    const most = Math.max(3, Math.floor(height / 34));
    for (const y of log ? logTicks(view.y0, view.y1, most) : ticks(view.y0, view.y1, 4)) {
      context.beginPath(); context.moveTo(EDGE.left, Y(y)); context.lineTo(width - EDGE.right, Y(y)); context.stroke();
      context.fillText(shown(y), EDGE.left - 6, Y(y));
    }
    context.textAlign = "center"; context.textBaseline = "top";
    for (const x of ticks(view.x0, view.x1, Math.max(3, Math.floor(width / 90)))) {
      if (whole && !Number.isInteger(x)) continue; // there is no half step
      const half = context.measureText(place(x)).width / 2;
      context.fillText(place(x), Math.min(X(x), width - half), height - EDGE.bottom + 7);
    }
  };

  // scene = {lines: [{xs, ys, smooth, color, dash, dots}], view, log, whole, marks: [{x, color}], cursor, drag: [px, px], ink, line}
  const paint = (context, width, height, scene) => {
    const { view, log, ink } = scene;
    const scale = scales(view, width, height, log);
    const { X, Y } = scale;
    const bottom = height - EDGE.bottom;
    context.font = "11px system-ui, sans-serif";
    grid(context, view, scale, width, height, log, scene.whole, scene.line, ink);
    context.save();
    context.beginPath(); context.rect(EDGE.left, 0, width - EDGE.left - EDGE.right, height); context.clip();
    const upright = (x, color, dash) => {
      context.strokeStyle = color; context.setLineDash(dash); context.lineWidth = 1;
      context.beginPath(); context.moveTo(X(x), EDGE.top); context.lineTo(X(x), bottom); context.stroke();
      context.setLineDash([]);
    };
    for (const mark of scene.marks) upright(mark.x, mark.color || ink, [2, 4]);
    context.lineJoin = "bevel";
    const wide = scene.lines.length > MANY ? 1 : 2;
    const hair = 1 / context.getTransform().a; // one pixel of the screen
    const inFront = [...scene.lines].sort((a, b) => Boolean(a.dots) - Boolean(b.dots));
    for (const { xs, ys, smooth, color, dash, dots } of inFront) {
      const from = Math.max(0, reach(xs, view.x0) - 1), to = Math.min(xs.length, reach(xs, view.x1) + 2);
      context.strokeStyle = color; context.fillStyle = color;
      context.globalAlpha = smooth ? 0.35 : 1; context.lineWidth = smooth ? hair : wide;
      context.setLineDash(dash ? [6, 4] : []);
      const piece = dash ? Infinity : PIECE; // a dash begins anew with each stroke
      trace(context, xs, ys, from, to, scale, log, width, smooth ? Infinity : piece); // pieces of a faint line would be seen
      context.globalAlpha = 1; context.lineWidth = wide;
      if (smooth) trace(context, xs, smooth, from, to, scale, log, width, piece);
      context.setLineDash([]);
      if (xs.length > FEW || smooth) continue;
      for (let at = from; at < to; at += 1) {
        if (Number.isNaN(ys[at]) || (log && ys[at] <= 0)) continue;
        context.beginPath(); context.arc(X(xs[at]), Y(ys[at]), dots ? 3.5 : 2, 0, 7); context.fill();
      }
    }
    if (scene.cursor !== null) upright(scene.cursor, ink, []);
    if (scene.drag) {
      context.fillStyle = "rgba(99,102,241,.15)";
      context.fillRect(Math.min(...scene.drag), EDGE.top, Math.abs(scene.drag[1] - scene.drag[0]), bottom - EDGE.top);
    }
    context.restore();
    return scale;
  };

  return { prepared, smoothed, reach, behind, nearest, shown, place, ticks, logTicks, bounds, paint };
})();
