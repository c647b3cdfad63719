/* A permanent link: the page's address holds the section and all that the reader has chosen.
 *
 * `#SECTION&name=text&…` has what is not as usual. What an address does not say, or says of what
 * this page does not have, is as usual. Back and forward step through what was chosen.
 */

declare("section", "");

const address = (() => {
  const SETTLED = 200; // milliseconds after which a gesture's last state is in the address
  let [gesture, waiting] = [null, null];

  const written = (key, chosen) =>
    codecs[key].write(chosen[key], chosen).map((found) => [codecs[key].name, found]);

  /** The fragment of a state, "#" of the usual one. */
  function fragment(chosen) {
    const pairs = Object.keys(codecs)
      .filter((key) => !same(chosen[key], usual[key]))
      .flatMap((key) => written(key, chosen));
    return `#${[chosen.section, new URLSearchParams(pairs)].filter((part) => `${part}`).join("&")}`;
  }

  /** The state that a fragment holds. */
  function read(found) {
    const parts = found.replace(/^#/, "").split("&");
    const section = parts[0].includes("=") ? "" : parts.shift();
    const pairs = new URLSearchParams(parts.join("&"));
    const chosen = { ...usual, section: sections.some(({ id }) => id === section) ? section : "" };
    for (const [key, { name, read: decoded }] of Object.entries(codecs)) {
      const texts = pairs.getAll(name);
      const value = texts.length ? decoded(texts, chosen) : undefined;
      if (value !== undefined) chosen[key] = value;
    }
    return chosen;
  }

  function reveal(section) {
    const target = byId(section || "top");
    target.scrollIntoView();
    target.focus({ preventScroll: true });
  }

  /** Show what the address says, and go to its section where a link was followed. */
  function follow(followed) {
    clearTimeout(waiting);
    [gesture, waiting] = [null, null];
    const chosen = read(location.hash);
    update(Object.fromEntries(Object.entries(chosen).filter(([key, now]) => !same(now, state[key]))));
    renew();
    if (!followed) return;
    history.replaceState({}, "");
    reveal(chosen.section);
  }

  function store() {
    clearTimeout(waiting);
    waiting = null;
    if (fragment(state) !== (location.hash || "#")) history.replaceState({}, "", fragment(state));
  }

  /** Let links lead from the state that is now. */
  function renew() {
    for (const [link, values] of links) {
      if (link.isConnected) link.setAttribute("href", fragment({ ...state, ...values }));
      else links.delete(link);
    }
  }

  /** Write the state; the address of a gesture follows its end, since browsers ration changes. */
  function changed(next) {
    if (waiting !== null && next !== gesture) store();
    if (next === null || next !== gesture) {
      if (fragment(state) !== (location.hash || "#")) history.pushState({}, "", fragment(state));
    } else {
      clearTimeout(waiting);
      waiting = setTimeout(store, SETTLED);
    }
    gesture = next;
    renew();
  }

  const links = new Map();

  /** A link to the page as it is, but for some values of the state. */
  function link(values, attributes, ...children) {
    const href = fragment({ ...state, ...values });
    const made = element("a", { href, ...attributes }, ...children);
    links.set(made, values);
    return made;
  }

  /** Go to a section by a link that names nothing else, with all that is chosen. */
  function goTo(event) {
    const plain = event.target.closest('a[href^="#"]');
    if (!plain || links.has(plain)) return;
    event.preventDefault();
    change({ section: plain.hash.slice(1) });
    reveal(state.section);
  }

  function start() {
    Object.assign(state, read(location.hash));
    addEventListener("popstate", (event) => follow(event.state === null));
    document.addEventListener("click", goTo);
    // Who returns to a link finds the section in which it was made.
    const noted = (event) => {
      const place = event.target.closest("section");
      if (place) state.section = place.id;
    };
    for (const kind of ["input", "change", "click"]) document.addEventListener(kind, noted, true);
  }

  function started() {
    history.replaceState({}, "");
    if (state.section) reveal(state.section);
  }

  return { start, started, changed, link };
})();

/** Whether two values of the state are the same. */
function same(one, other) {
  const plain = (value) => JSON.stringify(value instanceof Set ? [...value].sort() : value);
  return plain(one) === plain(other);
}
