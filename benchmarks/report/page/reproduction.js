/* Whether values agree with published ones: the verdicts on those that can be compared. */

function renderReproduction() {
  const set = currentSet();
  const there = set.verdicts.length > 0;
  byId("reproduction").hidden = !there;
  document.querySelector('nav a[href="#reproduction"]').hidden = !there;
  if (!there) {
    replace(byId("reproduction-content"));
    return;
  }
  const heads = ["method", "category", "metric", "ours", "published", "verdict", "source"];
  const rows = set.verdicts.map(([, ...texts]) => texts); // a set has one backbone and size
  const caption = "Published values beside ours, in %";
  replace(
    byId("reproduction-content"),
    element("p", { class: "quiet" }, set.verdicts_note),
    scrolling(caption, plainTable(caption, heads, rows)),
  );
}

if (content.sets.some((set) => set.verdicts.length)) {
  sections.push({
    id: "reproduction",
    title: "Beside published values",
    start: () => watch(["set"], renderReproduction),
  });
}
