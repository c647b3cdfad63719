/* The gallery: its filters, its counts and its pages of cards. */

const PAGE = 12;

declare("size", "118", "pictures", as.oneOf(["84", "118", "256"]));

function renderCounts(chosen) {
  const total = sum(galleryRows().map((row) => currentSet().images[row].names.length));
  const said = `${chosen.length} of ${total} images shown.`;
  if (state.judge === "any") {
    byId("counts").textContent = `${said} Judged by any method shown.`;
    return;
  }
  const { tp, tn, fp, fn } = countsOf(state.judge);
  const all = tp + tn + fp + fn;
  const wrongly = all ? `; ${((100 * (fp + fn)) / all).toFixed(1)} % wrong` : "";
  byId("counts").textContent =
    `${currentSet().methods[state.judge].name}: ${fp} false positives (${ofImages(fp, fp + tn)}), ` +
    `${fn} false negatives (${ofImages(fn, fn + tp)}), ${tp} found, ${tn} passed${wrongly}. ${said}`;
}

function renderGallery() {
  const chosen = chosenImages();
  const pages = Math.max(1, Math.ceil(chosen.length / PAGE));
  state.page = Math.max(0, Math.min(pages - 1, state.page));
  renderCounts(chosen);
  const cards = chosen
    .slice(PAGE * state.page, PAGE * (state.page + 1))
    .map(([row, image]) => card(row, image));
  const masked = galleryRows().some((row) => hasMasks(currentSet().images[row]));
  byId("cards").style.setProperty("--across", 1 + masked + shownMethods().length);
  byId("outline-note").hidden = !masked;
  replace(
    byId("cards"),
    cards.length ? cards : [element("p", {}, "No image is left by these filters.")],
  );
  byId("page").textContent = `Page ${state.page + 1} of ${pages}`;
  for (const [id, off] of [
    ["first-page", state.page === 0],
    ["previous-page", state.page === 0],
    ["next-page", state.page === pages - 1],
    ["last-page", state.page === pages - 1],
  ]) {
    byId(id).disabled = off;
  }
}

/** The kinds of test images of the chosen categories. */
function kindChoices() {
  const kinds = new Set(galleryRows().flatMap((row) => currentSet().images[row].kinds));
  return [["all", "all"], ...[...kinds].sort().map((kind) => [kind, kindName(kind)])];
}

const pointChoices = () => [
  ["f1_optimal", "F1-optimal"],
  ["full_recall", "100 % recall"],
  ...(currentSet().decision.points.length ? [["calibrated", "by held-out images"]] : []),
  ["own", "your own"],
  ["rate", "one false-alarm rate"],
];

const judgeChoices = () => [
  ...shownMethods().map((index) => [index, currentSet().methods[index].name]),
  ["any", "any method"],
];

function startGallery() {
  const also = { page: 0 };
  const method = (value) => (value === "any" ? value : Number(value));
  tie("gallery-category", "category", { choices: allCategoryChoices, on: ["set"], also });
  tie("kind", "kind", { choices: kindChoices, on: ["set", "category"], also });
  tie("judge", "judge", { choices: judgeChoices, on: ["set", "hidden"], read: method, also });
  tie("outcome", "outcome", { also });
  tie("point", "point", { choices: pointChoices, on: ["set"], also });
  tie("size", "size");
  watch(["size"], () => byId("gallery").style.setProperty("--tile", `${state.size}px`));
  const turn = (id, to) => byId(id).addEventListener("click", () => change({ page: to() }));
  turn("first-page", () => 0);
  turn("previous-page", () => state.page - 1);
  turn("next-page", () => state.page + 1);
  turn("last-page", () => Infinity);
  watch(["set", "hidden", "category", "judge", "point", "own", "rate", "alpha"], renderThreshold);
  watch(
    ["set", "hidden", "category", "kind", "judge", "outcome", "point", "own", "rate", "alpha", "page"],
    renderGallery,
  );
}

sections.push({ id: "gallery", title: "Gallery", start: startGallery });
