/* The page's content and state, and what every section is built of: elements, options, numbers. */

const content = JSON.parse(document.getElementById("content").textContent);
const metrics = Object.fromEntries(content.metrics.map((metric) => [metric.name, metric]));

/** What the reader has chosen, and what it is at first. Sections add their keys by `declare`. */
const state = {};
const usual = {};
/** Key of the state → how it stands in the page's address: {name, write, read}; see codecs.js. */
const codecs = {};
const watchers = [];

/** Add a key to the state; with a codec the page's address holds it as `name`. */
function declare(key, value, name = key, codec = null) {
  state[key] = usual[key] = value;
  if (codec) codecs[key] = { name, ...codec };
}

/**
 * What starts each section of the page: `sections.push({ id, title, start })`.
 *
 * A section that page.html does not lay out is appended to the page, with its title and an empty
 * element `ID-content` to fill.
 */
const sections = [];

/** Call `render` now, and again whenever one of `keys` of the state changes. */
function watch(keys, render) {
  watchers.push({ keys, render });
  render();
}

/** Change the state and what shows it, not the page's address. */
function update(values) {
  Object.assign(state, values);
  for (const { keys, render } of watchers) {
    if (keys.some((key) => key in values)) render();
  }
}

/**
 * Change the state, what shows it, and the page's address.
 *
 * Changes of one `gesture`, such as a drag, are one step back in the browser.
 */
function change(values, gesture = null) {
  update(values);
  address.changed(gesture);
}

const byId = (id) => document.getElementById(id);
const currentSet = (chosen = state) => content.sets[chosen.set];
const methodsOf = (chosen) => currentSet(chosen).methods;

/** The indices of the methods that are shown, in the run's order. */
function shownMethods(set = currentSet()) {
  return set.methods
    .map((_, index) => index)
    .filter((index) => !state.hidden.has(set.methods[index].name));
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(2).filter((child) => child !== null && child !== undefined));
  return node;
}

const element = (tag, attributes = {}, ...children) =>
  filled(document.createElement(tag), attributes, children);

const shape = (tag, attributes = {}, ...children) =>
  filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

/** Replace what `root` holds; what had the focus has it again, found by its id. */
function replace(root, ...children) {
  const focused = root.contains(document.activeElement) ? document.activeElement.id : "";
  root.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
  if (focused && byId(focused)) byId(focused).focus();
}

/** The metrics of which any results have a value. */
const metricChoices = content.metrics
  .filter(({ name }) => content.sets.some(({ tables }) => name in tables))
  .map(({ name, label }) => [name, label]);
const setChoices = content.sets.map(({ short }, index) => [index, short]);
const categoryChoices = () =>
  currentSet().categories.map(({ name }, row) => [String(row), name]);


/** Each category, and all of them where there are several. */
const allCategoryChoices = () => {
  const each = categoryChoices();
  return each.length > 1 ? [["all", "all"], ...each] : each;
};

const spoken = (text) => element("span", { class: "spoken" }, text);

const swatch = (method) =>
  shape(
    "svg",
    { class: "swatch", viewBox: "0 0 30 10", "aria-hidden": "true" },
    shape("line", {
      x1: 1,
      y1: 5,
      x2: 29,
      y2: 5,
      stroke: method.colour,
      "stroke-width": 3,
      "stroke-dasharray": method.dash || null,
    }),
  );

/** A metric's value as tables show it: per cent with one decimal, counts as they are. */
function shown(value, metric, signed = false) {
  if (value === null || value === undefined) return "–";
  const scaled = metric.unit === "fraction" ? 100 * value : value;
  const text = scaled.toFixed(metric.unit === "fraction" || !Number.isInteger(scaled) ? 1 : 0);
  const zero = Number(text) === 0;
  return (
    (signed && !zero && scaled > 0 ? "+" : "") +
    (zero ? text.replace("-", "") : text).replace("-", "−")
  );
}

/** The deviation over several seeds, or their range where that stands for it. */
const spreadOf = (deviation, ends, metric) =>
  ends ? ` (${ends.map((end) => shown(end, metric)).join("–")})` : ` ± ${shown(deviation, metric)}`;

const unitOf = (metric) => (metric.unit === "fraction" ? "%" : metric.unit);

/** A score or threshold with four significant digits. */
function significant(value) {
  if (value === null) return "–";
  if (value === Infinity) return "above all";
  return Number(value.toPrecision(4)).toString().replace("-", "−");
}

function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 90) return `${(value / 60).toFixed(1)} min`;
  return `${value.toFixed(value < 10 ? 2 : 1)} s`;
}

/** A kind of test images as people call it; folders call normal images good. */
const kindName = (kind) => (kind === "good" ? "normal" : kind);

/** A share of images, in per cent with one decimal. */
const ofImages = (count, total) => (total ? `${((100 * count) / total).toFixed(1)} % of ${total}` : "none");

const sum = (values) => values.reduce((total, value) => total + (value ?? 0), 0);
