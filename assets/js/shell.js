// The page's own script: the address bar is the truth about what is shown (CONTRACTS 10).
//   studio.go(link)    move: write the address bar, show the tab, let it read its ids
//   studio.write(link) the same for what is shown already: the address bar alone
//   studio.boot()      after load: show what the address bar asks for
//   studio.reopen()    after an outage: let the present tab read its ids again
// Anchors with `data-go` move inside the page; opened in a new browser tab they are plain links.
(() => {
  const DEFAULT_TAB = document.documentElement.dataset.tab || "data";
  // What the rows panel writes (js/data/rows-api.js): of one dataset, and of no use to another.
  const OF_ROWS = "q regex kind role split tag topic origin flagged edited min max sort after before at row view older newer check found finding".split(" ");
  let ready = false;
  let selecting = false;
  const isNarrow = matchMedia("(max-width: 640px)");
  let reveal = null; // id of what a click asked for: brought into view when it arrives

  const theme = localStorage.getItem("studio-theme") || "auto";
  const isDark = (name) => name === "dark" || (name === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  const applyTheme = (name) => document.body.classList.toggle("dark", isDark(name));

  const current = () => new URL(location).searchParams.get("tab") || DEFAULT_TAB;
  const open = (tab) => document.getElementById(`open-${tab}`)?.click();

  // Gradio mounts its tab bar some time after load: try until the wanted tab is the selected one.
  const select = (tab, tries = 120) => {
    const button = document.querySelector(`#main-tabs [role=tab][data-tab-id="${CSS.escape(tab)}"]`);
    if (button && button.getAttribute("aria-selected") === "true") { selecting = false; return; }
    selecting = true;
    button?.click();
    if (tries > 0) setTimeout(() => select(tab, tries - 1), 50); else selecting = false;
  };

  const reopen = () => open(current());
  const show = () => { select(current()); open(current()); };

  // The ids of a link go into the address bar; the page shows them already.
  const write = (link) => {
    const wanted = new URL(link, location.href).searchParams;
    const target = new URL(location);
    if (wanted.has("dataset") && wanted.get("dataset") !== target.searchParams.get("dataset")) {
      for (const name of OF_ROWS) target.searchParams.delete(name);
    }
    for (const [name, value] of wanted) {
      if (value) target.searchParams.set(name, value); else target.searchParams.delete(name);
    }
    if (target.search !== location.search) history.pushState({}, "", target.pathname + target.search);
    return wanted;
  };

  const go = (link) => {
    if (!link) return;
    const wanted = write(link);
    show();
    if (wanted.get("dataset") && !wanted.get("row")) reveal = "dataset-head";
    if (wanted.get("draft")) reveal = "inspection";
    if (isNarrow.matches && wanted.get("tab") === "runs" && (wanted.get("run") || wanted.get("sweep"))) reveal = "run-state";
    if (wanted.get("row")) reveal = "data-detail";
  };

  // A tab that a person selects by its button.
  const picked = (tab) => {
    if (!ready || selecting) return;
    const target = new URL(location);
    if (target.searchParams.get("tab") !== tab) {
      target.searchParams.set("tab", tab);
      history.pushState({}, "", target);
    }
    open(tab);
  };

  const boot = () => {
    applyTheme(theme);
    select(current());
    setTimeout(() => { ready = true; open(current()); writeTimes(); }, 50);
    setTimeout(window.studioAlive.putBack, 1500);
  };

  const setLang = (lang) => {
    document.cookie = `studio_lang=${lang};path=/;max-age=31536000;samesite=lax`;
    location.reload();
  };
  const setTheme = (name) => { localStorage.setItem("studio-theme", name); applyTheme(name); };

  // Times are written in the reader's zone; again after an update, which leaves them as the server sends them: empty.
  const writeTimes = () => {
    for (const node of document.querySelectorAll("time[datetime]")) {
      if (node.textContent && node.dataset.written === node.dateTime) continue;
      const moment = new Date(node.dateTime);
      if (Number.isNaN(moment.valueOf())) continue;
      const isToday = "short" in node.dataset && moment.toDateString() === new Date().toDateString();
      const how = isToday ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" };
      node.textContent = moment.toLocaleString(document.documentElement.lang, how);
      node.dataset.written = node.dateTime;
    }
  };
  let writing = null;
  new MutationObserver(() => {
    const asked = reveal && document.getElementById(reveal);
    if (asked) { reveal = null; asked.scrollIntoView({ block: isNarrow.matches ? "start" : "nearest", behavior: "smooth" }); }
    for (const chosen of document.querySelectorAll(".finding-list a.chosen:not([data-shown])")) { // drawn anew, the strip begins at its left
      chosen.dataset.shown = "true";
      chosen.closest("ul").scrollLeft = chosen.offsetLeft - chosen.closest("ul").offsetLeft - 16;
    }
    writing ??= requestAnimationFrame(() => { writing = null; writeTimes(); });
  }).observe(document.body, { childList: true, characterData: true, subtree: true });

  // What cannot be taken back is asked about first.
  document.addEventListener("click", (event) => {
    const sure = window.studioWords.sure[event.target.closest?.("button[id]")?.id];
    if (!sure || confirm(sure)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);

  document.addEventListener("click", (event) => {
    const anchor = event.target.closest?.("a[data-go]");
    if (anchor && !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0) {
      event.preventDefault();
      go(anchor.getAttribute("href"));
      return;
    }
    const chosen = event.target.closest?.("[data-set-lang]");
    if (chosen) setLang(chosen.dataset.setLang);
    const shade = event.target.closest?.("[data-toggle-theme]");
    if (shade) setTheme(document.body.classList.contains("dark") ? "light" : "dark");
    const copied = event.target.closest?.("[data-copy]");
    if (copied) copy(copied);
    const press = event.target.closest?.("[data-press]");
    if (press) pressFor(press);
  });

  // A button inside drawn words stands for one of the page's own, and may name what it means: in the panel's box for wishes.
  const pressFor = ({ dataset: { press, wish } }) => {
    const box = wish && document.querySelector(`#${CSS.escape(press.split("-")[0])}-wish textarea`);
    if (box) {
      box.value = wish;
      box.dispatchEvent(new Event("input", { bubbles: true }));
    }
    const meant = document.getElementById(press);
    if (meant?.matches("summary")) { // what is folded opens, and comes into view
      meant.parentElement.open = true;
      meant.parentElement.scrollIntoView({ block: "center", behavior: "smooth" });
    } else setTimeout(() => meant?.click(), box ? 50 : 0); // Gradio takes the value first
  };

  // The clipboard is closed to pages on plain http: the text is selected there, ready for Ctrl+C.
  const copy = async (button) => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.dataset.copied = "true";
    } catch {
      getSelection().selectAllChildren(button.previousElementSibling);
    }
  };

  // An example question fills the box and waits to be sent.
  document.addEventListener("click", (event) => {
    const example = event.target.closest?.("[data-fill]");
    const box = example && document.querySelector(`#${CSS.escape(example.dataset.fill)} textarea`);
    if (!box) return;
    box.value = example.textContent.trim();
    box.dispatchEvent(new Event("input", { bubbles: true }));
    box.focus();
  });

  // Enter sends the question, Shift+Enter is a new line; not while an input method composes.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    if (event.target.closest?.("#chat-question textarea")) {
      event.preventDefault();
      document.getElementById("chat-send")?.click();
    }
  });

  window.addEventListener("popstate", show);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    applyTheme(localStorage.getItem("studio-theme") || "auto");
  });
  window.studio = { go, write, picked, boot, reopen, setLang, setTheme };
  applyTheme(theme);
})();
