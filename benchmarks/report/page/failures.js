/* What a method gets wrong at its thresholds: how many, of which kind, which images. */

const NORMAL_QUANTILE = 1.96; // of 95 %

/** The lower end of Wilson's interval of a share: small where few images say little. */
function leastShare(count, total) {
  const [share, square] = [count / total, NORMAL_QUANTILE ** 2 / total];
  const spread = Math.sqrt((share * (1 - share)) / total + square / (4 * total));
  return (share + square / 2 - NORMAL_QUANTILE * spread) / (1 + square);
}

/** The verdicts on the test images of all categories: [{row, image, anomalous, wrong}]. */
function judged(set, method, alpha) {
  return set.images.flatMap((images, row) =>
    (images?.names ?? [])
      .map((_, image) => ({
        row,
        image,
        anomalous: Boolean(images.labels[image]),
        wrong: wrong(set, row, method, image, alpha),
      }))
      .filter((one) => one.wrong !== null),
  );
}

/** The kinds of images that are judged wrongly, what is surely the worst first. */
function failingKinds(set, verdicts) {
  const kinds = new Map();
  for (const { row, image, anomalous, wrong: failed } of verdicts) {
    const kind = set.images[row].kinds[image];
    const key = JSON.stringify([row, kind, anomalous]);
    const found = kinds.get(key) ?? { row, kind, anomalous, count: 0, total: 0 };
    found.count += failed;
    found.total += 1;
    kinds.set(key, found);
  }
  return [...kinds.values()]
    .filter(({ count }) => count)
    .sort((a, b) => leastShare(b.count, b.total) - leastShare(a.count, a.total));
}

/** The categories in which a metric is worst, the worst first, none that is perfect: [{row, value}]. */
function worstCategories(set, metric, method) {
  const [direction, perfect] = metric.higher_is_better ? [1, 1] : [-1, 0];
  return set.categories
    .map((_, row) => ({ row, value: set.tables[metric.name].values[row][method] }))
    .filter(({ value }) => value !== null && value !== perfect)
    .sort((one, other) => direction * (one.value - other.value));
}

/** The share of a category's normal images that score above an image. */
function shareAbove(set, row, method, image) {
  const scores = set.cells[row][method].scores;
  const normal = scores.filter((score, at) => score !== null && !set.images[row].labels[at]);
  return normal.filter((score) => score > scores[image]).length / (normal.length || 1);
}

/** The missed images, the largest defects first; behind them those whose size nothing says. */
function missedImages(set, method, verdicts) {
  return verdicts
    .filter(({ anomalous, wrong: failed }) => anomalous && failed)
    .map(({ row, image }) => ({
      row,
      image,
      area: set.images[row].areas?.[image] || null,
      above: shareAbove(set, row, method, image),
    }))
    .sort((one, other) => other.area - one.area || other.above - one.above);
}
