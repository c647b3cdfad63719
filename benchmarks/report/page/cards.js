/* One test image as a card: itself, its true defect, and each method's map with the outcome. */

/** A picture of a card, or what is said in its place. */
function picture(content, caption) {
  const shownPart =
    typeof content === "string" ? element("span", { class: "nothing" }, content) : content;
  return element("figure", {}, shownPart, element("figcaption", {}, caption));
}

/** A canvas that `drawTile` fills with an image of a category; a word where none is stored. */
function canvasOf(images, image, description, options) {
  if (images.images === null) return "not stored";
  if (options.cell && options.cell.maps === null) return "no map";
  const canvas = element("canvas", { role: "img", "aria-label": description });
  drawTile(canvas, images, image, options);
  return canvas;
}

function mapPicture(row, image, method) {
  const set = currentSet();
  const [cell, look] = [set.cells[row][method], set.methods[method]];
  if (!isScored(cell)) {
    return picture(cell ? "failed" : "not run", look.name);
  }
  const outcome = outcomeOf(row, image, method);
  const score = cell.scores[image];
  const caption = element(
    "span",
    {},
    swatch(look),
    ` ${look.name}`,
    element("br"),
    score === null ? "– " : `${significant(score)} `,
    outcome ? element("span", { class: `outcome ${outcome}` }, OUTCOMES[outcome]) : null,
  );
  const description = `anomaly map of ${look.name}`;
  return picture(canvasOf(set.images[row], image, description, { cell }), caption);
}

const nameOf = (row, image) => {
  const [{ name }, images] = [currentSet().categories[row], currentSet().images[row]];
  return `${name} · ${images.kinds[image]} · ${images.names[image].split("/").pop()}`;
};

function card(row, image) {
  const name = nameOf(row, image);
  const [file, category] = [currentSet().images[row].names[image], currentSet().categories[row].name];
  return element(
    "article",
    { class: "card", "data-image": file, "data-category": category },
    element("h3", {}, address.link({ image: { row, image } }, {}, name)),
    strip(row, image, name),
  );
}

/** The image, its defect, and the map of each method shown. */
function strip(row, image, name) {
  const images = currentSet().images[row];
  const truth = canvasOf(images, image, "true defect, outlined", { outlined: true });
  return element(
    "div",
    { class: "strip" },
    picture(canvasOf(images, image, `test image ${name}`, {}), "image"),
    picture(truth, images.labels[image] ? "true defect" : "no defect"),
    shownMethods().map((method) => mapPicture(row, image, method)),
  );
}
