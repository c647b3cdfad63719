/* Histograms of image scores, with working points, one of which may be dragged. */

const BINS = 30;

/** Scores in equal bins from the least: {low, width, counts: [[normal, anomalous]]}. */
function binned(labels, scores) {
  const known = scores.filter((score) => score !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const width = (high - low) / BINS || 1;
  const counts = Array.from({ length: BINS }, () => [0, 0]);
  scores.forEach((score, index) => {
    if (score !== null) counts[binOf(score, low, width)][labels[index]] += 1;
  });
  return { low, width, counts };
}

const binOf = (score, low, width) =>
  Math.max(0, Math.min(BINS - 1, Math.floor((score - low) / width)));

/**
 * Scores of anomalous images, those of normal ones outlined before them, and working points.
 *
 * marks: [{name, value, dash}]; `drag`, where given, is called with the score under the pointer.
 * Returns {figure, moveMarks}, the latter a function of other marks.
 */
function histogram(title, method, labels, scores, marks, drag = null) {
  const bins = binned(labels, scores);
  const high = bins.low + BINS * bins.width;
  const most = Math.max(...bins.counts.flat());
  const across = { label: "image score", low: bins.low, high, ticks: roundTicks(bins.low, high) };
  const ticks = roundTicks(0, most).filter(Number.isInteger);
  const many = most >= 1000;
  const up = { label: many ? "thousands of images" : "images", low: 0, high: most, ticks };
  if (many) up.unit = 1000;
  const label = `${title}: scores of normal and anomalous images`;
  const { svg, plot, toX, toY, fromX } = axes(label, across, up, CHART.band);
  const readout = readoutLine();
  const drawn = shape("g", {});
  const moveMarks = (moved) =>
    drawn.replaceChildren(...placed(moved, toX).map((one) => markOf(one, toY(0))));
  moveMarks(marks);
  plot.append(...barsOf(bins, method.colour, toX, toY), drawn);
  readableBins(svg, bins, fromX, readout);
  if (drag) draggable(svg, (event) => drag(fromX(placeOf(event, svg)[0])));
  return { figure: framed(title, svg, readout), moveMarks };
}

function barsOf({ low, width, counts }, colour, toX, toY) {
  const span = Math.max(toX(low + width) - toX(low) - 1, 0.5);
  return counts.flatMap(([normal, anomalous], place) => {
    const x = toX(low + place * width) + 0.5;
    const bar = (count, kind, fill) =>
      shape("rect", {
        class: kind,
        x,
        width: span,
        y: toY(count),
        height: toY(0) - toY(count),
        fill,
      });
    return [bar(anomalous, "anomalous", colour), bar(normal, "normal", null)];
  });
}

/** Read a bin with the pointer, one after the other with arrow keys. */
function readableBins(svg, { low, width, counts }, fromX, readout) {
  let current = -1;
  const tell = (place) => {
    current = Math.max(0, Math.min(BINS - 1, place));
    const [normal, anomalous] = counts[current];
    const [from, to] = [low + current * width, low + (current + 1) * width].map(significant);
    readout.textContent = `${from} to ${to}: ${normal} normal, ${anomalous} anomalous`;
  };
  whenPointed(svg, (event) => tell(binOf(fromX(placeOf(event, svg)[0]), low, width)));
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    tell(current + step);
  });
}

/** About how wide a label is drawn, in the chart's own units; rather more. */
const labelWidth = (text) => 6.2 * text.length;

/**
 * Where the labels of at most two marks stand above the plot: [{mark, at, left, row}].
 *
 * They lean apart. Where there is no room they lean to one side, and that whose label passes over
 * the other's line stands in the upper row, 0; a line ends at its own label's row.
 */
function placed(marks, toX) {
  const found = marks.map((mark) => ({ mark, at: toX(mark.value), row: 1 }));
  found.sort((one, other) => one.at - other.at);
  const [low, high] = [found[0], found[found.length - 1]];
  const roomLeft = ({ at, mark }) => at - 3 - labelWidth(mark.name) >= 0;
  const roomRight = ({ at, mark }) => at + 3 + labelWidth(mark.name) <= CHART.width;
  for (const one of found) one.left = one !== high && roomLeft(one);
  if (high && !roomRight(high)) high.left = true;
  if (found.length === 2 && low.left === high.left) (low.left ? high : low).row = 0;
  return found;
}

function markOf({ mark, at, left, row }, bottom) {
  const base = CHART.band - 12 + 11 * row;
  return shape(
    "g",
    { class: "mark", "data-mark": mark.name },
    shape("line", {
      x1: at,
      x2: at,
      y1: base - 8,
      y2: bottom,
      "stroke-dasharray": mark.dash || null,
    }),
    shape("text", { x: at + (left ? -3 : 3), y: base, "text-anchor": left ? "end" : "start" }, mark.name),
  );
}

function draggable(svg, move) {
  svg.classList.add("draggable");
  svg.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    move(event);
    const stop = new AbortController();
    window.addEventListener("pointermove", move, { signal: stop.signal });
    window.addEventListener("pointerup", () => stop.abort(), { signal: stop.signal });
    window.addEventListener("pointercancel", () => stop.abort(), { signal: stop.signal });
  });
}
