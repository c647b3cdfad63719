/* Which images a threshold finds, misses, passes or calls wrongly, and which the filters leave. */

Object.assign(state, {
  category: "all",
  kind: "all",
  judge: 0,
  outcome: "errors",
  point: "f1_optimal",
  own: {},
  page: 0,
});
const OUTCOMES = { tp: "found", tn: "passed", fp: "false positive", fn: "false negative" };

const ownKey = (row, method) => `${state.set} ${row} ${method}`;

const isScored = (cell) => Boolean(cell && cell.status === "ok" && cell.scores);

/** "tp", "tn", "fp" or "fn": what a threshold makes of an image. */
function verdict(label, score, threshold) {
  const called = score >= threshold;
  if (label) return called ? "tp" : "fn";
  return called ? "fp" : "tn";
}

const isError = (outcome) => outcome === "fp" || outcome === "fn";

/** The threshold that judges a cell; null where none is defined. */
function thresholdOf(row, method) {
  const cell = currentSet().cells[row][method];
  if (!isScored(cell)) return null;
  if (state.point === "own" && ownKey(row, method) in state.own)
    return state.own[ownKey(row, method)];
  const point = cell[state.point === "full_recall" ? "full_recall" : "f1_optimal"];
  return point ? point.threshold : null;
}

/** "tp", "tn", "fp" or "fn"; null where the method has no score or no threshold. */
function outcomeOf(row, image, method) {
  const set = currentSet();
  const threshold = thresholdOf(row, method);
  const score = threshold === null ? null : set.cells[row][method].scores[image];
  if (score === null) return null;
  return verdict(set.images[row].labels[image], score, threshold);
}

const galleryRows = () =>
  currentSet()
    .categories.map((_, row) => row)
    .filter(
      (row) =>
        currentSet().images[row] && (state.category === "all" || Number(state.category) === row),
    );

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
  errors: (outcomes) => outcomes.some(isError),
  fp: (outcomes) => outcomes.includes("fp"),
  fn: (outcomes) => outcomes.includes("fn"),
  correct: (outcomes) => outcomes.length > 0 && !outcomes.some(isError),
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
        const outcomes = judges()
          .map((method) => outcomeOf(row, image, method))
          .filter(Boolean);
        return WANTED[state.outcome](outcomes);
      });
  });
}
