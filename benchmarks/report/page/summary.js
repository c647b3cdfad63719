/* The first view: which method, how sure, and where it fails. */

const SHOWN = { categories: 3, kinds: 3, images: 6 };

declare("failing", null, "failing", as.nameOf(methodsOf));

const interval = (low, high, metric) => `[${shown(low, metric)}, ${shown(high, metric)}]`;

/** The method whose failures are shown: the reader's choice, or the best that is shown. */
function failingMethod(set, ranked) {
  const there = shownMethods(set);
  if (there.includes(state.failing)) return state.failing;
  return ranked.find(({ method }) => there.includes(method))?.method ?? there[0];
}

/** A value and its interval between the least and the greatest of all, in per cent of the width. */
function whisker({ method, value, low, high }, place) {
  const { colour } = currentSet().methods[method];
  const y = { y1: "50%", y2: "50%" };
  const line = (x1, x2, width) =>
    shape("line", { x1, x2, ...y, stroke: colour, "stroke-width": width });
  return shape(
    "svg",
    { class: "whisker", "aria-hidden": "true" },
    low === null ? null : line(place(low), place(high), 3),
    shape("circle", { cx: place(value), cy: "50%", r: 4.5, fill: colour }),
  );
}

/** The least and the greatest of all intervals. */
function spanOf(ranked) {
  const ends = ranked.flatMap(({ value, low, high }) => [low ?? value, high ?? value]);
  return [Math.min(...ends), Math.max(...ends)];
}

/** A function from a value to its place; what lies at the ends is not cut off. */
const placing = ([least, greatest]) => (value) =>
  `${(4 + (92 * (value - least)) / (greatest - least || 1)).toFixed(2)}%`;

function rankingRow(one, metric, place, failing, bounded) {
  const look = currentSet().methods[one.method];
  const chosen = one.method === failing;
  const choose = () => change({ failing: one.method });
  const attributes = { type: "button", id: `failing-${one.method}`, "aria-pressed": `${chosen}` };
  const spread = one.deviation === null ? "" : spreadOf(one.deviation, one.range, metric);
  return element(
    "tr",
    { class: one.marked ? "marked" : null, "data-method": look.name },
    element(
      "th",
      { scope: "row" },
      element("button", { ...attributes, onclick: choose }, look.name),
    ),
    element(
      "td",
      {},
      element(one.marked ? "strong" : "span", {}, shown(one.value, metric), spread),
      one.marked ? spoken(" (marked)") : null,
    ),
    bounded
      ? element("td", {}, one.low === null ? "–" : interval(one.low, one.high, metric))
      : null,
    element("td", { class: "track" }, whisker(one, place)),
  );
}

function rankingTable(ranked, metric, failing) {
  const bounded = ranked.some(({ low }) => low !== null);
  const head = ["method", unitOf(metric), ...(bounded ? ["95 % interval"] : [])];
  const span = spanOf(ranked);
  const ends = span.map((end) => element("small", {}, shown(end, metric)));
  return element(
    "table",
    { class: "ranking" },
    element("caption", { class: "spoken" }, `Ranking by ${metric.label}`),
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        head.map((name) => element("th", { scope: "col" }, name)),
        element("td", { class: "track", "aria-hidden": "true" }, element("div", {}, ends)),
      ),
    ),
    element(
      "tbody",
      {},
      ranked.map((one) => rankingRow(one, metric, placing(span), failing, bounded)),
    ),
  );
}

/** The methods of a ranking that are shown: [{method, value, deviation, low, high, marked}]. */
function rankedMethods(set, ranking) {
  const there = shownMethods(set);
  return ranking.methods.filter(({ method }) => there.includes(method));
}

const listed = (title, items) =>
  items.length
    ? element(
        "div",
        {},
        element("h4", {}, title),
        element(
          "ol",
          {},
          items.map((item) => element("li", {}, item)),
        ),
      )
    : null;

/** The way to what a method misclassifies in a category, of one kind or of all. */
const toGallery = (method, row, kind, alpha, ...texts) =>
  address.link(
    {
      section: "gallery",
      category: String(row),
      judge: method,
      kind,
      outcome: "errors",
      point: alpha === null ? "f1_optimal" : "calibrated",
      page: 0,
    },
    {},
    ...texts,
  );

/** A kind of images in words, with its category where there are several. */
function kindPhrase(set, row, kind) {
  const named = kind === "good" ? "normal images" : kind;
  return set.categories.length > 1 ? `${set.categories[row].name}: ${named}` : named;
}

function failureLists(set, metric, method, verdicts, alpha) {
  const table = set.tables[metric.name];
  const worst = set.categories.length > 1 ? worstCategories(set, metric, method) : [];
  const categories = worst.slice(0, SHOWN.categories).map(({ row, value }) => {
    const low = table.low?.[row]?.[method] ?? null;
    const spread = low === null ? "" : ` ${interval(low, table.high[row][method], metric)}`;
    return [
      toGallery(method, row, "all", alpha, set.categories[row].name),
      ` ${shown(value, metric)}`,
      element("small", {}, spread),
    ];
  });
  const kinds = failingKinds(set, verdicts).slice(0, SHOWN.kinds);
  const lines = kinds.map(({ row, kind, anomalous, count, total }) => [
    toGallery(method, row, kind, alpha, kindPhrase(set, row, kind)),
    ` ${count} of ${total} ${anomalous ? "missed" : "called anomalous"}`,
  ]);
  return element(
    "div",
    { class: "lists" },
    listed("Worst categories", categories),
    listed("Worst kinds", lines),
  );
}

function missedPicture(set, { row, image, area, above }) {
  const [{ name }, images] = [set.categories[row], set.images[row]];
  const size =
    area === null
      ? `${(100 * above).toFixed(0)} % of normal images score higher`
      : `${(100 * area).toPrecision(2)} % of the image`;
  const description = `${nameOf(row, image)}, missed: ${size}`;
  return address.link(
    { image: { row, image } },
    { class: "missed" },
    canvasOf(images, image, description, { outlined: true }),
    element(
      "span",
      { "aria-hidden": "true" },
      set.categories.length > 1 ? name : kindName(images.kinds[image]),
      element("br"),
      size,
    ),
  );
}

function missedPictures(set, missed) {
  const sized = missed.some(({ area }) => area !== null);
  const title = sized ? "Largest defects missed" : "Defects missed, the lowest scores first";
  if (!missed.length) return null;
  return element(
    "div",
    { class: "misses" },
    element("h4", {}, title),
    element(
      "div",
      { class: "missed-images" },
      missed.slice(0, SHOWN.images).map((one) => missedPicture(set, one)),
    ),
  );
}

/** What a method gets wrong, in one sentence; at thresholds by held-out images as Python has it. */
function failureSentence(set, method, verdicts, alpha) {
  if (alpha !== null) {
    const [alarms, normal, missed, anomalous] = judgedOf(set, method).images;
    return (
      `It misses ${missed} of ${anomalous} anomalous images and calls ${alarms} of ${normal} normal ` +
      `ones anomalous, at thresholds that held-out images set for ${alpha} % of false alarms.`
    );
  }
  const of = (anomalous) => verdicts.filter((one) => one.anomalous === anomalous);
  const failed = (some) => some.filter((one) => one.wrong).length;
  const [defects, normal] = [of(true), of(false)];
  if (!verdicts.length) return "No image scores are stored, so nothing says where it fails.";
  return (
    `It misses ${failed(defects)} of ${defects.length} anomalous images and calls ` +
    `${failed(normal)} of ${normal.length} normal ones anomalous, at F1-optimal thresholds, which ` +
    `these images chose. ${set.decision.note}`
  );
}

function renderSummary() {
  const [set, metric] = [currentSet(), metrics[state.metric]];
  const table = set.tables[metric.name];
  const ranked = table ? rankedMethods(set, table.ranking) : [];
  const method = failingMethod(set, ranked);
  const alpha = judgedOf(set, method) ? state.alpha : null;
  const verdicts = method === undefined ? [] : judged(set, method, alpha);
  const missed = missedImages(set, method, verdicts);
  replace(
    byId("summary-content"),
    element(
      "div",
      { class: "which" },
      element("p", { id: "verdict" }, table ? table.ranking.verdict : "No cell has this metric."),
      ranked.length ? rankingTable(ranked, metric, method) : null,
    ),
    method === undefined
      ? null
      : element(
          "div",
          { class: "where" },
          element("h3", {}, `Where ${set.methods[method].name} fails`),
          element("p", { class: "quiet" }, failureSentence(set, method, verdicts, alpha)),
          table ? failureLists(set, metric, method, verdicts, alpha) : null,
        ),
    missedPictures(set, missed),
    decisionPart(set),
    table ? element("p", { id: "summary-note", class: "quiet" }, table.ranking.note) : null,
  );
}

sections.push({
  id: "summary",
  title: "Summary",
  start: () => watch(["set", "hidden", "metric", "failing", "alpha", "limit"], renderSummary),
});
