// The page: what is selected, what is asked of the program and when, and the table of runs.

import { sample } from "./chart.js";
import { html, name, replace, svg } from "./element.js";
import { duration, isShare, moment, number, written } from "./scale.js";
import { currentLanguage, figureName, setLanguage, word } from "./words.js";
import * as views from "./views.js";

const VIEWS = ["curves", "settings", "confusion", "predictions", "machine", "events"];
const OVER = ["epoch", "minutes", "step"];
const THEMES = ["auto", "light", "dark"];
const PAUSE_MS = 2000;
const SELECTED_AT_FIRST = 3;

const state = {
  selected: null,
  view: "curves",
  x: "epoch",
  smoothing: 0,
  log: false,
  train: true,
  valid: true,
  differences: true,
  mistakes: true,
  zoom: null,
  filter: "",
  sort: "started",
  down: true,
  theme: "auto",
  lang: (navigator.language ?? "").startsWith("zh") ? "zh" : "en",
};

const known = { folder: "", runs: null, details: new Map(), machine: null, lost: false };
/** The colours of the selected runs: each keeps its own for as long as it is selected. */
const looks = new Map();
const charts = { curves: new views.Charts(zoomed), machine: new views.Charts(zoomed) };

function zoomed(range) {
  change({ zoom: range });
}

// What is chosen is in the address, so that it can be kept and sent. A theme or a language may also
// be given before it: /?theme=dark&lang=zh.
function readAddress() {
  const given = [location.search.slice(1), location.hash.slice(1)].flatMap((part) => [...new URLSearchParams(part)]);
  for (const [key, value] of given) {
    if (key === "runs") state.selected = value ? value.split("/") : [];
    else if (key === "view" && VIEWS.includes(value)) state.view = value;
    else if (key === "x" && OVER.includes(value)) state.x = value;
    else if (key === "theme" && THEMES.includes(value)) state.theme = value;
    else if (key === "lang") state.lang = value;
    else if (key === "smoothing") state.smoothing = Math.min(0.99, Math.max(0, Number(value) || 0));
    else if (["log", "train", "valid", "differences", "mistakes"].includes(key)) state[key] = value === "1";
  }
}

function writeAddress() {
  const chosen = new URLSearchParams();
  for (const key of ["view", "x", "theme", "lang", "smoothing"]) chosen.set(key, state[key]);
  for (const key of ["log", "train", "valid", "differences", "mistakes"]) chosen.set(key, state[key] ? "1" : "0");
  // A folder's name cannot have a slash in it: it separates them.
  if (state.selected) chosen.set("runs", state.selected.join("/"));
  history.replaceState(null, "", `${location.pathname}#${chosen}`);
}

function change(changed) {
  // A range of epochs says nothing over minutes.
  const axis = ("x" in changed && changed.x !== state.x) || ("view" in changed && changed.view !== state.view);
  Object.assign(state, axis ? { zoom: null } : {}, changed);
  writeAddress();
  draw();
  if ("selected" in changed) refresh();
}

async function ask(path) {
  const answer = await fetch(path);
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

/** Asks for what may have changed. */
async function refresh() {
  const list = await ask("/api/runs");
  [known.folder, known.runs] = [list.folder, list.runs];
  const newest = [...known.runs].sort((a, b) => (b.updated ?? 0) - (a.updated ?? 0));
  state.selected ??= newest.slice(0, SELECTED_AT_FIRST).map((run) => run.name);
  const wanted = known.runs.filter((run) => state.selected.includes(run.name));
  await Promise.all(wanted.map(async (run) => {
    const before = known.details.get(run.name);
    if (before?.updated === run.updated && before?.state === run.state && before?.report === run.report) return;
    const details = await ask(`/api/runs/${encodeURIComponent(run.name)}`);
    if (details) known.details.set(run.name, details);
  }));
  if (state.view === "machine") known.machine = await ask("/api/machine");
}

let drawn = "";

async function watch() {
  for (;;) {
    try {
      await refresh();
      known.lost = false;
    } catch {
      known.lost = true;
    }
    // Nothing is drawn anew while nothing is new: what is read or pointed at stays.
    const now = JSON.stringify([known.folder, known.runs, known.lost, known.machine, [...known.details.values()].map((run) => run.updated)]);
    if (now !== drawn) draw();
    drawn = now;
    await new Promise((resume) => setTimeout(resume, document.hidden ? 5 * PAUSE_MS : PAUSE_MS));
  }
}

/** Gives a free colour to each run that has none. */
function giveLooks() {
  const selected = state.selected ?? [];
  for (const own of looks.keys()) if (!selected.includes(own)) looks.delete(own);
  for (const own of selected) {
    if (looks.has(own)) continue;
    const taken = [...looks.values()];
    let free = 0;
    while (taken.includes(free)) free++;
    looks.set(own, free);
  }
}

function button(id, label, pressed, onclick) {
  return html("button", { id, type: "button", "aria-pressed": String(pressed), onclick }, label);
}

function header() {
  const theme = html("select", { id: "theme", onchange: (event) => change({ theme: event.target.value }) },
    THEMES.map((own) => html("option", { value: own, selected: own === state.theme }, word(`theme_${own}`))));
  return html("header", {},
    html("h1", {}, "Gradus ", html("span", {}, word("title", known.folder))),
    html("div", { class: "controls" },
      html("label", { class: "control" }, word("theme"), theme),
      html("button", { id: "language", type: "button", onclick: () => change({ lang: state.lang === "zh" ? "en" : "zh" }) }, word("language"))));
}

/** The figures of the table: of the last epoch, and of the test. */
function columns(runs) {
  const last = new Set(runs.flatMap((run) => Object.keys(run.last ?? {})));
  const figures = [...last].filter((key) => /^valid_/.test(key) || (/^train_loss$/.test(key) && !last.has("valid_loss")));
  const tests = new Set(runs.flatMap((run) => Object.keys(run.result ?? {}).filter((key) => /^test_/.test(key))));
  return [
    ...figures.slice(0, 3).map((key) => ({ key, label: figureName(key), share: isShare(key), of: (run) => number(run.last?.[key]) })),
    ...[...tests].slice(0, 3).map((key) => ({ key, label: word("test", figureName(key.slice(5))), share: isShare(key), of: (run) => number(run.result?.[key]) })),
  ];
}

const BY = {
  run: (run) => known.runs.indexOf(run),
  state: (run) => run.state,
  epochs: (run) => run.done,
  time: (run) => run.seconds,
  started: (run) => run.started ?? 0,
};

function table() {
  if (known.runs === null) return null;
  if (known.runs.length === 0) {
    return html("div", { class: "nothing" }, html("p", {}, word("no_runs")), html("p", {}, word("how_to"), " ", html("code", {}, "gradus train digits")));
  }
  const matching = known.runs.filter((run) => run.name.toLowerCase().includes(state.filter.toLowerCase()));
  const figures = columns(known.runs);
  const by = BY[state.sort] ?? figures.find((column) => column.key === state.sort)?.of ?? BY.started;
  const sorted = [...matching].sort((a, b) => {
    const [first, second] = [by(a), by(b)];
    if (Number.isNaN(first) || Number.isNaN(second)) return Number.isNaN(first) - Number.isNaN(second);
    const order = first < second ? -1 : first > second ? 1 : 0;
    return state.down ? -order : order;
  });
  const head = (key, label) => {
    const own = state.sort === key;
    const sort = () => change({ sort: key, down: own ? !state.down : true });
    return html("th", { scope: "col", "aria-sort": own ? (state.down ? "descending" : "ascending") : null },
      html("button", { id: `sort-${key}`, type: "button", onclick: sort }, label, own ? (state.down ? " ↓" : " ↑") : ""));
  };
  const heads = [...Object.keys(BY).slice(0, 3), ...figures, "time", "started"].map((column) =>
    typeof column === "string" ? head(column, word(column)) : head(column.key, column.label));
  return [
    html("label", { class: "control filter" }, word("filter"),
      html("input", { id: "filter", type: "search", value: state.filter, oninput: (event) => change({ filter: event.target.value }) })),
    html("div", { class: "scroll runs", id: "runs", tabindex: "0", role: "region", "aria-label": word("run") },
      html("table", { class: "plain" },
        html("thead", {}, html("tr", {}, heads, html("th", { scope: "col" }, word("report")))),
        html("tbody", {}, sorted.map((run) => row(run, figures))))),
    sorted.length === 0 ? html("p", { class: "note" }, word("no_match")) : null,
  ];
}

function row(run, figures) {
  const chosen = state.selected.includes(run.name);
  const toggle = () => change({ selected: chosen ? state.selected.filter((own) => own !== run.name) : [...state.selected, run.name] });
  const look = chosen ? `chosen look-${looks.get(run.name) % 6}` : null;
  const wanted = number(run.config?.epochs ?? run.config?.recipe?.run?.epochs);
  const done = Number.isFinite(wanted) ? `${run.done} / ${wanted}` : String(run.done);
  const id = `run-${run.name}`;
  return html("tr", { class: look },
    html("th", { scope: "row" }, html("label", {},
      html("input", { id, type: "checkbox", checked: chosen, "aria-label": word("show", run.name), onchange: toggle }),
      html("span", { class: "dot", "aria-hidden": "true" }), name(run.name))),
    html("td", { class: `state ${run.state}` }, stateMark(run.state), word(run.state)),
    html("td", { class: "figure" }, done),
    figures.map((column) => html("td", { class: "figure" }, written(column.of(run), column.share))),
    html("td", { class: "figure" }, duration(run.seconds)),
    html("td", { class: "figure" }, moment(run.started)),
    html("td", {}, run.report ? html("a", { href: `/report/${encodeURIComponent(run.name)}`, target: "_blank", rel: "noopener" }, word("report")) : "–"));
}

/** A triangle that plays, a tick, or a square. */
function stateMark(own) {
  const path = { running: "M2 1l8 5l-8 5z", finished: "M1 6l3.5 4L11 2", stopped: "M2 2h8v8h-8z" }[own];
  return svg("svg", { class: "state-mark", width: 12, height: 12, "aria-hidden": "true" }, svg("path", { d: path }));
}

function tabs() {
  return html("nav", { class: "tabs", "aria-label": word("views") },
    VIEWS.map((view) => html("button", {
      id: `view-${view}`,
      type: "button",
      "aria-current": view === state.view ? "page" : null,
      onclick: () => change({ view }),
    }, word(view))));
}

function controls() {
  if (!["curves", "machine"].includes(state.view)) return null;
  const check = (key, label, mark) => html("label", { class: "control" },
    html("input", { id: key, type: "checkbox", checked: state[key], onchange: (event) => change({ [key]: event.target.checked }) }), mark ?? null, word(label));
  const smoothing = html("label", { class: "control" }, word("smoothing"),
    html("input", { id: "smoothing", type: "range", min: 0, max: 0.99, step: 0.01, value: state.smoothing, oninput: (event) => change({ smoothing: Number(event.target.value) }) }),
    html("output", { for: "smoothing" }, state.smoothing.toFixed(2)));
  const over = html("div", { class: "control", role: "group", "aria-label": word("by") }, word("by"),
    OVER.map((x) => button(`x-${x}`, word(`by_${x}`), state.x === x, () => change({ x }))));
  const curves = state.view === "curves";
  return html("div", { class: "controls" }, curves ? over : null, smoothing,
    curves ? [check("log", "log_axis"), check("train", "train", sample({ dashed: true })), check("valid", "valid", sample({}))] : null,
    state.zoom ? html("button", { id: "whole", type: "button", onclick: () => change({ zoom: null }) }, word("whole")) : null);
}

function content() {
  const runs = (state.selected ?? []).filter((own) => known.runs?.some((run) => run.name === own))
    .map((own) => known.details.get(own)).filter(Boolean)
    .map((run) => ({ ...run, look: looks.get(run.name) }));
  if (runs.length === 0) return known.runs?.length > 0 ? html("p", { class: "nothing" }, word("none_selected")) : null;
  switch (state.view) {
    case "settings": return views.settings(runs, state, change);
    case "confusion": return views.confusion(runs);
    case "predictions": return views.predictions(runs, state, change);
    case "machine": return views.machine(runs, state, charts.machine, known.machine);
    case "events": return views.events(runs);
    default: return views.curves(runs, state, charts.curves);
  }
}

function draw() {
  giveLooks();
  if (state.lang !== currentLanguage()) setLanguage(state.lang);
  if (state.theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = state.theme;
  document.title = `Gradus – ${word("title", known.folder)}`;
  const lost = known.lost ? html("p", { class: "lost", role: "alert" }, word("lost")) : null;
  const page = document.getElementById("page");
  replace(page, header(), lost, html("main", {}, html("section", { class: "table" }, table()), tabs(), controls(), html("section", { class: "view" }, content())));
}

readAddress();
addEventListener("hashchange", () => {
  readAddress();
  draw();
});
draw();
watch();
