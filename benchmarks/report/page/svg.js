/* Charts as SVG: axes, and curves that can be read with the pointer or the keyboard. */

const CHART = { width: 340, height: 260, left: 46, right: 12, top: 10, bottom: 40, band: 30 };

/** About `count` round numbers from `low` to `high`. */
function roundTicks(low, high, count = 4) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const ticks = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + step * 1e-9; tick += step) {
    ticks.push(Number(tick.toPrecision(12)));
  }
  return ticks;
}

/** A tick's text, in the shorter of two writings. */
function tickText(tick) {
  const [plain, short] = [`${tick}`, tick.toExponential().replace("e+", "e")];
  return (short.length < plain.length ? short : plain).replaceAll("-", "−");
}

/** About how wide a text of eleven pixels is drawn; rather more. */
const textWidth = (text) => 6.6 * text.length;

/** Every so many of the ticks that their texts don't touch, and where each text stands: [[tick, x]]. */
function apart(ticks, toX, written = tickText) {
  const width = Math.max(0, ...ticks.map((tick) => textWidth(written(tick))));
  const last = CHART.width - width / 2;
  const moved = Math.max(0, toX(ticks[ticks.length - 1]) - last);
  const every = Math.max(1, Math.ceil((width + moved + 6) / (toX(ticks[1]) - toX(ticks[0]))));
  const kept = ticks.length > 1 ? ticks.filter((_, place) => place % every === 0) : ticks;
  return kept.map((tick) => [tick, Math.min(toX(tick), last)]);
}

/**
 * An empty chart: {svg, plot, toX, toY, fromX}; `x` and `y` are {label, low, high, ticks}, the
 * ticks of `y` written in its `unit`, where it has one, those of `x` as ten to their `power`, where
 * it is set; the plot begins at `top`.
 */
function axes(label, x, y, top = CHART.top) {
  const { width, height, left, right, bottom } = CHART;
  const toX = (value) => left + ((value - x.low) / (x.high - x.low)) * (width - left - right);
  const toY = (value) =>
    height - bottom - ((value - y.low) / (y.high - y.low)) * (height - top - bottom);
  const fromX = (at) => x.low + ((at - left) / (width - left - right)) * (x.high - x.low);
  const plot = shape("g", {});
  const axis = shape("path", {
    class: "axis",
    d: `M${left},${top}V${height - bottom}H${width - right}`,
  });
  const written = (tick) => (x.power ? `${Number((10 ** tick).toPrecision(3))}` : tickText(tick));
  const across = apart(x.ticks, toX, written).map(([tick, at]) => [
    shape("line", { class: "grid", x1: toX(tick), x2: toX(tick), y1: top, y2: height - bottom }),
    shape("text", { x: at, y: height - bottom + 14, "text-anchor": "middle" }, written(tick)),
  ]);
  const up = y.ticks.map((tick) => [
    shape("line", { class: "grid", x1: left, x2: width - right, y1: toY(tick), y2: toY(tick) }),
    shape("text", { x: left - 6, y: toY(tick) + 4, "text-anchor": "end" }, tickText(tick / (y.unit ?? 1))),
  ]);
  const middle = (height - bottom + top) / 2;
  const labels = [
    shape(
      "text",
      { x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" },
      x.label,
    ),
    shape(
      "text",
      { transform: `translate(12,${middle}) rotate(-90)`, "text-anchor": "middle" },
      y.label,
    ),
  ];
  const svg = shape(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img", tabindex: "0", "aria-label": label },
    across,
    up,
    axis,
    plot,
    labels,
  );
  return { svg, plot, toX, toY, fromX };
}

/** Where a pointer event lies in the chart's own units. */
function placeOf(event, svg) {
  const box = svg.getBoundingClientRect();
  const scale = CHART.width / box.width;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
}

const framed = (title, svg, readout) =>
  element("figure", { class: "chart" }, element("figcaption", {}, title), svg, readout);

const readoutLine = () => element("p", { class: "readout", "aria-live": "polite" }, "\u00a0");

/** Curves; `lines` are [{name, colour, dash, points: [{x, y, text}], steps}]. */
function curveChart(title, label, x, y, lines) {
  const { svg, plot, toX, toY } = axes(label, x, y);
  const readout = readoutLine();
  for (const line of lines) {
    const path = line.points.map((point, place) => {
      const [at, up] = [toX(point.x).toFixed(1), toY(point.y).toFixed(1)];
      if (place === 0) return `M${at},${up}`;
      return line.steps ? `V${up}H${at}` : `L${at},${up}`;
    });
    plot.append(
      shape("path", {
        class: "curve",
        d: path.join(""),
        stroke: line.colour,
        "stroke-dasharray": line.dash || null,
        "data-method": line.name,
      }),
    );
  }
  const marker = shape("circle", { class: "marker", r: 4, visibility: "hidden" });
  plot.append(marker);
  const show = (line, place) => {
    const point = line.points[place];
    marker.setAttribute("cx", toX(point.x));
    marker.setAttribute("cy", toY(point.y));
    marker.setAttribute("visibility", "visible");
    marker.setAttribute("fill", line.colour);
    readout.textContent = `${line.name}: ${point.text}`;
  };
  if (lines.length) readable(svg, lines, toX, toY, show);
  return framed(title, svg, readout);
}

/** Call `tell` where a mouse moves over a chart, or a finger taps it. */
function whenPointed(svg, tell) {
  for (const kind of ["pointermove", "pointerdown"]) svg.addEventListener(kind, tell);
}

/** Read the nearest point of the curves with the pointer, one after the other with arrow keys. */
function readable(svg, lines, toX, toY, show) {
  let [current, place] = [0, -1];
  whenPointed(svg, (event) => {
    const [left, top] = placeOf(event, svg);
    let least = Infinity;
    lines.forEach((line, index) =>
      line.points.forEach((point, number) => {
        const distance = (toX(point.x) - left) ** 2 + (toY(point.y) - top) ** 2;
        if (distance < least) [least, current, place] = [distance, index, number];
      }),
    );
    show(lines[current], place);
  });
  svg.addEventListener("keydown", (event) => {
    const [along, over] = {
      ArrowRight: [1, 0],
      ArrowLeft: [-1, 0],
      ArrowDown: [0, 1],
      ArrowUp: [0, -1],
    }[event.key] ?? [0, 0];
    if (!along && !over) return;
    event.preventDefault();
    current = (current + over + lines.length) % lines.length;
    place = Math.max(0, Math.min(lines[current].points.length - 1, place + along));
    show(lines[current], place);
  });
}
