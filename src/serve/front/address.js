// The state of the page, all of it in the address behind `#`: `#/latent/123?range=2&where=dense`.
// A link that somebody sends shows what they saw.

/** Returns the state that an address holds: `{ page, item, …parameters }`. */
export function read(hash = location.hash) {
  const [path, search = ""] = split(hash.replace(/^#/, ""));
  const [page = "", item = null] = path.split("/").filter((part) => part !== "").map(decode);
  return { ...Object.fromEntries(new URLSearchParams(search)), page: page || "overview", item };
}

const split = (text) => (text.includes("?") ? [text.slice(0, text.indexOf("?")), text.slice(text.indexOf("?") + 1)] : [text]);

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Returns the address of a state. */
export function write({ page, item, ...parameters }) {
  const kept = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const search = new URLSearchParams(kept.map(([name, value]) => [name, String(value)])).toString();
  const path = item === null || item === undefined ? page : `${page}/${encodeURIComponent(item)}`;
  return `#/${path}${search ? `?${search}` : ""}`;
}

// What stays when another page opens: which store and analysis, how tokens are shown, and the list one moves along.
const KEPT = ["store", "analysis", "range", "scale", "of", "marks", "where", "sort"];

/** Returns the state of another page, with what belongs to the whole visit taken along. */
export function along(state, next) {
  const kept = Object.fromEntries(KEPT.filter((name) => name in state).map((name) => [name, state[name]]));
  return { ...kept, item: null, ...next };
}

/**
 * Goes to a state, at once: a key that is pressed next finds it there. `quiet` replaces the entry of the browser's history,
 * as for each letter of a filter.
 */
export function go(state, quiet = false) {
  const address = write(state);
  if (address === location.hash) return;
  if (quiet) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  dispatchEvent(new HashChangeEvent("hashchange"));
}
