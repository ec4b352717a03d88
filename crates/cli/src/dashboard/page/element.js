// Elements of the page. Text goes in as text: nothing that a file says becomes markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else if (name === "style") node.style.cssText = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

/** An element of HTML. Attributes that begin with `on` are listeners. */
export function html(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** An element of SVG. */
export function svg(name, attributes, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

/** A name from outside, as a unit of its own whatever direction its letters run in. */
export function name(text, most = 40) {
  const letters = [...String(text)];
  const shown = letters.length > most ? letters.slice(0, most - 1).join("") + "…" : letters.join("");
  return html("bdi", letters.length > most ? { title: text } : {}, shown);
}

/** Puts new children into an element; what had the focus has it again, if it is still there. */
export function replace(node, ...children) {
  const focused = node.contains(document.activeElement) ? document.activeElement.id : "";
  const scrolled = [...node.querySelectorAll(".scroll[id]")].map((box) => [
    box.id,
    box.scrollLeft,
    box.scrollTop,
  ]);
  node.replaceChildren(...children.flat(Infinity).filter((child) => child));
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  for (const [id, left, top] of scrolled) document.getElementById(id)?.scrollTo(left, top);
}

/** Says something to those who hear the page. */
export function say(text) {
  const place = document.getElementById("said");
  if (place.textContent !== text) place.textContent = text;
}
