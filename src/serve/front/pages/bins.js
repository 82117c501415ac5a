// The contexts of a latent, by the bins of the analysis.

import { h } from "../dom.js";
import { counted, number, percent } from "../format.js";
import { contextLine } from "../highlight.js";

/** Returns the bin that the address names; none where all are shown. */
export const currentBin = (view, state) => view.subsamples.find(({ name }) => name === state.bin) ?? null;

/** Returns the bins as sections, with a row of names to choose one. */
export function bins(app, view, state) {
  const chosen = currentBin(view, state);
  const tab = (name, text, size) =>
    h("button", { role: "tab", "aria-selected": String((chosen?.name ?? null) === name), onclick: () => app.change({ bin: name }) }, text, size === null ? null : h("small", {}, ` ${size}`));
  const tabs = h("div", { class: "tabs", role: "tablist", "aria-label": "Bins of contexts" }, tab(null, "all", null), view.subsamples.map((bin) => tab(bin.name, title(bin), bin.contexts.length)));
  const shown = chosen ? [chosen] : view.subsamples.filter(({ contexts }) => contexts.length > 0);
  const max = app.table.columns.max[view.latent];
  const none = h("p", { class: "empty" }, chosen ? "The latent has no contexts in this bin." : "The latent never fires: there are no contexts.");
  const empty = shown.every(({ contexts }) => contexts.length === 0);
  return [tabs, empty ? none : shown.map((bin) => section(bin, max, state))];
}

/** Returns what a bin is called: its name without underscores. */
export const title = ({ name }) => name.replaceAll("_", " ");

/** Returns which peaks a bin has, in words. */
export function about({ kind, low, high }, max) {
  if (kind === "silent") return "contexts in which the latent never fires";
  if (kind === "top" && high >= 1) return "the largest peaks";
  const range = `${percent(low)} – ${percent(high)} of the maximum, ${number(low * max)} – ${number(high * max)}`;
  return kind === "top" ? `the largest peaks within ${range}` : `by chance from peaks of ${range}`;
}

function section(bin, max, state) {
  const { scale = "linear", marks, of } = state;
  const range = Number(state.range ?? 0);
  const rows = bin.contexts.map((context) => {
    const line = contextLine(context, { range, scale, marks: Boolean(marks), max: of === "sample" ? context.peak : max, whole: range === 3 });
    const from = [context.dataset, context.record !== null && `record ${context.record}`, counted(context.total, "token")].filter(Boolean).join(", ");
    return h("li", {}, h("span", { class: "peak-value", title: from }, context.peak_at === null ? "–" : number(context.peak)), line);
  });
  return h("section", { class: `bin ${bin.kind}` }, h("h3", {}, title(bin), " ", h("small", {}, about(bin, max))), h("ol", {}, rows));
}
