// What is shown of the selected runs. Each view takes the runs (details with their `look`) and the
// state of the page, and gives elements.

import { Chart } from "./chart.js";
import { html, name, svg } from "./element.js";
import { gibibytes, isShare, moment, number, ticks, written } from "./scale.js";
import { figureName, hasWord, word } from "./words.js";

/** A region that scrolls by itself, also by keys. */
function scrolling(id, label, ...content) {
  return html("div", { class: "scroll", id, tabindex: "0", role: "region", "aria-label": label }, content);
}

function nothing(text) {
  return html("p", { class: "nothing" }, text);
}

/** The points of a column over another. */
function points(columns, x, y) {
  const xs = typeof x === "function" ? x(columns) : (columns[x] ?? []).map(number);
  return (columns[y] ?? []).map((value, row) => [xs[row], value === null ? NaN : number(value)])
    .filter((_, row) => columns[y][row] !== null);
}

/** Minutes since the start, by the seconds of the epochs. */
function minutes(columns) {
  let sum = 0;
  return (columns.seconds ?? columns.epoch ?? []).map((seconds) => (sum += number(seconds) || 0) / 60);
}

/** Minutes since the first line, by the clock. */
function clock(columns) {
  const times = (columns.time ?? []).map(number);
  return times.map((time) => (time - times[0]) / 60);
}

/** Charts that stay the same elements while their lines change, by name. */
export class Charts {
  constructor(zoom) {
    this.zoom = zoom;
    this.charts = new Map();
  }

  /** The charts of figures, each given as `[name, lines]`. */
  show(figures, options) {
    const nodes = figures.map(([figure, lines]) => {
      if (!this.charts.has(figure)) this.charts.set(figure, new Chart(this.zoom));
      const chart = this.charts.get(figure);
      chart.show(lines, { ...options, title: LOAD.includes(figure) ? word(figure) : figureName(figure), share: isShare(figure) });
      return chart.node;
    });
    return html("div", { class: "charts" }, nodes);
  }
}

const FIRST = ["loss", "accuracy"];
const LOAD = ["samples_per_s", "cpu_share", "memory_bytes"];
const NO_FIGURE = ["epoch", "step", "time", ...LOAD];

function ordered(figures) {
  const rank = (figure) => {
    const known = FIRST.indexOf(figure);
    if (known >= 0) return known;
    return figure === "learning_rate" ? 98 : figure === "seconds" ? 99 : 10;
  };
  return [...figures].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

export function curves(runs, state, charts) {
  const steps = state.x === "step";
  const figures = new Map();
  for (const run of runs) {
    const columns = (steps ? run.steps : run.epochs) ?? {};
    const x = { epoch: "epoch", minutes, step: "step" }[state.x];
    for (const column of Object.keys(columns)) {
      if (NO_FIGURE.includes(column)) continue;
      const [, whose, figure] = /^(train|valid)_(.*)$/.exec(column) ?? [null, null, column];
      if ((whose === "train" && !state.train) || (whose === "valid" && !state.valid)) continue;
      const label = whose && runs.length === 1 ? word(whose) : whose ? `${run.name} ${word(whose)}` : run.name;
      const line = { name: label, look: run.look, dashed: whose === "train", points: points(columns, x, column) };
      if (!figures.has(figure)) figures.set(figure, []);
      figures.get(figure).push(line);
    }
  }
  if (figures.size === 0) return [nothing(word(steps ? "no_steps" : "no_curves"))];
  const found = ordered(figures.keys()).map((figure) => [figure, figures.get(figure)]);
  const options = { x: word(state.x), log: state.log, smoothing: state.smoothing, range: state.zoom };
  return [charts.show(found, options), html("p", { class: "note" }, word("zoom_hint"))];
}

/** Settings within settings as one list, by names with dots. */
function flat(value, path = "", found = {}) {
  if (value !== null && typeof value === "object" && !Array.isArray(value)) {
    for (const [key, inner] of Object.entries(value)) flat(inner, path ? `${path}.${key}` : key, found);
  } else if (path) {
    found[path] = typeof value === "string" ? value : JSON.stringify(value);
  }
  return found;
}

export function settings(runs, state, change) {
  const all = runs.map((run) => flat(run.config));
  const keys = [...new Set(all.flatMap(Object.keys))];
  const differs = (key) => all.some((own) => own[key] !== all[0][key]);
  const shown = runs.length > 1 && state.differences ? keys.filter(differs) : keys;
  const rows = shown.map((key) =>
    html("tr", { class: runs.length > 1 && differs(key) ? "differs" : null },
      html("th", { scope: "row" }, name(key, 60)),
      all.map((own) => html("td", {}, key in own ? name(own[key], 80) : "–"))));
  const heads = runs.map((run) => html("th", { scope: "col" }, name(run.name)));
  const toggle = runs.length > 1
    ? html("label", { class: "control" },
        html("input", { id: "differences", type: "checkbox", checked: state.differences, onchange: (event) => change({ differences: event.target.checked }) }),
        word("only_differences"))
    : html("p", { class: "note" }, word("one_run"));
  const recipes = runs.filter((run) => run.recipe).map((run) =>
    html("details", {}, html("summary", {}, word("recipe", run.name)), html("pre", {}, run.recipe)));
  const table = shown.length > 0
    ? scrolling("settings-table", word("settings"), html("table", { class: "plain" },
        html("thead", {}, html("tr", {}, html("th", { scope: "col" }, word("setting")), heads)),
        html("tbody", {}, rows)))
    : nothing(word("no_differences"));
  return [toggle, table, recipes];
}

const MOST_CLASSES = 30;

export function confusion(runs) {
  return runs.map((run) => {
    const matrix = run.confusion;
    if (!isMatrix(matrix)) return part(run, nothing(word("no_confusion", run.name)));
    const { classes, counts } = matrix;
    const total = counts.flat().reduce((a, b) => a + b, 0);
    const right = classes.reduce((sum, _, index) => sum + counts[index][index], 0);
    const mistakes = classes.map((_, own) =>
      counts[own].reduce((sum, count, other) => (other === own ? sum : sum + count + counts[other][own]), 0));
    const indices = classes.map((_, index) => index);
    const shown = indices.sort((a, b) => mistakes[b] - mistakes[a] || a - b).slice(0, MOST_CLASSES).sort((a, b) => a - b);
    const most = Math.max(1, ...counts.map((row, truth) => Math.max(0, ...row.filter((_, guess) => guess !== truth))));
    const head = html("tr", {}, html("th", { scope: "col" }, `${word("truth")} ↓ ${word("guess")} →`),
      shown.map((index) => html("th", { scope: "col" }, name(classes[index], 12))),
      html("th", { scope: "col", class: "rate" }, word("recall")));
    const rows = shown.map((truth) => html("tr", {}, html("th", { scope: "row" }, name(classes[truth], 16)),
      shown.map((guess) => cell(classes, counts, truth, guess, most)),
      html("td", { class: "rate" }, recall(counts[truth], truth))));
    const share = total > 0 ? written(right / total, true) : "–";
    return part(run,
      html("p", {}, word("right_of", right, total, share)),
      shown.length < classes.length ? html("p", { class: "note" }, word("shown_classes", shown.length, classes.length)) : null,
      scrolling(`confusion-${run.name}`, `${word("confusion")}: ${run.name}`,
        html("table", { class: "confusion" }, html("thead", {}, head), html("tbody", {}, rows))));
  });
}

function isMatrix(matrix) {
  const size = matrix?.classes?.length;
  return size > 0 && Array.isArray(matrix.counts) && matrix.counts.length === size
    && matrix.counts.every((row) => Array.isArray(row) && row.length === size && row.every((count) => count >= 0));
}

function cell(classes, counts, truth, guess, most) {
  const count = counts[truth][guess];
  if (truth === guess) return html("td", { class: "right" }, String(count));
  if (count === 0) return html("td", { class: "none" }, "0");
  const title = word("taken_for", classes[truth], classes[guess], count);
  return html("td", { style: `--heat:${Math.sqrt(count / most).toFixed(2)}`, title }, String(count));
}

function recall(row, own) {
  const all = row.reduce((a, b) => a + b, 0);
  return all > 0 ? ((100 * row[own]) / all).toFixed(1) : "–";
}

/** The part of a view that is about one run. */
function part(run, ...content) {
  return html("section", { class: `part look-${run.look % 6}` },
    html("h3", {}, html("span", { class: "dot", "aria-hidden": "true" }), name(run.name)), content);
}

const MOST_SHOWN = 120;

export function predictions(runs, state, change) {
  const toggle = html("label", { class: "control" },
    html("input", { id: "mistakes", type: "checkbox", checked: state.mistakes, onchange: (event) => change({ mistakes: event.target.checked }) }),
    word("mistakes_only"));
  return [toggle, runs.map((run) => {
    const samples = run.predictions?.samples;
    if (!Array.isArray(samples) || samples.length === 0) return part(run, nothing(word("no_predictions", run.name)));
    if (samples.every(({ truth, guess }) => typeof truth === "number" && typeof guess === "number")) {
      const kinds = [...new Set(samples.map(({ of }) => String(of ?? "")))];
      return part(run, kinds.map((kind) => [
        kind ? html("h4", {}, name(kind)) : null,
        scatter(run, samples.filter(({ of }) => String(of ?? "") === kind)),
      ]));
    }
    const wrong = (sample) => sample.truth !== undefined && sample.truth !== null && sample.truth !== sample.guess;
    const shown = samples.filter((sample) => !state.mistakes || sample.truth === undefined || wrong(sample)).slice(0, MOST_SHOWN);
    return part(run,
      html("p", { class: "note" }, word("kept", samples.length, run.predictions.total ?? samples.length)),
      shown.length === 0 ? nothing(word("no_mistakes"))
        : html("ul", { class: samples.some((sample) => sample.png) ? "samples pictures" : "samples" },
            shown.map((sample) => prediction(sample, wrong(sample)))));
  })];
}

function prediction(sample, wrong) {
  const shown = [];
  // Base64 has these characters only: nothing else becomes part of an address.
  if (typeof sample.png === "string" && /^[A-Za-z0-9+/=]+$/.test(sample.png)) {
    shown.push(html("img", { src: `data:image/png;base64,${sample.png}`, alt: String(sample.truth ?? sample.index ?? "") }));
  }
  if (typeof sample.text === "string") shown.push(html("p", { class: "quote" }, name(sample.text, 600)));
  if (sample.row && typeof sample.row === "object") {
    shown.push(html("dl", {}, Object.entries(sample.row).map(([key, value]) =>
      html("div", {}, html("dt", {}, name(key)), html("dd", {}, name(String(value)))))));
  }
  const guess = html(wrong ? "strong" : "span", {}, name(String(sample.guess), 600));
  const answer = sample.truth === undefined || sample.truth === null ? guess : [name(String(sample.truth)), " → ", guess];
  const confidence = number(sample.confidence);
  return html("li", { class: wrong ? "wrong" : null }, shown, html("p", {}, answer),
    Number.isFinite(confidence) ? html("p", { class: "note" }, word("sure", written(confidence, true))) : null);
}

/** Predicted against true values. */
function scatter(run, samples) {
  const [size, edge] = [420, 52];
  const pairs = samples.map(({ truth, guess }) => [truth, guess]).filter((pair) => pair.every(Number.isFinite));
  const values = pairs.flat();
  let [low, high] = [values.reduce((a, b) => Math.min(a, b), Infinity), values.reduce((a, b) => Math.max(a, b), -Infinity)];
  if (!(low < high)) [low, high] = [(low || 0) - 0.5, (high || 0) + 0.5];
  const x = (value) => edge + ((value - low) / (high - low)) * (size - edge - 12);
  const y = (value) => size - edge - ((value - low) / (high - low)) * (size - edge - 28);
  const grid = ticks(low, high, 5).map((tick) => [
    svg("line", { class: "grid", x1: edge, x2: size - 12, y1: y(tick), y2: y(tick) }),
    svg("text", { class: "y", x: edge - 8, y: y(tick), dy: "0.35em" }, written(tick)),
    svg("text", { class: "x", x: x(tick), y: size - edge + 20 }, written(tick)),
  ]);
  return svg("svg", { class: `scatter look-${run.look % 6}`, viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": word("scatter", run.name) },
    grid, svg("line", { class: "axis", x1: x(low), y1: y(low), x2: x(high), y2: y(high) }),
    pairs.map(([truth, guess]) => svg("circle", { class: "mark", cx: x(truth).toFixed(1), cy: y(guess).toFixed(1), r: 2.5 })),
    svg("text", { class: "y", x: size - 12, y: size - 12 }, word("true_value")),
    svg("text", { x: 4, y: 10 }, word("predicted")));
}

export function machine(runs, state, charts, load) {
  const figures = LOAD.map((figure) => {
    const lines = runs.filter((run) => run.steps?.[figure]).map((run) => {
      const scale = figure === "memory_bytes" ? 2 ** -30 : 1;
      const own = points(run.steps, clock, figure).map(([x, y]) => [x, y * scale]);
      return { name: run.name, look: run.look, dashed: false, points: own };
    });
    return [figure, lines];
  }).filter(([, lines]) => lines.length > 0);
  const options = { x: word("minutes"), log: false, smoothing: state.smoothing, range: state.zoom };
  return [now(load), figures.length > 0 ? charts.show(figures, options) : nothing(word("no_steps"))];
}

function now(load) {
  if (!load?.memory_bytes) return html("p", { class: "note" }, word("no_machine"));
  const used = load.memory_bytes - load.available_bytes;
  const busy = load.cpu_share;
  const gauge = (label, share, text) => html("div", {}, html("dt", {}, label),
    html("dd", {}, html("meter", { min: 0, max: 1, value: share, "aria-label": label }), html("span", {}, text)));
  return html("dl", { class: "gauges", "aria-label": word("now") },
    gauge(word("cpu"), busy ?? 0, busy === null || busy === undefined ? "–" : word("cpu_of", (busy * load.cores).toFixed(1), load.cores)),
    gauge(word("memory"), used / load.memory_bytes, word("memory_of", gibibytes(used), gibibytes(load.memory_bytes))));
}

export function events(runs) {
  const all = runs.flatMap((run) => (run.events ?? []).map((event) => ({ run, event })));
  all.sort((a, b) => number(b.event.time) - number(a.event.time));
  const rows = all.slice(0, 500).map(({ run, event }) => html("tr", { class: event.kind === "warning" ? "warning" : null },
    html("td", {}, moment(number(event.time))),
    html("td", { class: `run look-${run.look % 6}` }, html("span", { class: "dot", "aria-hidden": "true" }), name(run.name)),
    html("td", {}, hasWord(`kind_${event.kind}`) ? word(`kind_${event.kind}`) : name(String(event.kind))),
    html("td", { class: "figure" }, String(event.step ?? "")),
    html("td", {}, name(String(event.text ?? ""), 300))));
  const troubles = runs.flatMap((run) => (run.trouble ?? []).map((line) => html("li", {}, name(run.name), `: ${line}`)));
  const heads = ["time", "run", "kind", "step", "text"].map((key) => html("th", { scope: "col" }, word(key)));
  return [
    troubles.length > 0 ? html("div", { class: "trouble" }, html("h3", {}, word("trouble")), html("ul", {}, troubles)) : null,
    rows.length > 0
      ? scrolling("events-table", word("events"), html("table", { class: "plain" }, html("thead", {}, html("tr", {}, heads)), html("tbody", {}, rows)))
      : nothing(word("no_events")),
  ];
}
