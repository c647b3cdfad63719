/* What drags the threshold of one method in one category: a histogram and a slider. */

/** Judge one cell by a threshold of the reader's own. */
function takeThreshold(row, value) {
  const own = { ...state.own, [ownKey(row, state.judge)]: value };
  change({ point: "own", own, page: 0 }, "threshold");
}

/** A histogram and a slider over the distinct scores of a cell: what is dragged. */
function thresholdControls(row, cell) {
  const set = currentSet();
  const method = set.methods[state.judge];
  const distinct = [...new Set(cell.scores.filter((score) => score !== null))].sort(
    (one, other) => one - other,
  );
  const placeOfScore = (score) => {
    const place = distinct.findIndex((one) => one >= score);
    return place === -1 ? distinct.length : place;
  };
  const take = (place) => takeThreshold(row, distinct[place] ?? Infinity);
  const chart = histogram(
    `${set.categories[row].name}, ${method.name}`,
    method,
    set.images[row].labels,
    cell.scores,
    [],
    (score) => take(placeOfScore(score)),
  );
  const slider = element("input", {
    id: "slider",
    type: "range",
    min: 0,
    max: distinct.length,
    step: 1,
    "aria-label": "Threshold",
    oninput: (event) => take(Number(event.target.value)),
  });
  const output = element("output", { id: "threshold-value" });
  const show = (threshold) => {
    chart.moveMarks([
      { name: "threshold", value: Math.min(threshold, distinct[distinct.length - 1]) },
    ]);
    slider.value = placeOfScore(threshold);
    slider.setAttribute("aria-valuetext", significant(threshold));
    output.textContent = significant(threshold);
  };
  const nodes = [chart.figure, element("label", { class: "slider" }, "Threshold ", slider, output)];
  return { of: ownKey(row, state.judge), nodes, show };
}

const ONE_SCALE =
  "Choose one category and one method to drag the threshold: scores of different ones are not on one scale.";

let controls = null;

function renderThreshold() {
  const row = Number(state.category);
  const several = state.category === "all" || state.judge === "any";
  const threshold = several ? null : thresholdOf(row, state.judge);
  if (threshold === null) {
    controls = null;
    replace(byId("threshold"), element("p", { class: "quiet" }, ONE_SCALE));
    return;
  }
  if (controls?.of !== ownKey(row, state.judge)) {
    controls = thresholdControls(row, currentSet().cells[row][state.judge]);
    replace(byId("threshold"), controls.nodes);
  }
  controls.show(threshold);
}
