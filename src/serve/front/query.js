// The language of filters: `dense -has:label density>0.01 max<=3 tag:dates months`.
// Terms narrow the list together; words that are no terms are looked for in labels, top tokens and texts.

const COMPARISON = /^(-?)([a-z_][a-z0-9_.]*)(>=|<=|>|<|=)([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)$/i;

/** Returns `{ tests, words, unknown }` of a filter's text; `names` has the columns and the flags there are. */
export function parse(text, { columns, flags }) {
  const found = { tests: [], words: [], unknown: [] };
  for (const { term, quoted } of terms(text ?? "")) {
    const test = quoted ? null : asTest(term, columns, flags);
    if (test) found.tests.push(test);
    else if (!quoted && /^-?[a-z_]+(:|[<>=])/i.test(term)) found.unknown.push(term);
    else found.words.push(term);
  }
  return found;
}

function terms(text) {
  const parts = text.matchAll(/(-?tag:)"([^"]*)"?|"([^"]*)"?|(\S+)/g);
  return [...parts].map(([, tag, name, quoted, plain]) => ({ term: tag ? tag + name : (quoted ?? plain), quoted: quoted !== undefined })).filter(({ term }) => term);
}

function asTest(term, columns, flags) {
  const [, , column, sign, value] = term.match(COMPARISON) ?? [];
  if (column && columns.includes(column)) return { kind: "range", column, sign, value: Number(value), not: term.startsWith("-") };
  const not = term.startsWith("-");
  const word = not ? term.slice(1) : term;
  if (word.startsWith("tag:") && word.length > 4) return { kind: "tag", tag: word.slice(4), not };
  const name = word.startsWith("has:") ? word.slice(4) : word;
  if (name === "alive" && flags.includes("dead")) return { kind: "flag", flag: "dead", not: !not };
  if (flags.includes(name) && (word.startsWith("has:") || !MARKS.includes(name))) return { kind: "flag", flag: name, not };
  return null;
}

// Flags that say what people added: asked for with `has:`, so that the words themselves can be looked for.
const MARKS = ["label", "bookmark"];

/** Returns the filter with `term` in it, or without it if it was there. */
export function toggle(text, term) {
  const parts = (text ?? "").split(/\s+/).filter(Boolean);
  const rest = parts.filter((part) => part !== term && part !== opposite(term));
  return (parts.includes(term) ? rest : [...rest, term]).join(" ");
}

/** Returns whether the filter has `term`. */
export const has = (text, term) => (text ?? "").split(/\s+/).includes(term);

const opposite = (term) => (term.startsWith("-") ? term.slice(1) : `-${term}`);

/** Returns the filter with the bounds of a column replaced; a bound may be null. */
export function between(text, column, low, high) {
  const rest = (text ?? "").split(/\s+/).filter((part) => part && part.match(COMPARISON)?.[2] !== column);
  if (low !== null) rest.push(`${column}>=${bound(low)}`);
  if (high !== null) rest.push(`${column}<=${bound(high)}`);
  return rest.join(" ");
}

const bound = (value) => Number(value.toPrecision(4)).toString();

/** Returns the filter for a tag. */
export const tagged = (tag) => (/\s/.test(tag) ? `tag:"${tag.replace(/"/g, "")}"` : `tag:${tag}`);
