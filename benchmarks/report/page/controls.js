/* Controls that follow the state, and the state them. */

/** Fill a select with [value, text] pairs. */
function fillSelect(select, options) {
  const now = [...select.options].map(({ value, text }) => [value, text]);
  const wanted = options.map(([value, text]) => [String(value), String(text)]);
  if (!same(now, wanted)) {
    select.replaceChildren(...wanted.map(([value, text]) => element("option", { value }, text)));
  }
}

/**
 * Tie a select, a box or a field to a key of the state.
 *
 * choices: returns a select's [value, text] pairs; a value that is none of them becomes the first.
 * on: the keys of the state that they depend on. read: the value of the state from a select's text.
 * also: what else changes with it.
 */
function tie(id, key, { choices = null, on = [], read = (text) => text, also = {} } = {}) {
  const control = byId(id);
  const part = control.type === "checkbox" ? "checked" : "value";
  const typed = control.type === "search";
  control.addEventListener(typed ? "input" : "change", () => {
    const value = part === "checked" ? control.checked : read(control.value);
    change({ [key]: value, ...also }, typed ? id : null);
  });
  watch([key, ...on], () => {
    if (choices) {
      const found = choices();
      fillSelect(control, found);
      const there = found.some(([value]) => String(value) === String(state[key]));
      if (!there && found.length) state[key] = read(String(found[0][0]));
    }
    const wanted = part === "checked" ? state[key] : String(state[key]);
    if (control[part] !== wanted) control[part] = wanted;
  });
}

/** What folds, and stays as it is in a link. */
function folding(id, title, ...content) {
  const attributes = { id, class: "folding", open: state.open.has(id) };
  return element("details", attributes, element("summary", {}, title), ...content);
}

/** Let what folds follow the state, and the state it. */
function startFolding() {
  document.addEventListener(
    "toggle",
    ({ target }) => {
      if (!target.matches("details.folding") || target.open === state.open.has(target.id)) return;
      const open = new Set(state.open);
      if (target.open) open.add(target.id);
      else open.delete(target.id);
      change({ open });
    },
    true,
  );
  watch(["open"], () => {
    for (const one of document.querySelectorAll("details.folding")) {
      one.open = state.open.has(one.id);
    }
  });
}
