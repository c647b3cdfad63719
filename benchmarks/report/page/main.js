/* What all sections share: which results and methods are shown, and the theme. */

function renderMethods() {
  const boxes = currentSet().methods.map((method) =>
    element(
      "label",
      {},
      element("input", {
        type: "checkbox",
        id: `show-${method.name}`,
        checked: !state.hidden.has(method.name),
        onchange: (event) => {
          const hidden = new Set(state.hidden);
          if (event.target.checked) hidden.delete(method.name);
          else hidden.add(method.name);
          change({ hidden });
        },
      }),
      swatch(method),
      ` ${method.name}`,
    ),
  );
  replace(byId("methods"), boxes);
}

/** Fold what is shared away where a phone's first view has no room for it. */
function foldChoices() {
  const narrow = matchMedia("(max-width: 40rem)");
  const fold = () => (byId("choices").open = !narrow.matches);
  narrow.addEventListener("change", fold);
  fold();
}

function startPage() {
  byId("note").textContent = content.note;
  byId("note").hidden = !content.note;
  byId("set-label").hidden = content.sets.length < 2;
  tie("set", "set", { choices: () => setChoices, read: Number });
  tie("metric", "metric", { choices: () => metricChoices });
  tie("theme", "theme");
  watch(["theme"], () => (document.documentElement.style.colorScheme = state.theme));
  watch(["set", "hidden"], renderMethods);
  foldChoices();
}

/** Fill rows of pictures evenly, and say of tables that are wider than their place that they scroll. */
function settle() {
  // A short table beside long curves would leave half of the width empty.
  document.querySelector("main").classList.toggle("stacked", currentSet().categories.length < 8);
  for (const box of document.querySelectorAll(".scroll")) {
    box.classList.toggle("wider", box.scrollWidth > box.clientWidth + 1);
  }
  for (const grid of document.querySelectorAll(".charts, .missed-images")) {
    const least = parseFloat(getComputedStyle(grid).getPropertyValue("--least")) * 16;
    const [count, room] = [grid.children.length, Math.max(1, Math.floor(grid.clientWidth / least))];
    const across = Math.ceil(count / Math.ceil(count / room));
    grid.style.setProperty("--across", across);
  }
}

function startSettling() {
  const later = () => requestAnimationFrame(settle);
  new MutationObserver(later).observe(document.querySelector("main"), { childList: true, subtree: true });
  new ResizeObserver(later).observe(document.body);
  settle();
}

/** Append a section that page.html does not lay out, and the way to it. */
function layOut({ id, title }) {
  const heading = element("h2", { id: `${id}-title` }, title);
  const attributes = { id, "aria-labelledby": `${id}-title` };
  const body = element("div", { id: `${id}-content` });
  document.querySelector("main").append(element("section", attributes, heading, body));
  document.querySelector("nav").append(element("a", { href: `#${id}` }, title));
}

address.start();
startPage();
for (const section of sections) {
  if (!byId(section.id)) layOut(section);
  section.start();
}
startFolding();
startSettling();
startViewer();
address.started();
