/* Which images a threshold finds, misses, passes or calls wrongly, and which the filters leave. */

const OUTCOMES = { tp: "found", tn: "passed", fp: "false positive", fn: "false negative" };

const ownKey = (row, method) => `${state.set} ${row} ${method}`;

/** A reader's threshold and what it judges, by name; one above all scores is no number. */
function writtenThreshold([key, value]) {
  const [number, row, method] = key.split(" ").map(Number);
  const set = content.sets[number];
  const named = [set.short, set.categories[row].name, set.methods[method].name];
  return JSON.stringify([...named, value === Infinity ? "above all" : value]);
}

/** The key and the value of a written threshold, undefined of what is none. */
function readThreshold(written) {
  let parts;
  try {
    parts = JSON.parse(written);
  } catch {
    return undefined;
  }
  if (!Array.isArray(parts)) return undefined;
  const [short, category, method, value] = parts;
  const number = content.sets.findIndex((set) => set.short === short);
  const set = content.sets[number];
  const row = set?.categories.findIndex(({ name }) => name === category) ?? -1;
  const column = set?.methods.findIndex(({ name }) => name === method) ?? -1;
  const threshold = value === "above all" ? Infinity : value;
  if (row < 0 || column < 0 || typeof threshold !== "number") return undefined;
  return [`${number} ${row} ${column}`, threshold];
}

const thresholds = {
  write: (own) => Object.entries(own).map(writtenThreshold),
  read: (texts) => Object.fromEntries(texts.map(readThreshold).filter(Boolean)),
};

declare("category", "all", "category", as.category);
declare("kind", "all", "kind", as.text);
declare("judge", 0, "judge", as.nameOf(methodsOf, { all: "any" }));
declare("outcome", "errors", "outcome", as.oneOf(["errors", "fp", "fn", "correct", "all"]));
declare("point", "f1_optimal", "threshold", as.oneOf(["f1_optimal", "full_recall", "calibrated", "own", "rate"]));
declare("own", {}, "own", thresholds);
declare("rate", 5, "false-alarms", as.share);
declare("page", 0, "page", as.page);

const isScored = (cell) => Boolean(cell && cell.status === "ok" && cell.scores);

/** "tp", "tn", "fp" or "fn": what a threshold makes of an image. */
function verdict(label, score, threshold) {
  const called = score >= threshold;
  if (label) return called ? "tp" : "fn";
  return called ? "fp" : "tn";
}

const isError = (outcome) => outcome === "fp" || outcome === "fn";

const atRate = new Map();

/** The lowest threshold of a cell at which no more than a share of its normal images is called. */
function thresholdAtRate(row, method) {
  const key = `${ownKey(row, method)} ${state.rate}`;
  if (!atRate.has(key)) {
    const [{ scores }, { labels }] = [currentSet().cells[row][method], currentSet().images[row]];
    const known = scores.filter((score) => score !== null).sort((one, other) => one - other);
    const normal = scores.filter((score, image) => score !== null && !labels[image]);
    normal.sort((one, other) => other - one);
    // A share of 0.07 of 100 images is 7 of them, though 0.07 · 100 is more than 7.
    const allowed = Math.floor((state.rate / 100) * normal.length + 1e-9);
    const limit = normal[allowed] ?? -Infinity;
    atRate.set(key, known.find((score) => score > limit) ?? Infinity);
  }
  return atRate.get(key);
}

/** The lowest score above a cell's threshold by held-out images, undefined where there is none. */
function thresholdHeldOut(cell, alpha) {
  const limit = cell.thresholds[`image_${alpha.padStart(2, "0")}`] ?? undefined;
  const above = cell.scores.filter((score) => score !== null && score > limit);
  return limit === undefined ? undefined : Math.min(...above);
}

/** The threshold that judges a cell; null where none is defined. */
function thresholdOf(row, method) {
  const cell = currentSet().cells[row][method];
  if (!isScored(cell)) return null;
  if (state.point === "own" && ownKey(row, method) in state.own)
    return state.own[ownKey(row, method)];
  if (state.point === "calibrated") return thresholdHeldOut(cell, state.alpha) ?? null;
  if (state.point === "rate") return thresholdAtRate(row, method);
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

/**
 * Whether an image's verdict is wrong at a cell's F1-optimal threshold, or at that of a false-alarm
 * rate; null where it has none.
 */
function wrong(set, row, method, image, alpha = null) {
  const cell = set.cells[row][method];
  if (!isScored(cell) || cell.scores[image] === null) return null;
  const limit = alpha === null ? cell.f1_optimal?.threshold : thresholdHeldOut(cell, alpha);
  if (limit === undefined) return null;
  return isError(verdict(set.images[row].labels[image], cell.scores[image], limit));
}
