/* A threshold of the reader's own: of one method and category, or one false-alarm rate for all. */

/** Judge one cell by a threshold of the reader's own. */
function takeThreshold(row, value) {
  const own = { ...state.own, [ownKey(row, state.judge)]: value };
  change({ point: "own", own, page: 0 }, "threshold");
}

/** A histogram, a slider over the distinct scores of a cell, and a field for any threshold. */
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
  const field = element("input", {
    id: "threshold-value",
    type: "number",
    step: "any",
    "aria-label": "Threshold, as a number",
    onchange: () => Number.isFinite(field.valueAsNumber) && takeThreshold(row, field.valueAsNumber),
  });
  const show = (threshold) => {
    chart.moveMarks([
      { name: "threshold", value: Math.min(threshold, distinct[distinct.length - 1]) },
    ]);
    slider.value = placeOfScore(threshold);
    slider.setAttribute("aria-valuetext", significant(threshold));
    field.value = threshold === Infinity ? "" : threshold;
    field.placeholder = threshold === Infinity ? significant(threshold) : "";
  };
  const nodes = [chart.figure, element("label", { class: "slider" }, "Threshold ", slider), field];
  return { of: ownKey(row, state.judge), nodes, show };
}

const ONE_SCALE =
  "Choose one category and one method to set a threshold: scores of different ones are not on one scale. One false-alarm rate can be chosen for all methods.";

const AT_RATE =
  "Each method is judged, in each category, at its lowest threshold that calls no more of these normal test images anomalous; they chose it.";

/** A field and a slider for a false-alarm rate. */
function rateControls() {
  const input = (id, type, step) =>
    element("input", {
      id,
      type,
      min: 0,
      max: 100,
      step,
      "aria-label": `False-alarm rate in per cent${type === "range" ? ", as a slider" : ""}`,
      oninput: ({ target }) =>
        target.value !== "" && change({ rate: Number(target.value), page: 0 }, "rate"),
    });
  const [slider, field] = [input("rate-slider", "range", 0.5), input("rate", "number", "any")];
  const show = () => {
    slider.value = state.rate;
    if (Number(field.value) !== state.rate || field.value === "") field.value = state.rate;
  };
  const label = element("label", { class: "slider" }, "False alarms, in % of normal images ", slider);
  return { of: "rate", nodes: [label, field, element("p", { class: "quiet" }, AT_RATE)], show };
}

let controls = null;

function renderThreshold() {
  if (state.point === "rate") {
    if (controls?.of !== "rate") {
      controls = rateControls();
      replace(byId("threshold"), controls.nodes);
    }
    controls.show();
    return;
  }
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
