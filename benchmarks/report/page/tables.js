/* Tables: plain ones, and those whose columns sort. */

/**
 * A table whose columns sort: the first click puts what is best or greatest first.
 *
 * columns: [{name, head, ascending}], rows and foot: [{key, cells: [{sort, content, class}]}].
 * `sorting` is {column, ascending} or null; `sort` is called with the next one.
 */
function sortableTable(id, caption, columns, rows, foot, sorting, sort) {
  const ordered = [...rows];
  const place = columns.findIndex(({ name }) => name === sorting?.column);
  if (place >= 0) {  // a hidden method's column is not there
    const sign = sorting.ascending ? 1 : -1;
    ordered.sort((one, other) => sign * compared(one.cells[place], other.cells[place], sign));
  }
  const head = columns.map((column) => sortingHead(id, column, sorting, sort));
  return element(
    "table",
    {},
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, head)),
    element("tbody", {}, ordered.map(tableRow)),
    foot.length ? element("tfoot", {}, foot.map(tableRow)) : null,
  );
}

/** Columns of categories and of methods, by their indices; what is best of a metric comes first. */
const methodColumns = (set, methods, metric) => [
  { name: "category", head: "category", ascending: true },
  ...methods.map((index) => ({
    name: `method-${index}`,
    head: set.methods[index].name,
    ascending: !metric.higher_is_better,
  })),
];

/** What scrolls sideways where it is too wide, with the keyboard, too. */
const scrolling = (label, table) =>
  element("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": label }, table);

/** Order two entries of a column; those without a value come last whatever the direction. */
function compared(one, other, direction) {
  const [a, b] = [one.sort, other.sort];
  if (a === null || b === null) return direction * ((a === null) - (b === null));
  return typeof a === "string" ? a.localeCompare(b) : a - b;
}

function sortingHead(id, { name, head, ascending }, sorting, sort) {
  const now = sorting && sorting.column === name ? sorting : null;
  const next = { column: name, ascending: now ? !now.ascending : ascending };
  const arrow = now ? (now.ascending ? " ▲" : " ▼") : "";
  return element(
    "th",
    { scope: "col", "aria-sort": now && (now.ascending ? "ascending" : "descending") },
    element(
      "button",
      { type: "button", id: `${id}-by-${name}`, onclick: () => sort(next) },
      head,
      element("span", { "aria-hidden": "true" }, arrow),
    ),
  );
}

function tableRow({ key, cells: [first, ...rest] }) {
  return element(
    "tr",
    { "data-row": key },
    element("th", { scope: "row" }, first.content),
    rest.map((cell) => element("td", { class: cell.class }, cell.content)),
  );
}

/** A table of texts and elements, each row's first its heading. */
function plainTable(caption, heads, rows) {
  return element(
    "table",
    {},
    element("caption", {}, caption),
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        heads.map((head) => element("th", { scope: "col" }, head)),
      ),
    ),
    element(
      "tbody",
      {},
      rows.map(([first, ...rest]) =>
        element(
          "tr",
          {},
          element("th", { scope: "row" }, first),
          rest.map((one) => element("td", {}, one ?? "–")),
        ),
      ),
    ),
  );
}
