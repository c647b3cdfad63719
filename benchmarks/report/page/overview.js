/* The table of categories and methods, and what made its numbers. */

declare("sorting", null, "sort", as.sorting(["category"], methodsOf));
declare("filter", "", "categories", as.text);
declare("intervals", false, "intervals", as.flag);
declare("published", false, "published", as.flag);

function renderFacts() {
  const set = currentSet();
  byId("caption").textContent = set.caption;
  byId("synthetic").hidden = !set.synthetic;
  const [noted, lines] = [set.notes.join("; "), set.notes.map((note) => element("p", { class: "quiet" }, note))];
  replace(byId("notes"), noted.length > 300 ? folding("losses", "What the images lose, and imports", lines) : lines);
  const parameters = set.methods.map((method) => [
    method.name,
    Object.entries(method.params)
      .map(([name, value]) => `${name} = ${JSON.stringify(value)}`)
      .join(", "),
  ]);
  const facts = [...set.facts, ...parameters.filter(([, text]) => text)];
  replace(
    byId("facts"),
    facts.flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]),
  );
}

/** One entry: the value, whether it is marked, and beside it what was asked for. */
function entry(table, row, method, set) {
  const metric = metrics[state.metric];
  const [value, deviation] = [table.values[row][method], table.deviations[row][method]];
  if (table.failed[row][method]) {
    const cell = set.cells[row][method];
    return {
      sort: null,
      content: element("span", { class: "failed", title: cell ? cell.error : null }, "failed"),
    };
  }
  const best = table.best[row].includes(method);
  const parts = [
    element(best ? "strong" : "span", {}, shown(value, metric)),
    best ? spoken(" (marked)") : null,
  ];
  const ends = table.ranges?.map((grid) => grid[row][method]);
  if (deviation !== null && value !== null) parts.push(spreadOf(deviation, ends, metric));
  const [low, high] = [table.low?.[row]?.[method] ?? null, table.high?.[row]?.[method] ?? null];
  if (state.intervals && low !== null) {
    parts.push(element("small", {}, `[${shown(low, metric)}, ${shown(high, metric)}]`));
  }
  const published = state.published ? (table.published?.[row]?.[method] ?? null) : null;
  if (published !== null) {
    const difference = value === null ? null : value - published;
    const gap = difference === null ? "" : ` (${shown(difference, metric, true)})`;
    parts.push(element("small", {}, `paper ${shown(published, metric)}${gap}`));
  }
  return { sort: value, content: element("span", {}, parts) };
}

function renderTable() {
  const set = currentSet();
  const metric = metrics[state.metric];
  const table = set.tables[state.metric];
  byId("published-label").hidden = !Object.values(set.tables).some((one) => one.published);
  if (!table) {
    byId("metric-note").textContent = "";
    replace(byId("table"), element("p", {}, "No cell has this metric."));
    return;
  }
  const direction = metric.higher_is_better ? "higher" : "lower";
  const notes = [
    `${metric.description} In ${unitOf(metric)}, ${direction} is better${table.left_out}. ${table.note}`,
  ];
  if (state.intervals && table.low) notes.push(`Intervals: ${table.interval_note}`);
  if (state.published)
    notes.push(table.published ? table.published_note : "No published values of this metric.");
  byId("metric-note").textContent = notes.join(" ");

  const methods = shownMethods();
  const columns = methodColumns(set, methods, metric);
  const line = (name, row) => ({
    key: name,
    cells: [
      { sort: name, content: name },
      ...methods.map((method) => entry(table, row, method, set)),
    ],
  });
  const wanted = state.filter.trim().toLowerCase();
  const rows = set.categories
    .map((category, row) => line(category.name, row))
    .filter((row) => row.key.toLowerCase().includes(wanted));
  const mean = line("mean", set.categories.length);
  const complete = methods.some((method) => table.values[set.categories.length][method] !== null);
  mean.cells[0].content = complete
    ? `mean of all ${set.categories.length} categories`
    : "mean (no complete set)";
  const foot = set.categories.length > 1 ? [mean] : [];
  const synthetic = set.synthetic ? "Synthetic data. " : "";
  replace(
    byId("table"),
    sortableTable(
      "overview",
      `${synthetic}${metric.label} in ${unitOf(metric)}`,
      columns,
      rows,
      foot,
      state.sorting,
      (sorting) => change({ sorting }),
    ),
    rows.length ? null : element("p", {}, `No category holds “${state.filter}”.`),
  );
}

function startOverview() {
  for (const name of ["filter", "intervals", "published"]) tie(name, name);
  watch(["set"], renderFacts);
  watch(["set", "hidden", "metric", "sorting", "filter", "intervals", "published"], renderTable);
}

sections.push({ id: "overview", title: "Overview", start: startOverview });
