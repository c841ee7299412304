// Which token is this? Under the pointer, at a tap, or with the arrow keys: its ids, its place in the row, whose it is.
const tip = document.createElement("div");
tip.className = "token-tip";
tip.setAttribute("role", "status");
const all = (flow) => [...flow.querySelectorAll("[data-ids]")];
const idsOf = (token) => token.dataset.ids.split(" ");
let chosen = null;

const lines = (token) => {
  const flow = token.closest(".token-flow");
  const before = all(flow).slice(0, all(flow).indexOf(token)).reduce((sum, one) => sum + idsOf(one).length, 0);
  const words = flow.dataset;
  const marks = ["y", "s", "x"].filter((mark) => token.classList.contains(mark));
  const said = [token.parentNode.dataset.role, ...(marks.includes("y") ? [] : [words.m]), ...marks.map((mark) => words[mark])];
  const n = idsOf(token).length;
  const nth = (n > 1 ? words.several : words.nth).replace("{n}", before + 1).replace("{last}", before + n);
  return [["code", token.textContent.replace("\n", "")], ["b", `id ${idsOf(token).join(" ")}`], ["span", `${nth} · ${said.join(" · ")}`]];
};

const show = (token) => {
  chosen?.classList.remove("at");
  chosen = token;
  if (!token) { tip.remove(); return; }
  token.classList.add("at");
  tip.replaceChildren(...lines(token).map(([tag, words]) => Object.assign(document.createElement(tag), { textContent: words })));
  element.append(tip);
  const box = token.getClientRects()[0];
  const under = box.bottom + tip.offsetHeight + 12 < innerHeight;
  tip.style.left = `${Math.max(8, Math.min(box.left, document.documentElement.clientWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${under ? box.bottom + 6 : box.top - tip.offsetHeight - 6}px`;
};

// The token whose middle is nearest to this one's, in the line above or below.
const beside = (token, tokens, down) => {
  const { left, top, height } = token.getClientRects()[0];
  const boxes = tokens.map((one) => [one, one.getClientRects()[0]]);
  const others = boxes.filter(([, box]) => (down ? box.top > top + height / 2 : box.top < top - height / 2));
  const far = ([, box]) => Math.abs(box.top - top) * 1000 + Math.abs(box.left - left);
  return others.sort((one, other) => far(one) - far(other))[0]?.[0];
};

const step = (key, tokens) => {
  const at = tokens.indexOf(chosen);
  if (key === "Home" || at < 0) return tokens[0];
  if (key === "End") return tokens.at(-1);
  if (key === "ArrowRight") return tokens[at + 1];
  if (key === "ArrowLeft") return tokens[at - 1];
  return beside(chosen, tokens, key === "ArrowDown");
};

element.addEventListener("mouseover", (event) => { const token = event.target.closest("[data-ids]"); if (token) show(token); });
element.addEventListener("click", (event) => show(event.target.closest("[data-ids]")));
element.addEventListener("mouseleave", () => show(null));
element.addEventListener("focusout", () => show(null));
element.addEventListener("keydown", (event) => {
  const flow = event.target.closest(".token-flow");
  if (!flow || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") show(null);
  if (!/^(Arrow|Home$|End$)/.test(event.key)) return;
  event.preventDefault();
  const next = step(event.key, all(flow));
  if (!next) return;
  next.scrollIntoView({ block: "nearest" });
  show(next);
});
addEventListener("scroll", (event) => { if (!event.target.contains?.(tip) || !chosen) return; const box = chosen.getBoundingClientRect(); if (box.bottom < 0 || box.top > innerHeight) show(null); }, { passive: true, capture: true });
watch("value", () => show(null));
