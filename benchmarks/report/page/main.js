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

/** Append a section that page.html does not lay out, and the way to it. */
function layOut({ id, title }) {
  const heading = element("h2", { id: `${id}-title` }, title);
  const attributes = { id, "aria-labelledby": `${id}-title` };
  const body = element("div", { id: `${id}-content` });
  document.querySelector("main").append(element("section", attributes, heading, body));
  document.querySelector("nav").append(element("a", { href: `#${id}` }, title));
}

startPage();
for (const section of sections) {
  if (!byId(section.id)) layOut(section);
  section.start();
}
