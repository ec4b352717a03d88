// A line chart that answers to the pointer and to keys.

import { html, svg, say, name as named } from "./element.js";
import { logarithmicTicks, smoothed, ticks, written } from "./scale.js";
import { word } from "./words.js";

const HEIGHT = 250;
const MARGIN = { top: 12, right: 14, bottom: 40, left: 62 };
/** Lines with fewer points show each of them. */
const MARKED = 30;

export class Chart {
  /** `zoom` is called with the range of x that was chosen, or null for all. */
  constructor(zoom) {
    this.zoom = zoom;
    this.cursor = null;
    this.title = html("h3");
    this.tip = html("div", { class: "tip", hidden: true, "aria-hidden": "true" });
    this.note = html("p", { class: "note", hidden: true });
    this.picture = svg("svg", { tabindex: "0", role: "img", height: HEIGHT });
    this.plot = html("div", { class: "plot" }, this.picture, this.tip);
    this.node = html("figure", { class: "chart" }, html("figcaption", {}, this.title), this.plot, this.note);
    this.listen();
    this.width = 0;
    new ResizeObserver(() => this.draw()).observe(this.plot);
  }

  /**
   * Shows `lines`: each with `name`, `look` (of the colours), `dashed`, `points`. `options`: title,
   * x (its label), share, log, smoothing, range (of x, or null).
   */
  show(lines, options) {
    this.options = options;
    this.lines = lines.map((line) => ({ ...line, drawn: smoothed(line.points, options.smoothing) }));
    this.title.textContent = options.log ? word("logarithmic", options.title) : options.title;
    this.picture.setAttribute("aria-label", word("chart_of", options.title, lines.length));
    this.draw();
  }

  drawable(y) {
    return Number.isFinite(y) && Math.abs(y) < 1e300 && (!this.options.log || y > 0);
  }

  /** The ranges of both axes: of x what was chosen, of y what is seen of it. */
  ranges() {
    const xs = this.lines.flatMap((line) => line.points.map(([x]) => x)).filter(Number.isFinite);
    let [left, right] = this.options.range ?? [min(xs), max(xs)];
    if (!(left < right)) [left, right] = [(left || 0) - 0.5, (right || 0) + 0.5];
    const seen = this.lines.flatMap((line) => [...line.drawn, ...line.points]);
    const ys = seen.filter(([x, y]) => x >= left && x <= right && this.drawable(y)).map(([, y]) => y);
    if (ys.length === 0) return null;
    let [low, high] = [min(ys), max(ys)];
    if (this.options.log) {
      const margin = Math.max((high / low) ** 0.05, 1.05);
      return { left, right, low: low / margin, high: high * margin };
    }
    if (!(high - low > 1e-9 * Math.abs(high))) [low, high] = [low - (Math.abs(low) / 10 || 1), high + (Math.abs(high) / 10 || 1)];
    const margin = (high - low) * 0.06;
    const floor = low >= 0 ? 0 : -Infinity;
    const ceiling = this.options.share && high <= 1 ? 1 : Infinity;
    return { left, right, low: Math.max(low - margin, floor), high: Math.min(high + margin, ceiling) };
  }

  draw() {
    if (!this.lines) return;
    this.width = this.plot.clientWidth;
    if (this.width < 120) return;
    this.picture.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    this.range = this.ranges();
    const hidden = this.lines.flatMap((line) => line.points).filter(([, y]) => !this.drawable(y)).length;
    this.note.hidden = hidden === 0;
    this.note.textContent = word("not_drawn", hidden);
    if (!this.range) {
      this.picture.replaceChildren();
      return;
    }
    const frame = {
      x: MARGIN.left,
      y: MARGIN.top,
      width: this.width - MARGIN.left - MARGIN.right,
      height: HEIGHT - MARGIN.top - MARGIN.bottom,
    };
    this.frame = frame;
    const { log } = this.options;
    const { left, right, low, high } = this.range;
    const place = log ? Math.log : (y) => y;
    this.toX = (x) => frame.x + ((x - left) / (right - left)) * frame.width;
    this.toY = (y) => frame.y + frame.height * (1 - (place(y) - place(low)) / (place(high) - place(low)));
    this.marker = svg("g", { class: "cursor" });
    this.band = svg("rect", { class: "band", y: frame.y, height: frame.height, visibility: "hidden" });
    // A picture within the picture cuts off what lies outside of it.
    const inner = { x: frame.x - 5, y: frame.y - 5, width: frame.width + 10, height: frame.height + 10 };
    const viewBox = `${inner.x} ${inner.y} ${inner.width} ${inner.height}`;
    this.picture.replaceChildren(
      this.axes(),
      svg("svg", { ...inner, viewBox, overflow: "hidden" }, this.lines.map((line) => this.line(line))),
      this.band,
      this.marker,
    );
    if (this.cursor !== null) this.point(this.cursor);
  }

  axes() {
    const { frame } = this;
    const { left, right, low, high } = this.range;
    const { log, share, x: label } = this.options;
    const decades = log ? logarithmicTicks(low, high) : [];
    // Within a decade the usual ticks say more.
    const values = decades.length >= 3 ? decades : ticks(low, high, 7);
    const rows = values.map((tick) => {
      const y = this.toY(tick).toFixed(1);
      return [
        svg("line", { class: "grid", x1: frame.x, x2: frame.x + frame.width, y1: y, y2: y }),
        svg("text", { class: "y", x: frame.x - 8, y, dy: "0.35em" }, label_of(tick, values, share)),
      ];
    });
    const bottom = frame.y + frame.height;
    const whole = ticks(left, right, Math.max(2, Math.floor(frame.width / 80)));
    const columns = whole.map((tick) => {
      const x = this.toX(tick).toFixed(1);
      return [
        svg("line", { class: "axis", x1: x, x2: x, y1: bottom, y2: bottom + 5 }),
        svg("text", { class: "x", x, y: bottom + 19 }, label_of(tick, whole, false)),
      ];
    });
    return svg("g", {}, rows,
      svg("line", { class: "axis", x1: frame.x, x2: frame.x + frame.width, y1: bottom, y2: bottom }),
      columns,
      svg("text", { class: "y", x: frame.x + frame.width, y: HEIGHT - 4 }, label));
  }

  line(line) {
    const paths = (points) => {
      let path = "";
      let pen = false;
      for (const [x, y] of points) {
        const there = this.drawable(y) && Number.isFinite(x);
        if (there) path += `${pen ? "L" : "M"}${this.toX(x).toFixed(1)} ${this.toY(y).toFixed(1)}`;
        pen = there;
      }
      return path;
    };
    const { left, right } = this.range;
    const inside = line.drawn.filter(([x, y]) => x >= left && x <= right && this.drawable(y));
    const look = `look-${line.look % 6}${line.dashed ? " dashed" : ""}`;
    return svg("g", { class: look },
      this.options.smoothing > 0 ? svg("path", { class: "raw", d: paths(line.points) }) : null,
      svg("path", { class: "line", d: paths(line.drawn) }),
      inside.length <= MARKED
        ? inside.map(([x, y]) => svg("circle", { class: "mark", cx: this.toX(x).toFixed(1), cy: this.toY(y).toFixed(1), r: 2.5 }))
        : null);
  }

  /** All places of points that are seen. */
  places() {
    const { left, right } = this.range ?? { left: 1, right: 0 };
    const xs = this.lines.flatMap((line) => line.drawn.map(([x]) => x));
    return [...new Set(xs.filter((x) => x >= left && x <= right))].sort((a, b) => a - b);
  }

  /** Shows the values nearest to a place. */
  point(x) {
    const places = this.places();
    if (places.length === 0) return;
    const nearest = places.reduce((best, place) => (Math.abs(place - x) < Math.abs(best - x) ? place : best));
    this.cursor = nearest;
    const values = this.lines.flatMap((line) => {
      const known = line.drawn.filter(([, y]) => this.drawable(y));
      if (known.length === 0) return [];
      const [px, py] = known.reduce((best, next) => (Math.abs(next[0] - nearest) < Math.abs(best[0] - nearest) ? next : best));
      const spacing = (this.range.right - this.range.left) / 20;
      return Math.abs(px - nearest) <= spacing ? [{ line, x: px, y: py }] : [];
    });
    const { frame } = this;
    const place = this.toX(nearest);
    this.marker.replaceChildren(
      svg("line", { x1: place, x2: place, y1: frame.y, y2: frame.y + frame.height }),
      ...values.map(({ line, x, y }) => svg("g", { class: `look-${line.look % 6}` }, svg("circle", { class: "mark", cx: this.toX(x), cy: this.toY(y), r: 4 }))),
    );
    const heading = `${this.options.x} ${written(nearest)}`;
    const rows = values.map(({ line, y }) => html("tr", { class: `look-${line.look % 6}` },
      html("td", {}, sample(line)), html("td", {}, named(line.name, 28)), html("td", {}, written(y, this.options.share))));
    this.tip.replaceChildren(html("p", {}, heading), html("table", {}, html("tbody", {}, rows)));
    this.tip.hidden = false;
    const width = this.tip.offsetWidth;
    const beside = place + 14 + width <= this.width ? place + 14 : Math.max(0, place - 14 - width);
    this.tip.style.left = `${beside}px`;
    this.heard = `${heading}: ${values.map(({ line, y }) => `${line.name} ${written(y, this.options.share)}`).join(", ")}`;
  }

  leave() {
    this.cursor = null;
    this.tip.hidden = true;
    this.marker?.replaceChildren();
  }

  listen() {
    const place = (event) => {
      const share = (event.clientX - this.picture.getBoundingClientRect().left - this.frame.x) / this.frame.width;
      const { left, right } = this.range;
      return left + Math.min(1, Math.max(0, share)) * (right - left);
    };
    let start = null;
    this.picture.addEventListener("pointerdown", (event) => {
      if (!this.range || event.button !== 0) return;
      start = place(event);
      this.picture.setPointerCapture(event.pointerId);
    });
    this.picture.addEventListener("pointermove", (event) => {
      if (!this.range) return;
      const here = place(event);
      this.point(here);
      if (start === null) return;
      const [a, b] = [this.toX(Math.min(start, here)), this.toX(Math.max(start, here))];
      this.band.setAttribute("x", a);
      this.band.setAttribute("width", b - a);
      this.band.setAttribute("visibility", "visible");
    });
    this.picture.addEventListener("pointerup", (event) => {
      if (start === null) return;
      const range = [Math.min(start, place(event)), Math.max(start, place(event))];
      start = null;
      this.band.setAttribute("visibility", "hidden");
      if (this.toX(range[1]) - this.toX(range[0]) > 8) this.zoom(range);
    });
    this.picture.addEventListener("pointercancel", () => {
      start = null;
      this.band?.setAttribute("visibility", "hidden");
    });
    this.picture.addEventListener("pointerleave", () => start === null && this.leave());
    this.picture.addEventListener("dblclick", () => this.zoom(null));
    this.picture.addEventListener("blur", () => this.leave());
    this.picture.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (!this.range || event.ctrlKey || event.metaKey || event.altKey) return;
    const places = this.places();
    const at = this.cursor === null ? -1 : places.indexOf(this.cursor);
    const go = (index) => {
      this.point(places[Math.min(places.length - 1, Math.max(0, index))]);
      say(this.heard);
    };
    const { left, right } = this.range;
    const middle = this.cursor ?? (left + right) / 2;
    const moves = {
      ArrowRight: () => go(at + 1),
      ArrowLeft: () => go(at < 0 ? places.length - 1 : at - 1),
      Home: () => go(0),
      End: () => go(places.length - 1),
      "+": () => this.zoom([middle - (middle - left) / 2, middle + (right - middle) / 2]),
      "=": () => moves["+"](),
      "-": () => this.zoom([middle - (middle - left) * 2, middle + (right - middle) * 2]),
      0: () => this.zoom(null),
      Escape: () => this.leave(),
    };
    if (!(event.key in moves) || places.length === 0) return;
    event.preventDefault();
    moves[event.key]();
  }
}

/** The look of a line, small; without a colour of its own that of the text round it. */
export function sample(line) {
  const look = line.look === undefined ? "plain-line" : `look-${line.look % 6}`;
  return svg("svg", { class: `${look}${line.dashed ? " dashed" : ""}`, width: 26, height: 10, "aria-hidden": "true" },
    svg("path", { class: "line", d: "M0 5H26" }));
}

/** A tick with as many digits as tell it from its neighbours. */
function label_of(tick, all, share) {
  const factor = share ? 100 : 1;
  const values = all.map((value) => value * factor);
  const step = values.length > 1 ? Math.abs(values[1] - values[0]) : 1;
  const value = tick * factor;
  const size = Math.max(...values.map(Math.abs));
  if (tick !== 0 && (size < 1e-3 || size >= 1e6)) return written(value);
  const smallest = Math.min(step, Math.abs(value) || step);
  const digits = Math.min(6, Math.max(0, -Math.floor(Math.log10(smallest) + 1e-9)));
  return `${value.toFixed(digits).replace("-", "−")}${share ? " %" : ""}`;
}

// Spreading many values over the arguments of Math.min would overflow the stack.
function min(values) {
  return values.reduce((a, b) => Math.min(a, b), Infinity);
}

function max(values) {
  return values.reduce((a, b) => Math.max(a, b), -Infinity);
}
