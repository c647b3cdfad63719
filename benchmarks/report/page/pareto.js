/* Accuracy against the time of an image, with the methods that no other beats in both joined. */

/** Ticks of powers of ten, and of twice and five times them, as logarithms. */
function logTicks(low, high) {
  const ticks = [];
  for (let power = Math.floor(low); power <= high; power += 1) {
    for (const factor of [1, 2, 5]) ticks.push(power + Math.log10(factor));
  }
  return ticks.filter((tick) => tick >= low - 1e-9 && tick <= high + 1e-9);
}

/** Where a name stands beside its point so that it touches no other: [x, y, anchor], or null. */
function freePlace(name, at, up, taken) {
  const width = textWidth(name);
  for (const [x, y, anchor] of [[8, -6, "start"], [8, 14, "start"], [-8, -6, "end"], [-8, 14, "end"]]) {
    const left = anchor === "start" ? at + x : at + x - width;
    const box = { left, right: left + width, top: up + y - 10, bottom: up + y + 3 };
    const apart = (one) =>
      one.right < box.left || one.left > box.right || one.bottom < box.top || one.top > box.bottom;
    if (left > CHART.left && box.right < CHART.width && taken.every(apart)) {
      taken.push(box);
      return [at + x, up + y, anchor];
    }
  }
  return null;
}

/** The methods shown with a time and a value: {look, cost, value, low, high, text}. */
function timedMethods(set, metric) {
  return rankedMethods(set, set.tables[metric.name].ranking)
    .map((one) => ({ ...one, look: set.methods[one.method], cost: costOf(set, one.method) }))
    .filter(({ cost }) => cost)
    .map((one) => ({
      ...one,
      low: one.low ?? one.value,
      high: one.high ?? one.value,
      text:
        `${one.look.name}: ${milliseconds(one.cost.milliseconds[0])} ms, 95 % within ` +
        `${milliseconds(one.cost.milliseconds[1])} ms; ${shown(one.value, metric)}` +
        (one.low === null ? "" : ` ${interval(one.low, one.high, metric)}`),
    }));
}

function paretoChart(set, metric) {
  const found = timedMethods(set, metric);
  if (!found.length) return null;
  const scale = metric.unit === "fraction" ? 100 : 1;
  const times = found.flatMap(({ cost }) => cost.milliseconds.map(Math.log10));
  const values = found.flatMap(({ low, high }) => [scale * low, scale * high]);
  const span = (all, least) => {
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const room = Math.max(least, 0.08 * (high - low));
    return { low: low - room, high: high + room };
  };
  const [across, up] = [span(times, 0.1), span(values, 0.5 * (scale / 100))];
  const { svg, plot, toX, toY } = axes(
    `${metric.label} against milliseconds an image: ${found.map(({ text }) => text).join("; ")}`,
    { label: "milliseconds an image, alone", ...across, ticks: logTicks(across.low, across.high), power: true },
    { label: `${metric.label} in ${unitOf(metric)}`, ...up, ticks: roundTicks(up.low, up.high) },
  );
  const readout = readoutLine();
  const placeOfMethod = ({ cost, value }) => [toX(Math.log10(cost.milliseconds[0])), toY(scale * value)];
  const best = set.tables[metric.name].front
    .map((method) => found.find((one) => one.method === method))
    .filter(Boolean);
  const steps = best.map((one, number) => {
    const [x, y] = placeOfMethod(one);
    return number ? `H${x}V${y}` : `M${x},${y}`;
  });
  if (best.length) plot.append(shape("path", { class: "front", d: `${steps.join("")}H${CHART.width - CHART.right}` }));
  const taken = found.flatMap((one) => {
    const [x, y] = placeOfMethod(one);
    const right = toX(Math.log10(one.cost.milliseconds[1]));
    return [
      { left: x - 4, right: Math.max(x + 4, right), top: y - 2, bottom: y + 2 },
      { left: x - 2, right: x + 2, top: toY(scale * one.high), bottom: toY(scale * one.low) },
    ];
  });
  for (const one of found) {
    const [x, y] = placeOfMethod(one);
    const line = (attributes) => shape("line", { stroke: one.look.colour, "stroke-width": 1.2, ...attributes });
    const name = freePlace(one.look.name, x, y, taken);
    plot.append(
      shape(
        "g",
        { class: "timed", "data-method": one.look.name },
        line({ x1: x, x2: x, y1: toY(scale * one.low), y2: toY(scale * one.high) }),
        line({ x1: x, x2: toX(Math.log10(one.cost.milliseconds[1])), y1: y, y2: y }),
        shape("circle", { cx: x, cy: y, r: 4, fill: one.look.colour }),
        name && shape("text", { x: name[0], y: name[1], "text-anchor": name[2] }, one.look.name),
      ),
    );
  }
  const lines = found.map((one) => ({ points: [{ x: Math.log10(one.cost.milliseconds[0]), y: scale * one.value }] }));
  readable(svg, lines, toX, toY, (line) => (readout.textContent = found[lines.indexOf(line)].text));
  return framed(`${metric.label} against time; no method is above the grey line`, svg, readout);
}

function costTable(set) {
  const rows = set.decision.costs
    .filter(({ method }) => shownMethods(set).includes(method))
    .map(({ method, cost: one }) => [
      element("span", {}, swatch(set.methods[method]), ` ${set.methods[method].name}`),
      milliseconds(one.milliseconds[0]),
      milliseconds(one.milliseconds[1]),
      one.images_per_second.toFixed(1),
      `${one.batch}`,
      one.state_bytes === null ? "–" : (one.state_bytes / 1e6).toFixed(1),
      one.peak_memory_mb.toFixed(0),
    ]);
  const heads = ["method", "ms an image", "95 % within", "images a second", "in batches of", "MB fitted", "MB at most"];
  return rows.length ? scrolling("From file to verdict", plainTable(set.decision.timed, heads, rows)) : null;
}

function renderPareto() {
  const [set, metric] = [currentSet(), metrics[state.metric]];
  replace(
    byId("pareto"),
    set.decision.costs.length
      ? [set.tables[metric.name] ? paretoChart(set, metric) : null, costTable(set)]
      : element("p", { class: "quiet" }, "What an image takes from file to verdict is measured by python -m benchmarks.cost, with the run’s name."),
  );
}
