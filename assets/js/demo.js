// The page of a demo link. Its words are in the page; here is what moves.
//   One request at a time: what the guest wants done, in its order, else a look at the conversation.
//   What was lost on its way is sent again until somebody answers: a question carries an id, so it is asked once.
//   Every answer of the server is the whole conversation; what is on screen already is only added to.
(() => {
  const LOOK_MS = 500; // between two looks while an answer grows
  const AWAY_MS = [500, 1_000, 2_000, 3_000]; // between two tries while nobody answers
  const PATIENCE_MS = 10_000; // an answer that takes longer is none
  const WAKING_MS = 3_000; // without a first word for so long, a model is being loaded
  const CHANGE_MS = 600; // Send has just become Stop: a double click is no wish to stop
  const NEAR_PX = 80; // so close to the end, the page follows it
  const KEPT = `studio-demo:${location.pathname}`;
  const GONE = [502, 504]; // what a proxy says in the place of a server that is away

  const the = (id) => document.getElementById(id);
  const [talk, turns, form, question, send] = ["talk", "turns", "composer", "question", "send"].map(the);
  const onDesk = matchMedia("(hover: hover) and (pointer: fine)");

  let chat = null; // as last heard
  let wanted = []; // [{what, body}], still to be done
  let tries = 0; // in vain, one after the other
  let isShut = false;
  let isStale = false; // something was refused: perhaps the conversation is not what this page thinks
  let isAsking = false;
  let follows = true; // the guest is at the end and wants to stay there
  let movedAt = 0;
  let timer = 0;
  const silentSince = new Map(); // answer id -> when it was first seen without a word

  // 1 The draft, kept for this tab

  const draft = { text: "", asked: null }; // asked: {question, request_id}, until the server has taken it

  const keep = () => {
    draft.text = question.value;
    try { sessionStorage.setItem(KEPT, JSON.stringify(draft)); } catch { /* a browser that keeps nothing */ }
  };

  const remember = () => {
    try { Object.assign(draft, JSON.parse(sessionStorage.getItem(KEPT))); } catch { /* as above */ }
    question.value = draft.text;
  };

  const newId = () => { // crypto.randomUUID is not there on plain http
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  };

  // 2 Talking with the server

  class Refused extends Error {}

  const call = async (what, body) => {
    const ending = new AbortController();
    const patience = setTimeout(() => ending.abort(), PATIENCE_MS);
    const post = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    try {
      const answer = await fetch(what, { ...post, cache: "no-store", signal: ending.signal });
      const isJson = (answer.headers.get("content-type") ?? "").includes("json");
      if (GONE.includes(answer.status) || (answer.ok && !isJson)) throw new Error("nobody there");
      if (answer.status === 404 && !isJson) throw new Error("a tunnel without a server"); // says so in HTML
      const told = isJson ? await answer.json() : {};
      if (answer.status === 404) { shut(); return null; }
      if (!answer.ok) throw new Refused(told.error ?? the("wrong").dataset.unwell);
      return told;
    } finally {
      clearTimeout(patience);
    }
  };

  const step = async () => {
    clearTimeout(timer);
    if (isAsking || isShut) return;
    isAsking = true;
    const wish = wanted[0];
    try {
      const told = await call(wish?.what ?? "chat", wish?.body);
      if (wish) done(wish);
      if (told) show(told);
      tries = 0;
      isStale = false;
    } catch (error) {
      if (!(error instanceof Refused)) tries += 1;
      else if (wish) { tries = 0; isStale = true; done(wish, error.message); }
      else tries += 1; // a look that was refused is repeated as one that was lost
    }
    isAsking = false;
    draw();
    later();
  };

  const done = (wish, refusal = "") => {
    wanted = wanted.filter((other) => other !== wish);
    if (refusal) say(refusal);
    if (wish.what !== "ask") return;
    if (refusal) return; // the same words keep their id: an error may hide that they were asked
    question.value = "";
    draft.asked = null;
    follows = true;
    keep();
    grow();
  };

  const later = () => {
    clearTimeout(timer);
    if (isShut) return;
    if (tries) timer = setTimeout(step, AWAY_MS[Math.min(tries, AWAY_MS.length) - 1]);
    else if (wanted.length || isStale) timer = setTimeout(step, 0);
    else if (chat?.moving && !document.hidden) timer = setTimeout(step, LOOK_MS);
  };

  const want = (what, body = {}) => {
    wanted.push({ what, body });
    say("");
    draw();
    step();
  };

  const shut = () => { // for good: what has been said stays
    isShut = true;
    wanted = [];
    the("shut").textContent = the("shut").dataset.words;
    form.hidden = true;
    say("");
  };

  // 3 What is on screen

  const fromTemplate = (id) => the(id).content.firstElementChild.cloneNode(true);

  const write = (node, text) => { // adds, so that what somebody has selected stays selected
    const words = text.trim();
    const old = node.textContent;
    if (words === old) return;
    if (old && words.startsWith(old)) node.firstChild.appendData(words.slice(old.length));
    else node.textContent = words;
  };

  const show = (told) => {
    const isNew = told.turns.length > (chat?.turns.length ?? 0);
    const wasRunning = new Set(chat?.turns.flatMap((turn) => turn.answers).filter((one) => one.state === "running").map((one) => one.id));
    if (chat && chat.moving !== told.moving) movedAt = performance.now();
    chat = told;
    const finished = [];
    const left = new Map([...turns.children].map((node) => [node.dataset.key, node]));
    told.turns.forEach((turn, at) => {
      const key = turn.answers[0]?.id ?? String(at);
      const node = left.get(key) ?? turns.appendChild(fromTemplate("turn"));
      left.delete(key);
      node.dataset.key = key;
      write(node.querySelector(".question .words"), turn.question);
      for (const answer of turn.answers) {
        showAnswer(node.querySelector(".answers"), answer);
        if (wasRunning.has(answer.id) && answer.state !== "running") finished.push(answer.id);
      }
      node.querySelector(".go-on").hidden = !told.can_go_on || at < told.turns.length - 1;
    });
    for (const node of left.values()) node.remove();
    if (isNew || told.moving || !told.turns.length) the("said").textContent = "";
    if (finished.length) the("said").textContent = finished.map((id) => heardOf(the(id))).join("\n");
    if (isNew) follows = true;
    follow();
  };

  const heardOf = (node) => [...node.querySelectorAll("h3, .words, .note")].map((part) => part.textContent.trim()).filter(Boolean).join("\n");

  const showAnswer = (list, answer) => {
    let node = the(answer.id);
    if (!node) {
      node = list.appendChild(fromTemplate("answer"));
      node.id = answer.id;
      const title = node.querySelector("h3");
      title.id = `${answer.id}-title`;
      title.querySelector(".badge").textContent = answer.label;
      title.classList.toggle("unseen", !answer.label);
      node.querySelector(".thumbs").setAttribute("aria-labelledby", title.id);
    }
    const isRunning = answer.state === "running";
    write(node.querySelector(".words"), answer.text);
    const note = node.querySelector(".note");
    note.hidden = !answer.note;
    note.textContent = answer.note;
    note.classList.toggle("bad", answer.state === "failed");
    node.querySelector(".dots").hidden = !isRunning;
    node.querySelector(".thumbs").hidden = isRunning || !answer.text.trim();
    node.querySelector(".foot").hidden = !isRunning && !answer.text.trim();
    const mine = wanted.findLast((wish) => wish.body.answer_id === answer.id)?.body.value ?? answer.thumb ?? 0;
    for (const button of node.querySelectorAll(".thumbs button")) button.setAttribute("aria-pressed", String(Number(button.dataset.value) === mine));
    if (isRunning && !answer.text) silentSince.set(answer.id, silentSince.get(answer.id) ?? performance.now());
    else silentSince.delete(answer.id);
  };

  const draw = () => {
    const isMoving = Boolean(chat?.moving);
    const isSending = wanted.some((wish) => wish.what === "ask");
    const [sends, stops] = send.children;
    sends.hidden = isMoving;
    stops.hidden = !isMoving;
    send.classList.toggle("quiet", isMoving);
    send.disabled = isMoving ? wanted.some((wish) => wish.what === "stop") : isSending || !chat || !question.value.trim();
    question.readOnly = isSending;
    the("empty").hidden = !chat || chat.turns.length > 0;
    the("again").hidden = isShut || !chat?.turns.length;
    the("away").hidden = tries < 2 || isShut;
    const isAwake = chat?.turns.at(-1)?.answers.some((answer) => answer.text);
    const silent = !isAwake && [...silentSince.values()].some((since) => performance.now() - since > WAKING_MS);
    the("waking").hidden = !silent || !isMoving || !the("away").hidden;
    follow(); // notices take some height
    if (!isShut) return;
    for (const button of document.querySelectorAll(".turn button")) button.disabled = true;
    for (const dots of document.querySelectorAll(".turn .dots")) dots.hidden = true;
  };

  const say = (words) => {
    if (the("wrong").textContent !== words) the("wrong").textContent = words;
    the("wrong").hidden = !words;
  };

  // 4 Height and place

  const atEnd = () => talk.scrollHeight - talk.scrollTop - talk.clientHeight < NEAR_PX;

  const follow = () => {
    if (follows) talk.scrollTop = talk.scrollHeight;
    the("down").hidden = atEnd();
  };

  const grow = () => { // the style sheet says how far
    question.style.height = "auto";
    question.style.height = `${question.scrollHeight + question.offsetHeight - question.clientHeight}px`;
    follow();
  };

  const fit = () => { // a phone's keyboard covers the page instead of making it shorter
    const seen = window.visualViewport;
    if (!seen || seen.scale > 1.01) return;
    const covered = window.innerHeight - seen.height > 60;
    document.documentElement.style.setProperty("--height", covered ? `${seen.height}px` : "100dvh");
    if (covered) window.scrollTo(0, 0);
    follow();
  };

  // 5 What the guest does

  const ask = () => {
    const words = question.value.trim();
    if (!words || !chat || chat.moving || wanted.some((wish) => wish.what === "ask")) return;
    if (draft.asked?.question !== words) draft.asked = { question: words, request_id: newId() };
    keep();
    movedAt = performance.now();
    if (!onDesk.matches) question.blur();
    want("ask", draft.asked);
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!chat?.moving) ask();
    else if (performance.now() - movedAt > CHANGE_MS) {
      want("stop");
      if (onDesk.matches) question.focus(); // the button has nothing to do for a moment, and would lose it
    }
  });

  question.addEventListener("keydown", (event) => {
    const composing = event.isComposing || event.keyCode === 229; // Enter chooses a Chinese word; Safari says 229
    if (event.key !== "Enter" || event.shiftKey || composing || !onDesk.matches) return;
    event.preventDefault();
    ask();
  });

  question.addEventListener("input", () => { keep(); say(""); grow(); draw(); });

  turns.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.classList.contains("go-on")) { button.hidden = true; send.focus({ preventScroll: true }); want("go-on"); return; }
    const value = button.getAttribute("aria-pressed") === "true" ? 0 : Number(button.dataset.value);
    for (const other of button.parentElement.children) other.setAttribute("aria-pressed", String(Number(other.dataset.value) === value));
    want("thumb", { answer_id: button.closest(".answer").id, value });
  });

  the("again").addEventListener("click", () => {
    if (!confirm(the("again").dataset.sure)) return;
    want("new");
    if (onDesk.matches) question.focus();
  });

  the("down").addEventListener("click", () => { follows = true; follow(); });
  talk.addEventListener("scroll", () => { follows = atEnd(); the("down").hidden = follows; }, { passive: true });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) step(); });
  window.addEventListener("online", step);
  window.addEventListener("pageshow", (event) => { if (event.persisted) step(); });
  window.addEventListener("resize", grow);
  window.visualViewport?.addEventListener("resize", fit);

  if (location.search) history.replaceState(null, "", location.pathname); // the language is in a cookie by now
  remember();
  grow();
  if (onDesk.matches) question.focus();
  step();
})();
