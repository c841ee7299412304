// What the rows panel asks of the server, and what the address bar says.
//   A refusal carries its words in the reader's language and the field at fault.
//   A write carries an id: sent twice over a poor line (alive.js repeats what broke), it is done once.

export class Refused extends Error {
  constructor(status, { error = {}, ...others } = {}) {
    super(error.text ?? window.studioWords.rows.no_answer);
    this.status = status;
    this.key = error.key ?? "";
    this.field = error.field ?? "";
    this.body = others;
  }
}

export const newId = () => { // crypto.randomUUID is not there on plain http
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
};

const call = async (path, options) => {
  const answer = await fetch(path, { cache: "no-store", ...options });
  const isJson = (answer.headers.get("content-type") ?? "").includes("json");
  const told = isJson ? await answer.json() : {};
  if (!answer.ok) throw new Refused(answer.status, told.detail ? { error: { text: told.detail } } : told);
  return told;
};

const query = (values) => {
  const filled = Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return filled.length ? `?${new URLSearchParams(filled)}` : "";
};

export const api = (dataset) => {
  const home = `/data/${encodeURIComponent(dataset)}`;
  const get = (what, values = {}, options = {}) => call(`${home}/${what}${query(values)}`, options);
  const post = (what, body = {}) => call(`${home}/${what}`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
  return {
    rows: (values, signal) => get("rows", values, { signal }),
    count: (values, signal) => get("count", values, { signal }),
    row: (id) => get(`row/${id}`),
    tokens: (id) => get(`row/${id}/tokens`),
    save: (id, changes) => post(`row/${id}`, { changes }),
    add: (row, after, requestId) => post("add", { row, after, request_id: requestId }),
    preview: (spec) => post("bulk/preview", spec),
    apply: (spec, requestId) => post("bulk/apply", { ...spec, request_id: requestId }),
    job: (id) => get(`job/${id}`),
    stop: (id) => post(`job/${id}/stop`),
    step: (what, revision, requestId) => post(what, { revision, request_id: requestId }), // undo, redo
    restore: (number, requestId) => post("restore", { number, request_id: requestId }),
    name: (number, name) => post("name", { number, name }),
    history: (before) => get("history", { before }),
    compare: (older, newer, after) => get("compare", { older, newer, after }),
    others: () => get("others"),
  };
};

// --- the address bar ---------------------------------------------------------------------------------------------------

/** Names of the filter in the address; as the server knows them. */
export const FILTERS = ["text", "regex", "kind", "role", "split", "tag", "topic", "origin", "flagged", "edited", "min_chars", "max_chars", "finding", "waiting"];
const SHORT = { text: "q", min_chars: "min", max_chars: "max" };
const VIEWS = ["history", "compare"]; // others are not of this panel
const PLACE = ["sort", "after", "before", "at"];

const nameOf = (name) => SHORT[name] ?? name;

export const readAddress = () => {
  const given = new URL(location).searchParams;
  const filter = {};
  for (const name of FILTERS) if (given.get(nameOf(name))) filter[name] = given.get(nameOf(name));
  const place = {};
  for (const name of PLACE) if (given.get(name)) place[name] = given.get(name);
  const pick = (name) => given.get(name) ?? "";
  const view = VIEWS.includes(pick("view")) ? pick("view") : "";
  const isReview = pick("view") === "review";
  if (isReview) filter.waiting = "true";
  return { filter, place, row: pick("row"), view, isReview, older: pick("older"), newer: pick("newer") };
};

/** Changes of the address; "" takes a name away. `replace` leaves no step for the browser's Back. */
export const writeAddress = (changes, { replace = false } = {}) => {
  const target = new URL(location);
  target.searchParams.set("tab", "data");
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value === null || value === undefined) target.searchParams.delete(nameOf(name));
    else target.searchParams.set(nameOf(name), value);
  }
  if (target.search === location.search) return;
  history[replace ? "replaceState" : "pushState"]({}, "", target.pathname + target.search);
};

export const linkOf = (changes) => {
  const target = new URL(location);
  for (const [name, value] of Object.entries(changes)) target.searchParams.set(nameOf(name), value);
  return target.pathname + target.search;
};

export const NO_PLACE = { after: "", before: "", at: "" };
