/* Every test image with its defect and each method's map, by outcome at a threshold. */

Object.assign(state, {
  category: "all", kind: "all", judge: 0, outcome: "errors", point: "f1_optimal", own: {}, page: 0, size: 128,
});
const PAGE = 12;
const OUTCOMES = { tp: "found", tn: "passed", fp: "false positive", fn: "false negative" };

const ownKey = (row, method) => `${state.set} ${row} ${method}`;

/** The threshold that judges a cell; null where none is defined. */
function thresholdOf(row, method) {
  const cell = currentSet().cells[row][method];
  if (!cell || cell.status !== "ok" || !cell.scores) return null;
  if (state.point === "own" && ownKey(row, method) in state.own) return state.own[ownKey(row, method)];
  const point = cell[state.point === "full_recall" ? "full_recall" : "f1_optimal"];
  return point ? point.threshold : null;
}

/** "tp", "tn", "fp" or "fn"; null where the method has no score or no threshold. */
function outcomeOf(row, image, method) {
  const set = currentSet();
  const threshold = thresholdOf(row, method);
  const score = threshold === null ? null : set.cells[row][method].scores[image];
  if (score === null) return null;
  return (score >= threshold ? (set.images[row].labels[image] ? "tp" : "fp") : set.images[row].labels[image] ? "fn" : "tn");
}

const galleryRows = () =>
  currentSet().categories
    .map((_, row) => row)
    .filter((row) => currentSet().images[row] && (state.category === "all" || Number(state.category) === row));

const judges = () => (state.judge === "any" ? shownMethods() : [state.judge]);

/** How many images of the chosen categories have each outcome, by one method. */
function countsOf(method) {
  const counts = { tp: 0, tn: 0, fp: 0, fn: 0 };
  for (const row of galleryRows()) {
    currentSet().images[row].names.forEach((_, image) => {
      const outcome = outcomeOf(row, image, method);
      if (outcome) counts[outcome] += 1;
    });
  }
  return counts;
}

const WANTED = {
  errors: (outcomes) => outcomes.some((one) => one === "fp" || one === "fn"),
  fp: (outcomes) => outcomes.includes("fp"),
  fn: (outcomes) => outcomes.includes("fn"),
  correct: (outcomes) => outcomes.length > 0 && outcomes.every((one) => one === "tp" || one === "tn"),
  all: () => true,
};

/** The images that the filters leave: [[row, image]]. */
function chosenImages() {
  return galleryRows().flatMap((row) => {
    const { names, kinds } = currentSet().images[row];
    return names
      .map((_, image) => [row, image])
      .filter(([, image]) => state.kind === "all" || kinds[image] === state.kind)
      .filter(([, image]) => {
        const outcomes = judges().map((method) => outcomeOf(row, image, method)).filter(Boolean);
        return WANTED[state.outcome](outcomes);
      });
  });
}

/** Judge one cell by a threshold of the reader's own. */
function takeThreshold(row, value) {
  byId("point").value = "own";
  change({ point: "own", own: { ...state.own, [ownKey(row, state.judge)]: value }, page: 0 });
}

/** A histogram and a slider over the distinct scores of a cell: what is dragged. */
function thresholdControls(row, cell) {
  const set = currentSet();
  const method = set.methods[state.judge];
  const distinct = [...new Set(cell.scores.filter((score) => score !== null))].sort((one, other) => one - other);
  const placeOfScore = (score) => {
    const place = distinct.findIndex((one) => one >= score);
    return place === -1 ? distinct.length : place;
  };
  const take = (place) => takeThreshold(row, distinct[place] ?? Infinity);
  const chart = histogram(`${set.categories[row].name}, ${method.name}`, method, set.images[row].labels, cell.scores, [],
    (score) => take(placeOfScore(score)));
  const slider = element("input", {
    id: "slider", type: "range", min: 0, max: distinct.length, step: 1, "aria-label": "Threshold",
    oninput: (event) => take(Number(event.target.value)),
  });
  const output = element("output", { id: "threshold-value" });
  const show = (threshold) => {
    chart.moveMarks([{ name: "threshold", value: Math.min(threshold, distinct[distinct.length - 1]) }]);
    slider.value = placeOfScore(threshold);
    slider.setAttribute("aria-valuetext", significant(threshold));
    output.textContent = significant(threshold);
  };
  const nodes = [chart.figure, element("label", { class: "slider" }, "Threshold ", slider, output)];
  return { of: ownKey(row, state.judge), nodes, show };
}

let controls = null;

function renderThreshold() {
  const row = Number(state.category);
  const several = state.category === "all" || state.judge === "any";
  const threshold = several ? null : thresholdOf(row, state.judge);
  if (threshold === null) {
    controls = null;
    replace(byId("threshold"), element("p", { class: "quiet" },
      "Choose one category and one method to drag the threshold: scores of different ones are not on one scale."));
    return;
  }
  if (controls?.of !== ownKey(row, state.judge)) {
    controls = thresholdControls(row, currentSet().cells[row][state.judge]);
    replace(byId("threshold"), controls.nodes);
  }
  controls.show(threshold);
}

function renderCounts(chosen) {
  const total = sum(galleryRows().map((row) => currentSet().images[row].names.length));
  const said = `${chosen.length} of ${total} images shown.`;
  if (state.judge === "any") {
    byId("counts").textContent = `${said} Judged by any method shown.`;
    return;
  }
  const { tp, tn, fp, fn } = countsOf(state.judge);
  const all = tp + tn + fp + fn;
  const rates = all ? ` (${((100 * (fp + fn)) / all).toFixed(1)} % wrong)` : "";
  byId("counts").textContent =
    `${currentSet().methods[state.judge].name}: ${fp} false positives, ${fn} false negatives, ${tp} found, ${tn} passed${rates}. ${said}`;
}

function card(row, image) {
  const set = currentSet();
  const images = set.images[row];
  const name = `${set.categories[row].name} · ${images.kinds[image]} · ${images.names[image].split("/").pop()}`;
  const picture = (caption, description, options) => {
    const canvas = element("canvas", { role: "img", "aria-label": description, width: images.side, height: images.side });
    if (images.images === null || (options.cell && options.cell.maps === null)) {
      return element("figure", {}, element("span", { class: "nothing" }, "not stored"), element("figcaption", {}, caption));
    }
    drawTile(canvas, images, image, options);
    return element("figure", {}, canvas, element("figcaption", {}, caption));
  };
  const maps = shownMethods().map((method) => {
    const cell = set.cells[row][method];
    const look = set.methods[method];
    if (!cell || cell.status !== "ok" || !cell.scores) {
      return element("figure", {}, element("span", { class: "nothing" }, cell ? "failed" : "not run"), element("figcaption", {}, look.name));
    }
    const outcome = outcomeOf(row, image, method);
    const caption = element("span", {}, swatch(look), ` ${look.name}`, element("br"),
      cell.scores[image] === null ? "–" : significant(cell.scores[image]), " ",
      outcome ? element("span", { class: `outcome ${outcome}` }, OUTCOMES[outcome]) : null);
    return picture(caption, `anomaly map of ${look.name}`, { cell });
  });
  return element(
    "article",
    { class: "card", "data-image": images.names[image], "data-category": set.categories[row].name },
    element("h3", {}, name),
    element("div", { class: "strip" },
      picture("image", `test image ${name}`, {}),
      picture(images.labels[image] ? "true defect" : "no defect", "true defect, outlined", { outlined: true }), maps),
  );
}

function renderGallery() {
  const chosen = chosenImages();
  const pages = Math.max(1, Math.ceil(chosen.length / PAGE));
  state.page = Math.max(0, Math.min(pages - 1, state.page));
  renderCounts(chosen);
  const cards = chosen.slice(PAGE * state.page, PAGE * (state.page + 1)).map(([row, image]) => card(row, image));
  replace(byId("cards"), cards.length ? cards : [element("p", {}, "No image is left by these filters.")]);
  byId("page").textContent = `Page ${state.page + 1} of ${pages}`;
  for (const [id, off] of [["first-page", state.page === 0], ["previous-page", state.page === 0],
    ["next-page", state.page === pages - 1], ["last-page", state.page === pages - 1]]) {
    byId(id).disabled = off;
  }
}

/** Fill the selects of the gallery with what the chosen results hold. */
function renderChoices() {
  const set = currentSet();
  fillSelect(byId("gallery-category"), [["all", "all"], ...set.categories.map(({ name }, row) => [row, name])]);
  fillSelect(byId("judge"), [...shownMethods().map((index) => [index, set.methods[index].name]), ["any", "any method"]]);
  state.category = byId("gallery-category").value;
  state.judge = byId("judge").value === "any" ? "any" : Number(byId("judge").value);
  const kinds = new Set(galleryRows().flatMap((row) => set.images[row].kinds));
  fillSelect(byId("kind"), [["all", "all"], ...[...kinds].sort().map((kind) => [kind, kind])]);
  state.kind = byId("kind").value;
  state.page = 0;
}

function startGallery() {
  const listen = (id, name, read = (value) => value) =>
    byId(id).addEventListener("change", (event) => change({ [name]: read(event.target.value), page: 0 }));
  listen("gallery-category", "category");
  listen("kind", "kind");
  listen("judge", "judge", (value) => (value === "any" ? value : Number(value)));
  listen("outcome", "outcome");
  listen("point", "point");
  byId("size").addEventListener("change", (event) => byId("cards").style.setProperty("--tile", `${event.target.value}px`));
  const turn = (id, to) => byId(id).addEventListener("click", () => change({ page: to() }));
  turn("first-page", () => 0);
  turn("previous-page", () => state.page - 1);
  turn("next-page", () => state.page + 1);
  turn("last-page", () => Infinity);
  watch(["set", "hidden", "category"], renderChoices);
  watch(["set", "hidden", "category", "judge", "point", "own"], renderThreshold);
  watch(["set", "hidden", "category", "kind", "judge", "outcome", "point", "own", "page"], renderGallery);
}
