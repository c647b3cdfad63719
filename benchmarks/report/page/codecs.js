/* How what the reader has chosen stands in the page's address: as texts, and back from them.
 *
 * write(value, state) returns the texts of a value. read(texts, state) returns the value, undefined
 * where the texts are none: they may be of another page. The state holds what was read before.
 */

const EVERY = "*";
const METHOD_COLUMN = "method-";

const as = {
  text: { write: (value) => [value], read: ([found]) => found },

  flag: { write: () => ["yes"], read: ([found]) => (found === "yes" ? true : undefined) },

  /** A page's number, from 1 on. */
  page: {
    write: (value) => [`${value + 1}`],
    read: ([found]) => (/^[1-9]\d{0,6}$/.test(found) ? Number(found) - 1 : undefined),
  },

  /** A share in per cent. */
  share: {
    write: (value) => [`${value}`],
    read: ([found]) => (found !== "" && found >= 0 && found <= 100 ? Number(found) : undefined),
  },

  oneOf: (choices) => ({
    write: (value) => [value],
    read: ([found]) => (choices.includes(found) ? found : undefined),
  }),

  /** Texts, of which those are kept that there are. */
  someOf: (known = null) => ({
    write: (value) => [...value],
    read: (texts) => new Set(texts.filter((found) => !known || known.includes(found))),
  }),

  /** The index of what has a name among what `list` returns; `all`, where given, is all of them. */
  nameOf: (list, { all, named = ({ name }) => name, kept = (place) => place } = {}) => ({
    write: (value, chosen) => [value === all ? EVERY : named(list(chosen)[value])],
    read: ([found], chosen) => {
      const place = list(chosen).findIndex((one) => named(one) === found);
      if (place >= 0) return kept(place);
      return found === EVERY ? all : undefined;
    },
  }),

  /** How a table is sorted, columns of methods by their names. */
  sorting: (columns, methods = () => []) => ({
    write: ({ column, ascending }, chosen) => {
      const own = columns.includes(column);
      const method = own ? null : methods(chosen)[Number(column.slice(METHOD_COLUMN.length))];
      return [own ? column : `${METHOD_COLUMN}${method?.name}`, ascending ? "up" : "down"];
    },
    read: ([found, direction], chosen) => {
      const names = methods(chosen).map(({ name }) => `${METHOD_COLUMN}${name}`);
      const place = names.indexOf(found);
      const column = place < 0 ? found : `${METHOD_COLUMN}${place}`;
      if (place < 0 && !columns.includes(found)) return undefined;
      return { up: { column, ascending: true }, down: { column, ascending: false } }[direction];
    },
  }),
};

as.set = as.nameOf(() => content.sets, { named: ({ short }) => short });
as.category = as.nameOf((chosen) => currentSet(chosen).categories, { all: "all", kept: String });
as.metric = as.oneOf(Object.keys(metrics));

const everyMethod = content.sets.flatMap((set) => set.methods.map(({ name }) => name));

declare("set", 0, "results", as.set);
declare("hidden", new Set(), "hide", as.someOf(everyMethod));
declare("metric", content.metrics[0].name, "metric", as.metric);
declare("theme", "light dark", "theme", as.oneOf(["light", "dark"]));
declare("open", new Set(), "open", as.someOf());
