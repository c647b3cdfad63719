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

function startPage() {
  byId("note").textContent = content.note;
  byId("note").hidden = !content.note;
  fillSelect(byId("set"), setChoices);
  byId("set-label").hidden = content.sets.length < 2;
  byId("set").addEventListener("change", (event) => change({ set: Number(event.target.value) }));
  byId("theme").addEventListener("change", (event) => {
    document.documentElement.style.colorScheme = event.target.value;
  });
  watch(["set"], renderMethods);
}

startPage();
startOverview();
startCurves();
startGallery();
startSpeed();
startDifferences();
