/* Tiles of the sheets that the page carries: images, true defects, and coloured anomaly maps. */

const sheets = new Map();

/** The decoded sheet `id`, as a promise; each is decoded once, when it is first needed. */
function sheet(id) {
  if (!sheets.has(id)) {
    const [kind, data] = byId(`sheet-${id}`).textContent.split(",");
    const picture = new Image();
    picture.src = `data:${kind};base64,${data}`;
    sheets.set(
      id,
      picture.decode().then(() => picture),
    );
  }
  return sheets.get(id);
}

/** The pixels of tile `place` of a sheet, scaled to `size`, as RGBA; null: of the tile's own size. */
async function tile(id, place, columns, size = null) {
  const picture = await sheet(id);
  const side = picture.width / columns;
  const canvas = new OffscreenCanvas(size ?? side, size ?? side);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const [left, top] = [(place % columns) * side, Math.floor(place / columns) * side];
  context.drawImage(picture, left, top, side, side, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/* matplotlib's inferno, at nine points between which it is all but linear. */
const INFERNO = [
  [0, 0, 4],
  [31, 12, 72],
  [85, 15, 109],
  [136, 34, 106],
  [186, 54, 85],
  [227, 89, 51],
  [249, 140, 10],
  [249, 201, 50],
  [252, 255, 164],
];

function inferno(level) {
  const at = (level / 255) * (INFERNO.length - 1);
  const before = Math.min(INFERNO.length - 2, Math.floor(at));
  return INFERNO[before].map(
    (value, channel) => value + (at - before) * (INFERNO[before + 1][channel] - value),
  );
}

const COLOURS = Array.from({ length: 256 }, (_, level) => inferno(level));
const OPACITY = 0.7;
const OUTLINE = [0, 255, 255];

/** Whether pixel `index` of a mask is in a defect, and at its edge. */
function atEdge(mask, index, size) {
  const inside = (at) => mask[4 * at] > 127;
  if (!inside(index)) return false;
  const [column, row] = [index % size, Math.floor(index / size)];
  return (
    (column > 0 && !inside(index - 1)) ||
    (column < size - 1 && !inside(index + 1)) ||
    (row > 0 && !inside(index - size)) ||
    (row < size - 1 && !inside(index + size))
  );
}

/** Draw image `place` of `images` on a canvas: alone, with its outlined defect, or under a map. */
async function drawTile(canvas, images, place, { outlined = false, cell = null } = {}) {
  const picture = await tile(images.images, place, images.columns);
  const { width: side, data: pixels } = picture;
  if (cell) {
    const map = (await tile(cell.maps, place, images.columns, side)).data;
    for (let at = 0; at < pixels.length; at += 4) {
      const grey = (pixels[at] + pixels[at + 1] + pixels[at + 2]) / 3;
      const colour = COLOURS[map[at]];
      for (let channel = 0; channel < 3; channel += 1) {
        pixels[at + channel] = OPACITY * colour[channel] + (1 - OPACITY) * grey;
      }
    }
  }
  if ((outlined || cell) && images.masks !== null) {
    const mask = (await tile(images.masks, place, images.columns, side)).data;
    for (let index = 0; index < side * side; index += 1) {
      if (atEdge(mask, index, side))
        OUTLINE.forEach((value, channel) => (pixels[4 * index + channel] = value));
    }
  }
  canvas.width = canvas.height = side;
  canvas.getContext("2d", { willReadFrequently: true }).putImageData(picture, 0, 0);
}
