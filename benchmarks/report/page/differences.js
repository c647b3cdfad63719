/* What lies between two sets of results: their specifications, every metric, every changed verdict. */

const alike = content.pairs[0] ?? { first: 0, second: 1 };

declare("from", alike.first, "from", as.set);
declare("to", alike.second, "to", as.set);
declare("differenceMetric", state.metric, "difference-metric", as.metric);
declare(
  "differenceSorting",
  null,
  "difference-sort",
  as.sorting(["category"], ({ from }) => content.sets[from].methods),
);

/** Categories and methods that both sets hold: {rows: [[row, row]], methods: [[index, index]]}. */
function common(one, other) {
  const pairs = (ours, theirs) =>
    ours
      .map(({ name }, index) => [index, theirs.findIndex((item) => item.name === name)])
      .filter(([, index]) => index >= 0);
  return {
    rows: pairs(one.categories, other.categories),
    methods: pairs(one.methods, other.methods),
  };
}

const pairOf = (from, to) =>
  content.pairs.find((pair) => pair.first === from && pair.second === to);

/** A p value of a paired test, null without a verdict. */
const corrected = (p) => (p === null ? "no verdict" : `p ${p < 0.001 ? "< 0.001" : p.toFixed(3)}`);

/** A difference and its test, if there is one: only what a test shows is called better or worse. */
function differenceEntry(metric, before, after, p, level) {
  if (before === null || before === undefined || after === null || after === undefined)
    return { sort: null, content: "–" };
  const difference = after - before;
  const text = shown(difference, metric, true);
  const same = p === undefined || p === null || p >= level;
  const better = difference > 0 === metric.higher_is_better;
  const sign = same ? "" : better ? " ▲" : " ▼";
  return {
    sort: difference,
    class: same ? null : better ? "better" : "worse",
    content: element(
      "span",
      {},
      text,
      element("span", { "aria-hidden": "true" }, sign),
      same ? null : spoken(better ? " better" : " worse"),
      element("small", {}, `${shown(before, metric)} → ${shown(after, metric)}`),
      p === undefined ? null : element("small", {}, corrected(p)),
    ),
  };
}

function differencesTable(one, other) {
  const metric = metrics[state.differenceMetric];
  const [before, after] = [one.tables[metric.name], other.tables[metric.name]];
  if (!before || !after) return element("p", {}, "Not both have this metric.");
  const { rows, methods } = common(one, other);
  const { tests, level } = (metric.name === "image_auroc" && pairOf(state.from, state.to)) || {};
  const visible = methods.filter(([index]) => !state.hidden.has(one.methods[index].name));
  const columns = methodColumns(
    one,
    visible.map(([index]) => index),
    metric,
  );
  const alone = (left, right) =>
    one.methods[left].seeds.length === 1 && other.methods[right].seeds.length === 1;
  const line = (name, ours, theirs) => ({
    key: name,
    cells: [
      { sort: name, content: name },
      ...visible.map(([left, right]) =>
        differenceEntry(
          metric,
          before.values[ours][left],
          after.values[theirs][right],
          alone(left, right) ? tests?.[name]?.[one.methods[left].name] : undefined,
          level,
        ),
      ),
    ],
  });
  const lines = rows.map(([ours, theirs]) => line(one.categories[ours].name, ours, theirs));
  const whole = rows.length === one.categories.length && rows.length === other.categories.length;
  const foot =
    whole && rows.length > 1 ? [line("mean", one.categories.length, other.categories.length)] : [];
  const how = `Second minus first, in ${unitOf(metric)}${tests ? "; p of the paired test on the images of both, corrected for all of the table by Holm’s method; ▲ better, ▼ worse, where the test shows it" : "; no test judges these"}`;
  return scrolling(
    "Differences by category",
    sortableTable(
      "difference",
      `${metric.label}. ${how}`,
      columns,
      lines,
      foot,
      state.differenceSorting,
      (differenceSorting) => change({ differenceSorting }),
    ),
  );
}

/** Images whose verdict differs between the two sets: [category, method, newly right, newly wrong]. */
function changedVerdicts(one, other) {
  const { rows, methods } = common(one, other);
  const found = [];
  for (const [ours, theirs] of rows) {
    const places = new Map((other.images[theirs]?.names ?? []).map((name, place) => [name, place]));
    for (const [left, right] of methods) {
      if (state.hidden.has(one.methods[left].name)) continue;
      const changed = { true: [], false: [] };
      (one.images[ours]?.names ?? []).forEach((name, image) => {
        const before = wrong(one, ours, left, image);
        const after = places.has(name) ? wrong(other, theirs, right, places.get(name)) : null;
        if (before !== null && after !== null && before !== after) changed[before].push(name);
      });
      if (changed.true.length + changed.false.length) {
        found.push([
          one.categories[ours].name,
          one.methods[left].name,
          changed.true,
          changed.false,
        ]);
      }
    }
  }
  return found;
}

const named = (id, found) => (found.length ? folding(id, `${found.length}`, found.join(", ")) : "0");

function verdictsTable(one, other) {
  const rows = changedVerdicts(one, other).map(([category, method, right, worse]) => [
    category,
    method,
    named(`newly-right ${category} ${method}`, right),
    named(`newly-wrong ${category} ${method}`, worse),
  ]);
  if (!rows.length)
    return element(
      "p",
      {},
      "At the F1-optimal thresholds every image has the same verdict in both.",
    );
  return scrolling(
    "Changed verdicts",
    plainTable(
      "Images with another verdict at the F1-optimal threshold",
      ["category", "method", "newly right", "newly wrong"],
      rows,
    ),
  );
}

function specifications(pair) {
  if (!pair) return null;
  if (!pair.spec.length) return element("p", {}, "Both were made by the same specifications.");
  return scrolling(
    "Specifications",
    plainTable("What differs in the specifications", ["field", "first", "second"], pair.spec),
  );
}

function renderDifferences() {
  const [one, other] = [content.sets[state.from], content.sets[state.to]];
  const { rows, methods } = common(one, other);
  if (!rows.length || !methods.length) {
    replace(
      byId("differences-content"),
      element("p", {}, "These have no category and method in common."),
    );
    return;
  }
  replace(
    byId("differences-content"),
    specifications(pairOf(state.from, state.to)),
    differencesTable(one, other),
    verdictsTable(one, other),
  );
}

function startDifferences() {
  if (content.sets.length < 2) return;
  byId("differences").hidden = byId("to-differences").hidden = false;
  for (const name of ["from", "to"]) tie(name, name, { choices: () => setChoices, read: Number });
  tie("difference-metric", "differenceMetric", { choices: () => metricChoices });
  watch(["hidden", "from", "to", "differenceMetric", "differenceSorting"], renderDifferences);
}

sections.push({ id: "differences", title: "Differences", start: startDifferences });
