/* What decides: false alarms and misses at thresholds by held-out images, and a limit of time. */

declare("alpha", "5", "promised", as.oneOf(["1", "5", "10"]));
declare("limit", "", "milliseconds", {
  ...as.text,
  read: ([found]) => (found > 0 ? found : undefined),
});

const costOf = (set, method) => set.decision.costs.find((one) => one.method === method)?.cost;

/** Whether 95 % of a method's images take no more than the limit, where there is one. */
function isFast(set, method) {
  if (!(state.limit > 0)) return true;
  return (costOf(set, method)?.milliseconds[1] ?? Infinity) <= Number(state.limit);
}

const pointOf = (set) => set.decision.points.find(({ alpha }) => String(alpha) === state.alpha);

/** A method's false alarms and misses at the chosen rate; nothing where no threshold promises it. */
const judgedOf = (set, method) => pointOf(set)?.methods.find((one) => one.method === method);

const milliseconds = (value) => (value < 10 ? value.toFixed(1) : value.toFixed(0));

/** Of so many images a rate with its interval, or with the range of several seeds, as Python has them. */
function rateOf([rate, low, high], count, total, several) {
  const ends = low === null ? [] : [low, high].map((end) => (100 * end).toFixed(1));
  const said = several ? `(${ends.join("–")})` : `${count} of ${total}${ends.length ? ` [${ends.join(", ")}]` : ""}`;
  return [`${(100 * rate).toFixed(1)} `, element("small", {}, said)];
}

/** The methods shown that are left by the limit, fewest misses first; then those of which less is known. */
function methodsLeft(set) {
  const missed = (method) => judgedOf(set, method)?.missed[0] ?? Infinity;
  return shownMethods(set)
    .filter((method) => isFast(set, method))
    .sort((one, other) => missed(one) - missed(other) || 0);
}

function decisionTable(set) {
  const [judged, timed] = [pointOf(set)?.methods.length > 0, set.decision.costs.length > 0];
  const left = methodsLeft(set);
  if (!left.length || !(judged || timed)) return null;
  // Of several categories or seeds there are several.
  const single = set.categories.length === 1 && left.every((method) => set.methods[method].seeds.length === 1);
  const name = `image_${state.alpha.padStart(2, "0")}`;
  const threshold = single ? (method) => set.cells[0][method]?.thresholds[name] ?? null : null;
  const heads = [
    "method left",
    ...(judged ? ["% missed", "% false alarms", ...(threshold ? ["alarm above"] : [])] : []),
    ...(timed ? ["ms an image"] : []),
  ];
  const rows = left.map((method) => {
    const [point, cost] = [judgedOf(set, method), costOf(set, method)];
    const [alarms, normal, missed, anomalous] = point?.images ?? [];
    const several = set.methods[method].seeds.length > 1;
    return [
      element("span", {}, swatch(set.methods[method]), ` ${set.methods[method].name}`),
      ...(judged ? [
            point && rateOf(point.missed, missed, anomalous, several),
            point && rateOf(point.alarms, alarms, normal, several),
            ...(threshold ? [significant(threshold(method))] : []),
          ] : []),
      ...(timed
        ? [cost && [`${milliseconds(cost.milliseconds[0])} `, element("small", {}, `95 % within ${milliseconds(cost.milliseconds[1])}`)]]
        : []),
    ];
  });
  return scrolling("Methods left", plainTable("", heads, rows));
}

/** How many images would tell the best two methods that are left, by image AUROC. */
function enoughSentence(set) {
  const ranked = set.tables.image_auroc?.ranking.methods ?? [];
  const left = methodsLeft(set);
  const [first, second] = ranked.map(({ method }) => method).filter((method) => left.includes(method));
  if (second === undefined) return null;
  const both = [first, second];
  const pair = content.enough[state.set].find(
    (one) => both.includes(one.first) && both.includes(one.second),
  );
  return pair ? pair.text : "Nothing says how many test images would tell the best two apart.";
}

function decisionControls(set) {
  const input = element("input", {
    id: "limit",
    type: "number",
    min: 0,
    step: "any",
    value: state.limit || null,
    placeholder: "none",
    onchange: ({ target }) => change({ limit: target.value > 0 ? target.value : "" }),
  });
  const alphas = set.decision.points.map(({ alpha }) => String(alpha));
  const select = element(
    "select",
    { id: "alpha", onchange: ({ target }) => change({ alpha: target.value, page: 0 }) },
    alphas.map((alpha) =>
      element("option", { value: alpha, selected: alpha === state.alpha }, `${alpha} %`),
    ),
  );
  const label = (text, control, unit = "") => element("label", {}, `${text} `, control, unit);
  if (!alphas.length && !set.decision.costs.length) return null;
  return element(
    "div",
    { class: "controls" },
    alphas.length ? label("False alarms of at most", select) : null,
    set.decision.costs.length ? label("and time an image of at most", input, " ms") : null,
  );
}

/** The choice, what it leaves, and how many images would be enough. */
function decisionPart(set) {
  const left = methodsLeft(set);
  return element(
    "div",
    { id: "decision", class: "decide" },
    decisionControls(set),
    left.length ? decisionTable(set) : element("p", {}, "No method shown is known to be so fast."),
    pointOf(set) ? element("p", { id: "held-out", class: "quiet" }, pointOf(set).note) : null,
    element("p", { id: "enough", class: "quiet" }, enoughSentence(set)),
  );
}
