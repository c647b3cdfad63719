/* One test image, large, over the page: itself, its defect, and every method's map. */

declare("image", null, "image", {
  write: ({ row, image }, chosen) => {
    const set = currentSet(chosen);
    return [set.categories[row].name, set.images[row].names[image]];
  },
  read: ([name, file], chosen) => {
    const set = currentSet(chosen);
    const row = set.categories.findIndex((one) => one.name === name);
    const image = set.images[row]?.names.indexOf(file) ?? -1;
    return image < 0 ? undefined : { row, image };
  },
});

/** The image before or after the open one among those that the gallery's filters leave. */
function neighbour(step) {
  const chosen = chosenImages();
  const { row, image } = state.image;
  const place = chosen.findIndex(([one, other]) => one === row && other === image);
  const next = place < 0 ? undefined : chosen[place + step];
  return next && { row: next[0], image: next[1] };
}

function renderViewer() {
  const dialog = byId("viewer");
  const images = state.image && currentSet().images[state.image.row];
  if (!images?.names[state.image.image]) {
    state.image = null;
    dialog.close();
    return;
  }
  const { row, image } = state.image;
  const name = nameOf(row, image);
  byId("viewer-title").textContent = name;
  byId("viewer-previous").disabled = !neighbour(-1);
  byId("viewer-next").disabled = !neighbour(1);
  replace(byId("viewer-content"), strip(row, image, name, growing));
  if (!dialog.open) dialog.showModal();
}

function startViewer() {
  const turn = (step) => {
    const image = neighbour(step);
    if (image) change({ image });
  };
  byId("viewer-previous").addEventListener("click", () => turn(-1));
  byId("viewer-next").addEventListener("click", () => turn(1));
  byId("viewer-close").addEventListener("click", () => byId("viewer").close());
  byId("viewer").addEventListener("close", () => {
    if (state.image) change({ image: null });
  });
  byId("viewer").addEventListener("keydown", ({ key }) => {
    if (key === "ArrowLeft" || key === "ArrowRight") turn(key === "ArrowLeft" ? -1 : 1);
  });
  watch(["set", "hidden", "image", "point", "own", "rate", "alpha"], renderViewer);
}
