/* The gallery: its filters, its counts and its pages of cards. */

const PAGE = 12;

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

function renderGallery() {
  const chosen = chosenImages();
  const pages = Math.max(1, Math.ceil(chosen.length / PAGE));
  state.page = Math.max(0, Math.min(pages - 1, state.page));
  renderCounts(chosen);
  const cards = chosen
    .slice(PAGE * state.page, PAGE * (state.page + 1))
    .map(([row, image]) => card(row, image));
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

/** Fill the selects of the gallery with what the chosen results hold. */
function renderChoices() {
  const set = currentSet();
  fillSelect(byId("gallery-category"), [["all", "all"], ...categoryChoices()]);
  fillSelect(byId("judge"), [
    ...shownMethods().map((index) => [index, set.methods[index].name]),
    ["any", "any method"],
  ]);
  state.category = byId("gallery-category").value;
  state.judge = byId("judge").value === "any" ? "any" : Number(byId("judge").value);
  const kinds = new Set(galleryRows().flatMap((row) => set.images[row].kinds));
  fillSelect(byId("kind"), [["all", "all"], ...[...kinds].sort().map((kind) => [kind, kind])]);
  state.kind = byId("kind").value;
  state.page = 0;
}

function startGallery() {
  const listen = (id, name, read = (value) => value) =>
    byId(id).addEventListener("change", (event) =>
      change({ [name]: read(event.target.value), page: 0 }),
    );
  listen("gallery-category", "category");
  listen("kind", "kind");
  listen("judge", "judge", (value) => (value === "any" ? value : Number(value)));
  listen("outcome", "outcome");
  listen("point", "point");
  byId("size").addEventListener("change", (event) =>
    byId("cards").style.setProperty("--tile", `${event.target.value}px`),
  );
  const turn = (id, to) => byId(id).addEventListener("click", () => change({ page: to() }));
  turn("first-page", () => 0);
  turn("previous-page", () => state.page - 1);
  turn("next-page", () => state.page + 1);
  turn("last-page", () => Infinity);
  watch(["set", "hidden", "category"], renderChoices);
  watch(["set", "hidden", "category", "judge", "point", "own"], renderThreshold);
  watch(
    ["set", "hidden", "category", "kind", "judge", "outcome", "point", "own", "page"],
    renderGallery,
  );
}

sections.push({ id: "gallery", title: "Gallery", start: startGallery });
