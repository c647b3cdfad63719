/* ROC, precision and recall, per-region overlap, and histograms of scores. */

declare("curveCategory", "0", "curves", as.category);

const RATE = { low: 0, high: 1, ticks: [0, 0.2, 0.4, 0.6, 0.8, 1] };
const POINTS = [
  { name: "F1-optimal", key: "f1_optimal", dash: "" },
  { name: "100 % recall", key: "full_recall", dash: "4 3" },
];

/** What each distinct score as threshold finds: [{threshold, found, falsePositives}], highest first. */
function steps(labels, scores) {
  const images = scores
    .map((score, index) => [score, labels[index]])
    .filter(([score]) => score !== null);
  images.sort(([one], [other]) => other - one);
  const found = [];
  let [positives, negatives] = [0, 0];
  images.forEach(([score, label], place) => {
    if (label) positives += 1;
    else negatives += 1;
    if (place + 1 === images.length || images[place + 1][0] !== score) {
      found.push({ threshold: score, found: positives, falsePositives: negatives });
    }
  });
  return { steps: found, positives, negatives };
}

const three = (value) => value.toFixed(3);

function rocPoints({ steps: found, positives, negatives }) {
  const points = found.map((step) => {
    const [x, y] = [step.falsePositives / negatives, step.found / positives];
    return {
      x,
      y,
      text: `false-positive rate ${three(x)}, true-positive rate ${three(y)}, threshold ${significant(step.threshold)}`,
    };
  });
  return [{ x: 0, y: 0, text: "false-positive rate 0, true-positive rate 0" }, ...points];
}

/** Precision at each recall; between two of them it is a step, as average precision sums it. */
function precisionPoints({ steps: found, positives }) {
  const points = found.map((step) => {
    const [x, y] = [step.found / positives, step.found / (step.found + step.falsePositives)];
    return {
      x,
      y,
      text: `recall ${three(x)}, precision ${three(y)}, threshold ${significant(step.threshold)}`,
    };
  });
  return [{ ...points[0], x: 0 }, ...points];
}

const overlapPoints = ([rates, overlaps]) =>
  rates.map((x, place) => ({
    x,
    y: overlaps[place],
    text: `false-positive rate of pixels ${three(x)}, per-region overlap ${three(overlaps[place])}`,
  }));

const CURVES = [
  {
    title: "ROC",
    metric: "image_auroc",
    steps: false,
    x: { label: "false-positive rate", ...RATE },
    y: { label: "true-positive rate", ...RATE },
    points: (cell, counted) => (counted.positives && counted.negatives ? rocPoints(counted) : null),
  },
  {
    title: "Precision and recall",
    metric: "image_ap",
    steps: true,
    x: { label: "recall", ...RATE },
    y: { label: "precision", ...RATE },
    points: (cell, counted) =>
      counted.positives && counted.negatives ? precisionPoints(counted) : null,
  },
  {
    title: "Per-region overlap",
    metric: "aupro_30",
    steps: false,
    x: { label: "false-positive rate of pixels", low: 0, high: 0.3, ticks: [0, 0.1, 0.2, 0.3] },
    y: { label: "per-region overlap", ...RATE },
    points: (cell) => (cell.pro && cell.pro[0].length ? overlapPoints(cell.pro) : null),
  },
];

/** The cells of a category that can be drawn: [{method, cell, counted}]. */
function drawable(set, row) {
  return shownMethods(set)
    .map((index) => ({ index, method: set.methods[index], cell: set.cells[row][index] }))
    .filter(({ cell }) => isScored(cell))
    .map((one) => ({ ...one, counted: steps(set.images[row].labels, one.cell.scores) }));
}

function curveOf(curve, set, row, found) {
  const name = set.categories[row].name;
  const lines = found
    .map(({ method, cell, counted }) => ({
      ...method,
      points: curve.points(cell, counted),
      steps: curve.steps,
    }))
    .filter((line) => line.points);
  if (!lines.length) return null;
  const values = found.map(
    ({ index, method }) =>
      `${method.name} ${shown(set.tables[curve.metric]?.values[row][index], metrics[curve.metric])}`,
  );
  const label = `${curve.title}, ${name}; ${metrics[curve.metric].label} in per cent: ${values.join(", ")}`;
  return curveChart(`${curve.title}: ${name}`, label, curve.x, curve.y, lines);
}

const marksOf = (cell) =>
  POINTS.filter(({ key }) => cell[key]).map(({ name, key, dash }) => ({
    name,
    dash,
    value: cell[key].threshold,
  }));

/** What the lines of the charts are, with the areas under them. */
function legend(set, row, found) {
  const there = CURVES.filter(({ metric }) => set.tables[metric]);
  const heads = ["method", ...there.map(({ metric }) => metrics[metric].label)];
  const rows = found.map(({ index, method }) => [
    element("span", { class: "named" }, swatch(method), ` ${method.name}`),
    ...there.map(({ metric }) => shown(set.tables[metric].values[row][index], metrics[metric])),
  ]);
  const name = set.categories[row].name;
  return scrolling(`Lines, ${name}`, plainTable("In %", heads, rows));
}

function chartsOf(set, row) {
  const found = drawable(set, row);
  const curves = CURVES.map((curve) => curveOf(curve, set, row, found)).filter(Boolean);
  const histograms = found.map(
    ({ method, cell }) =>
      histogram(
        `${set.categories[row].name}, ${method.name}`,
        method,
        set.images[row].labels,
        cell.scores,
        marksOf(cell),
      ).figure,
  );
  const lacking = shownMethods(set).filter((index) => !found.some((one) => one.index === index));
  const why = lacking.map((index) => {
    const cell = set.cells[row][index];
    return `${set.methods[index].name}: ${!cell ? "not run" : cell.status === "ok" ? "no scores stored" : `failed (${cell.error})`}`;
  });
  return [
    element("h3", {}, set.categories[row].name),
    why.length ? element("p", { class: "quiet" }, why.join("; ")) : null,
    found.length ? legend(set, row, found) : null,
    element("div", { class: "charts" }, curves),
    histograms.length ? legendOfHistograms() : null,
    element("div", { class: "charts" }, histograms),
  ];
}

const legendOfHistograms = () =>
  element(
    "p",
    { class: "quiet" },
    "Scores: outlined bars are normal images, filled ones anomalous; the full line is the F1-optimal threshold, the dashed one 100 % recall.",
  );

function renderCurves() {
  const set = currentSet();
  const rows =
    state.curveCategory === "all"
      ? set.categories.map((_, row) => row)
      : [Number(state.curveCategory)];
  replace(
    byId("charts"),
    rows.flatMap((row) => chartsOf(set, row)),
  );
}

function startCurves() {
  const choices = () => [...categoryChoices(), ["all", "all categories"]];
  tie("curve-category", "curveCategory", { choices, on: ["set"] });
  watch(["set", "hidden", "curveCategory"], renderCurves);
}

sections.push({ id: "curves", title: "Curves", start: startCurves });
