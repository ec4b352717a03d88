// How numbers become places and words: ticks, digits, smoothing.

import { SHARES } from "./shares.js";

/** A number of JSON; those that JSON has not come as texts. */
export function number(value) {
  if (typeof value === "number") return value;
  if (typeof value !== "string") return NaN;
  return { inf: Infinity, "-inf": -Infinity, Infinity, "-Infinity": -Infinity }[value] ?? NaN;
}

/** True for figures that are shares of one, which people read in percent. */
export function isShare(name) {
  return name.split("_").some((word) => SHARES.includes(word));
}

/** A number with about four digits. */
export function written(value, share = false) {
  if (Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (share) return `${(100 * value).toFixed(2).replace("-", "−")} %`;
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) return scientific(value, 2);
  const digits = size === 0 ? 0 : Math.max(0, 3 - Math.floor(Math.log10(size)));
  const text = Number.isInteger(value) ? String(value) : value.toFixed(Math.min(digits, 7));
  return text.replace("-", "−");
}

function scientific(value, digits) {
  const [mantissa, power] = value.toExponential(digits).split("e");
  const raised = [...power.replace("+", "")].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("");
  return `${mantissa.replace(/\.?0+$/, "")}×10${raised}`.replace("-", "−");
}

/** Seconds for people. */
export function duration(seconds) {
  if (!(seconds >= 0)) return "–";
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** The time of day, with the date if it was another day; 24 hours in every language. */
export function moment(seconds) {
  if (!(seconds > 0)) return "–";
  const time = new Date(seconds * 1000);
  const two = (part) => String(part).padStart(2, "0");
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  const today = time.toDateString() === new Date().toDateString();
  return today ? clock : `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${clock}`;
}

export function gibibytes(bytes) {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

/** The multiples of 1, 2 or 5 times a power of ten in a range, about `count` of them. */
export function ticks(low, high, count) {
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((digit) => digit * power).find((step) => step >= rough * 0.999999);
  if (!(step > 0) || !Number.isFinite(step)) return [low];
  const found = [];
  for (let index = Math.ceil(low / step - 1e-9); index * step <= high + step * 1e-9; index++) {
    found.push(Number((index * step).toPrecision(12)));
  }
  return found;
}

/** Powers of ten in a range, with 2 and 5 times them where there is room. */
export function logarithmicTicks(low, high) {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const digits = last - first <= 3 ? [1, 2, 5] : [1];
  const every = Math.ceil((last - first) / 8) || 1;
  const found = [];
  for (let power = first; power <= last; power += every) {
    for (const digit of digits) {
      const tick = Number(`${digit}e${power}`);
      if (tick >= low * 0.999 && tick <= high * 1.001) found.push(tick);
    }
  }
  return found;
}

/**
 * The running mean of values, of which each new one is a part of `1 - weight`. It is divided by the
 * weights given so far, so that the first values are not drawn towards zero.
 */
export function smoothed(points, weight) {
  if (!(weight > 0)) return points;
  let [sum, part] = [0, 0];
  return points.map(([x, y]) => {
    if (!Number.isFinite(y)) return [x, y];
    sum = weight * sum + (1 - weight) * y;
    part = weight * part + (1 - weight);
    return [x, sum / part];
  });
}
