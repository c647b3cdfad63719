/* Time and memory of every method and stage, and what came from the cache. */

/** One row a method with known times: totals over the chosen categories that it has finished. */
function speedRows(set) {
  const rows = shownMethods(set).map((index) => {
    const done = set.categories
      .map((category, row) => ({ category, row, cell: set.cells[row][index] }))
      .filter(({ row }) => state.speedCategory === "all" || Number(state.speedCategory) === row)
      .filter(({ cell }) => cell && cell.status === "ok" && cell.fit_seconds !== null);
    const images = sum(
      done.map(({ category }) => (category.n_good ?? 0) + (category.n_defect ?? 0)),
    );
    const score = sum(done.map(({ cell }) => cell.score_seconds));
    const memory = done.map(({ cell }) => cell.peak_memory_mb).filter((peak) => peak !== null);
    return {
      method: set.methods[index],
      cells: done.length,
      fit: sum(done.map(({ cell }) => cell.fit_seconds)),
      score,
      image: images ? (1000 * score) / images : null,
      memory: memory.length ? Math.max(...memory) : null,
    };
  });
  return rows.filter(({ cells }) => cells);
}

const SPEED_COLUMNS = [
  { name: "method", head: "method", ascending: true },
  { name: "cells", head: "cells", ascending: false },
  { name: "fit", head: "fit", ascending: true },
  { name: "score", head: "score", ascending: true },
  { name: "image", head: "a test image", ascending: true },
  { name: "memory", head: "peak memory", ascending: true },
];

declare("speedCategory", "all", "speed", as.category);
declare("speedSorting", null, "speed-sort", as.sorting(SPEED_COLUMNS.map(({ name }) => name)));

function methodsTable(rows) {
  const lines = rows.map((row) => ({
    key: row.method.name,
    cells: [
      {
        sort: row.method.name,
        content: element("span", {}, swatch(row.method), ` ${row.method.name}`),
      },
      { sort: row.cells, content: `${row.cells}` },
      { sort: row.fit, content: seconds(row.fit) },
      { sort: row.score, content: seconds(row.score) },
      { sort: row.image, content: row.image === null ? "–" : `${row.image.toFixed(1)} ms` },
      {
        sort: row.memory,
        content: row.memory === null ? "–" : `${(row.memory / 1000).toFixed(2)} GB`,
      },
    ],
  }));
  return sortableTable(
    "speed",
    `Methods${rows.some(({ cells }) => cells > 1) ? ", summed over the categories" : ""}; the largest peak memory of the process`,
    SPEED_COLUMNS,
    lines,
    [],
    state.speedSorting,
    (speedSorting) => change({ speedSorting }),
  );
}

/** Bars of fitting and scoring, one a method. */
function speedBars(rows) {
  const most = Math.max(...rows.map((row) => row.fit + row.score)) || 1;
  const bar = (kind, value, colour) =>
    element("span", { class: kind, style: `width: ${(100 * value) / most}%; background: ${colour}` });
  const bars = rows.map(({ method, fit, score }) => [
    element("span", {}, method.name),
    element("span", { class: "track" }, bar("fit", fit, method.colour), bar("score", score, method.colour)),
    element("span", {}, seconds(fit + score)),
  ]);
  const label = rows
    .map((row) => `${row.method.name}: fit ${seconds(row.fit)}, score ${seconds(row.score)}`)
    .join("; ");
  return element(
    "figure",
    { class: "chart" },
    element("figcaption", {}, "Seconds to fit (full colour) and to score (pale)"),
    element("div", { class: "bars", role: "img", "aria-label": label }, bars),
  );
}

function cacheTable(set) {
  if (!set.extractions.length)
    return element("p", { class: "quiet" }, "Nothing is on record of the backbone's passes.");
  const rows = set.extractions.map(({ category, images, passed, seconds: taken }) => [
    category,
    `${images}`,
    `${passed}`,
    `${images - passed}`,
    seconds(taken),
  ]);
  const total = (name) => sum(set.extractions.map((one) => one[name]));
  const [images, passed] = [total("images"), total("passed")];
  const all = ["all", `${images}`, `${passed}`, `${images - passed}`, seconds(total("seconds"))];
  if (rows.length > 1) rows.push(all);
  return scrolling(
    "Backbone and cache",
    plainTable(
      "Backbone: images whose features were needed, over all calls",
      ["category", "images", "passed the backbone", "from the cache", "time"],
      rows,
    ),
  );
}

function callsTable(set) {
  if (!set.calls.length) return null;
  const rows = set.calls.map((call) => [
    call.started_utc.slice(0, 19).replace("T", " "),
    seconds(call.seconds),
    `${call.cells}`,
    `${call.failed}`,
    `${call.workers}`,
    call.device,
  ]);
  return scrolling(
    "Calls",
    plainTable("Calls", ["started (UTC)", "took", "cells", "failed", "workers", "device"], rows),
  );
}

function startSpeed() {
  watch(["set", "hidden", "metric"], renderPareto);
  tie("speed-category", "speedCategory", { choices: allCategoryChoices, on: ["set"] });
  watch(["set", "hidden", "speedCategory", "speedSorting"], () => {
    const set = currentSet();
    const rows = speedRows(set);
    replace(
      byId("speed-content"),
      ...(rows.length
        ? [scrolling("Methods", methodsTable(rows)), speedBars(rows)]
        : [element("p", { class: "quiet" }, "Nothing is on record of what methods took.")]),
      cacheTable(set),
      callsTable(set),
    );
  });
}

sections.push({ id: "speed", title: "Speed and memory", start: startSpeed });
