/* One test image as a card: itself, its true defect where masks tell it, and each method's map. */

/** A picture of a card, which `enlarged` makes a way to a larger one, or what is said in its place. */
function picture(content, caption, enlarged) {
  const shownPart =
    typeof content === "string" ? element("span", { class: "nothing" }, content) : enlarged(content);
  return element("figure", {}, shownPart, element("figcaption", {}, caption));
}

/** A picture that a press makes as large as the window, and another as small as it was. */
const growing = (canvas) =>
  element(
    "button",
    {
      type: "button",
      class: "enlarge",
      "aria-pressed": "false",
      onclick: ({ currentTarget: button }) => {
        const large = button.closest("figure").classList.toggle("large");
        button.setAttribute("aria-pressed", `${large}`);
      },
    },
    canvas,
  );

/** A canvas that `drawTile` fills with an image of a category; a word where none is stored. */
function canvasOf(images, image, description, options) {
  if (images.images === null) return "not stored";
  if (options.cell && options.cell.maps === null) return "no map";
  const canvas = element("canvas", { role: "img", "aria-label": description });
  drawTile(canvas, images, image, options);
  return canvas;
}

function mapPicture(row, image, method, enlarged) {
  const set = currentSet();
  const [cell, look] = [set.cells[row][method], set.methods[method]];
  if (!isScored(cell)) {
    return picture(cell ? "failed" : "not run", look.name, enlarged);
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
  return picture(canvasOf(set.images[row], image, description, { cell }), caption, enlarged);
}

const nameOf = (row, image) => {
  const [{ name }, images] = [currentSet().categories[row], currentSet().images[row]];
  return `${name} · ${kindName(images.kinds[image])} · ${images.names[image].split("/").pop()}`;
};

function card(row, image) {
  const name = nameOf(row, image);
  const [file, category] = [currentSet().images[row].names[image], currentSet().categories[row].name];
  return element(
    "article",
    { class: "card", "data-image": file, "data-category": category },
    element("h3", {}, address.link({ image: { row, image } }, {}, name)),
    strip(row, image, name, (canvas) =>
      address.link({ image: { row, image } }, { class: "enlarge", tabindex: -1 }, canvas),
    ),
  );
}

/** Whether masks tell where the defects of a category are. */
const hasMasks = (images) => Boolean(images) && images.masks !== null;

/** The image, its defect, and the map of each method shown; see `picture` for `enlarged`. */
function strip(row, image, name, enlarged) {
  const images = currentSet().images[row];
  const truth = canvasOf(images, image, "true defect, outlined", { outlined: true });
  return element(
    "div",
    { class: "strip" },
    picture(canvasOf(images, image, `test image ${name}`, {}), "image", enlarged),
    hasMasks(images)
      ? picture(truth, images.labels[image] ? "true defect" : "no defect", enlarged)
      : null,
    shownMethods().map((method) => mapPicture(row, image, method, enlarged)),
  );
}
