// Keeps an open page through an outage. A killed web server, a lost network, a laptop that slept look the same from here:
//   the page's requests wait while nobody answers and are sent when somebody does, so Gradio never hears of it;
//     one that broke on its way may be carried out twice: whatever writes is the same when done twice (CONTRACTS 4, 10)
//   a banner says what is going on, and nothing can be pressed meanwhile
//   what went wrong in an event outside Gradio's queue is said, because Gradio does not
//   afterwards the present tab is opened again. The page is loaded again only when it was made by another build, or when an
//     event went down with the server: Gradio would wait for its end for ever. What was typed is put back.
// Every answer of the server carries X-Studio: <build>.<instance>.
(() => {
  const QUIET_MS = 5_000; // nothing heard for so long: the page asks
  const AGAIN_MS = 1_500; // between two questions while nobody answers
  const PATIENCE_MS = 8_000; // an answer that takes longer is none
  const TRIES = 3; // of a request that breaks again and again although the studio answers
  const NOBODY = [502, 504]; // what a proxy says in the place of a server that is gone
  const KEPT = "studio-typed";

  const words = window.studioWords;
  const send = window.fetch.bind(window);
  const later = () => { let resolve; const promise = new Promise((done) => { resolve = done; }); return { promise, resolve }; };
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const buildOf = (instance) => instance.split(".")[0];

  let known = null; // the instance that this page talks with
  let heardAt = Date.now();
  let away = null; // while nobody answers
  let stale = false; // an event went down with the server
  let asking = false;

  const banner = document.createElement("div");
  banner.id = "studio-away";
  banner.setAttribute("role", "status");
  const complaints = document.createElement("div");
  complaints.id = "studio-complaints";
  complaints.setAttribute("role", "alert");
  document.body.append(banner, complaints);

  // The session has ended (signed out elsewhere, or too old): the login leads back to this very place.
  const signIn = () => { keepTyped(); location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`); };

  // 1 Going and coming back

  const lost = () => {
    away ??= later();
    ask();
  };

  const ask = async () => {
    if (asking) return;
    asking = true;
    for (;;) {
      try {
        const answer = await send("/alive", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
        if (answer.status === 401) { signIn(); return; }
        if (answer.ok && answer.headers.has("X-Studio")) { asking = false; heard(answer); return; }
      } catch { /* nobody there */ }
      away ??= later();
      banner.textContent = words.away;
      await pause(AGAIN_MS);
      if (document.hidden) await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
    }
  };

  const heard = (answer) => {
    const instance = answer.headers.get("X-Studio");
    if (!instance) return;
    heardAt = Date.now();
    if (stale || (known && buildOf(instance) !== buildOf(known))) { keepTyped(); location.reload(); return; }
    const another = known !== null && instance !== known;
    known = instance;
    if (away || another) reopen();
  };

  const reopen = () => {
    if (banner.textContent) {
      banner.textContent = words.back;
      setTimeout(() => { if (!away) banner.textContent = ""; }, 2_500);
    }
    away?.resolve();
    away = null;
    window.studio?.reopen();
  };

  const look = () => { if (!document.hidden && !away) ask(); };
  setInterval(() => { if (Date.now() - heardAt > QUIET_MS) look(); }, 1_000);
  document.addEventListener("visibilitychange", look);
  for (const name of ["online", "offline", "pageshow"]) window.addEventListener(name, look);
  // A part of the page that could not be loaded is not asked for a second time by the browser.
  window.addEventListener("vite:preloadError", () => { stale = true; lost(); });

  // 2 Requests

  window.fetch = async (input, options) => {
    const url = new URL(input.url ?? input, location.href);
    if (url.origin !== location.origin) return send(input, options);
    const signal = options?.signal ?? input.signal;
    const follows = url.pathname.endsWith("/queue/data"); // an event that another request has begun
    for (let tries = 1; ; tries += 1) {
      if (away && follows) return missed();
      while (away) await away.promise;
      try {
        const answer = await send(input, options);
        if (answer.status === 401) { signIn(); return new Promise(() => {}); }
        if (!NOBODY.includes(answer.status) || tries >= TRIES) {
          heard(answer);
          if (answer.status === 500) complain(answer.clone());
          return follows && answer.body ? whole(answer, signal) : answer;
        }
      } catch (error) {
        if (signal?.aborted || tries >= TRIES) throw error;
      }
      if (follows) return missed();
      lost();
    }
  };

  // Gradio says nothing of an event outside its queue that failed (6.31: its message comes without "visible").
  const complain = async (answer) => {
    const said = await answer.json().catch(() => ({}));
    if (!said.error) return;
    const plain = new DOMParser().parseFromString(said.error, "text/html").documentElement.textContent; // it comes escaped
    const same = [...complaints.children].find((shown) => shown.firstChild.textContent === plain);
    if (same) { same.animate([{ opacity: 0.3 }, { opacity: 1 }], 400); return; }
    const box = document.createElement("div");
    const text = document.createElement("p");
    text.textContent = plain;
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "×";
    close.setAttribute("aria-label", words.close);
    close.addEventListener("click", () => box.remove());
    box.append(text, close);
    complaints.append(box);
  };

  // The next try makes the last complaint old.
  document.addEventListener("click", (event) => { if (event.target.closest?.("#main-tabs button")) complaints.replaceChildren(); }, true);

  // The end of an event was missed: nothing is said of it until the page is loaded again.
  const missed = () => {
    stale = true;
    lost();
    return new Promise(() => {});
  };

  // A stream of events that comes to its end, or is missed.
  const whole = (answer, signal) => {
    const reader = answer.body.getReader();
    const decoder = new TextDecoder();
    let tail = "";
    const body = new ReadableStream({
      pull: async (sink) => {
        try {
          const { done, value } = await reader.read();
          if (!done) { tail = (tail + decoder.decode(value, { stream: true })).slice(-200); sink.enqueue(value); return; }
          if (tail.includes("close_stream")) { sink.close(); return; }
        } catch (error) {
          if (signal?.aborted) { sink.error(error); return; }
        }
        await missed();
      },
      cancel: (reason) => reader.cancel(reason),
    });
    return new Response(body, { status: answer.status, headers: answer.headers });
  };

  // 3 People meanwhile

  // What is pressed now would happen at some later time, to somebody who looks elsewhere by then.
  document.addEventListener("click", (event) => {
    if (!away || !banner.textContent || !event.target.closest?.("#main-tabs button:not([role=tab]):not(.label-wrap)")) return;
    event.preventDefault();
    event.stopPropagation();
    banner.animate([{ opacity: 0.3 }, { opacity: 1 }], 400);
  }, true);

  const FIELDS = ":is(textarea, input[type=text], input[type=number]):not([role])";
  const typed = new Set();
  document.addEventListener("input", (event) => { if (event.target.matches?.(`#main-tabs ${FIELDS}`)) typed.add(event.target); });

  const keepTyped = () => {
    const kept = {};
    for (const field of typed) {
      const block = field.isConnected && field.value && field.closest("[id]:not([id^=component-])");
      if (block && block !== field) kept[block.id] = field.value;
    }
    sessionStorage.setItem(KEPT, JSON.stringify(kept));
  };

  // Called when the page's tab has been opened; fields of tabs that nobody opens again are let go.
  const putBack = () => {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) || "{}");
    sessionStorage.removeItem(KEPT);
    for (const [id, value] of Object.entries(kept)) {
      const field = document.querySelector(`#${CSS.escape(id)} ${FIELDS}`);
      if (!field) continue;
      field.value = value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
  };
  window.studioAlive = { putBack };
})();
