// Which token is this? Under the pointer, at a tap, or by the arrow keys: its ids, its place in the row, whose it is, and whether
// it is trained. The words come with the flow of tokens; what people wrote is text here as well.
const tip = document.createElement("div");
tip.className = "token-tip";
tip.setAttribute("role", "status");
let chosen = null;

const tokensOf = (flow) => [...flow.querySelectorAll("[data-ids]")];
const count = (token) => token.dataset.ids.split(" ").length;

const lines = (token) => {
  const flow = token.closest(".token-flow");
  const words = flow.dataset;
  const tokens = tokensOf(flow);
  const first = 1 + tokens.slice(0, tokens.indexOf(token)).reduce((sum, one) => sum + count(one), 0);
  const nth = (count(token) > 1 ? words.several : words.nth).replace("{n}", first).replace("{last}", first + count(token) - 1);
  const marks = ["y", "s", "x"].filter((mark) => token.classList.contains(mark));
  const states = marks.includes("y") ? marks : ["m", ...marks];
  const said = [nth, token.parentNode.dataset.role, ...states.map((state) => words[state])].join(" · ");
  return [["code", token.textContent.replaceAll("\n", "")], ["b", `id ${token.dataset.ids}`], ["span", said]];
};

// Below its token, or above it where the window ends; gone with it when it is scrolled away.
const place = () => {
  if (!chosen) return;
  const box = chosen.getClientRects()[0];
  if (!box || box.bottom < 0 || box.top > innerHeight) { show(null); return; }
  const below = box.bottom + tip.offsetHeight + 12 < innerHeight;
  tip.style.left = `${Math.max(8, Math.min(box.left, document.documentElement.clientWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${below ? box.bottom + 6 : box.top - tip.offsetHeight - 6}px`;
};

const show = (token) => {
  chosen?.classList.remove("at");
  chosen = token;
  if (!token) { tip.remove(); return; }
  token.classList.add("at");
  tip.replaceChildren(...lines(token).map(([tag, words]) => Object.assign(document.createElement(tag), { textContent: words })));
  element.append(tip);
  place();
};

// In the line above or below, the token that begins nearest.
const beside = (tokens, down) => {
  const here = chosen.getClientRects()[0];
  const boxes = tokens.map((token) => ({ token, box: token.getClientRects()[0] }));
  const others = boxes.filter(({ box }) => (down ? box.top >= here.bottom : box.bottom <= here.top));
  const far = ({ box }) => 1_000 * Math.abs(box.top - here.top) + Math.abs(box.left - here.left);
  return others.sort((one, other) => far(one) - far(other))[0]?.token;
};

const next = (key, tokens) => {
  const at = tokens.indexOf(chosen);
  if (key === "Home" || at < 0) return tokens[0];
  if (key === "End") return tokens.at(-1);
  if (key === "ArrowRight") return tokens[at + 1];
  if (key === "ArrowLeft") return tokens[at - 1];
  return beside(tokens, key === "ArrowDown");
};

element.addEventListener("mouseover", ({ target }) => { const token = target.closest("[data-ids]"); if (token) show(token); });
element.addEventListener("click", ({ target }) => show(target.closest("[data-ids]")));
element.addEventListener("mouseleave", () => show(null));
element.addEventListener("focusout", () => show(null));
element.addEventListener("keydown", (event) => {
  const flow = event.target.closest(".token-flow");
  if (!flow || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") show(null);
  if (!/^(Arrow(Up|Down|Left|Right)|Home|End)$/.test(event.key)) return;
  event.preventDefault();
  const token = next(event.key, tokensOf(flow));
  if (!token) return;
  token.scrollIntoView({ block: "nearest" });
  show(token);
});
document.addEventListener("scroll", place, { capture: true, passive: true });
watch("value", () => show(null));
