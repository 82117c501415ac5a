// The dictionary as a whole: what it is, how its latents are spread, and ways into the list.

import { h, put } from "../dom.js";
import { count, counted, number, percent } from "../format.js";
import { histogram } from "../histogram.js";
import { between } from "../query.js";
import { scatter } from "../scatter.js";

const BINS = 50;

/** What the numbers at the top lead to: a flag, its name, and what it means. */
const GROUPS = [
  ["alive", "alive", "fire at least once"],
  ["dead", "dead", "never fire"],
  ["rare", "rare", "fire so rarely that there is little to judge them from"],
  ["dense", "dense", "fire on more than a tenth of all tokens"],
  ["duplicate", "duplicates", "point the same way as another latent"],
  ["token", "token detectors", "fire on one token, nearly always"],
  ["output", "output latents", "move a few logits far more than others"],
  ["label", "labelled", "have a label"],
  ["bookmark", "bookmarked", "have a bookmark"],
];

/** Opens the page. */
export function open(app, place) {
  return {
    keys: [["l", "the list of latents", () => app.open({ page: "latents" })]],
    update() {
      const plots = h("div", { class: "two plots" });
      put(place, head(app.meta), groups(app), plots, h("div", { class: "two" }, facts(app.meta), evaluation(app.meta)));
      // Figures are there to be read while the plots are drawn.
      requestAnimationFrame(() => setTimeout(() => put(plots, densities(app), cloud(app))));
    },
  };
}

function head(meta) {
  const read = `${counted(meta.latents, "latent")}, ${counted(meta.tokens, "token")} in ${counted(meta.contexts, "context")}`;
  const state = { running: "The analysis is still running: figures are of what it has read so far.", ended_early: "The analysis ended before its last token." }[meta.state];
  return h("section", { class: "head" }, h("h1", { dir: "auto" }, meta.title), h("p", { class: "quiet" }, read), state && h("p", { class: "remark" }, state));
}

function groups(app) {
  const { table } = app;
  const totals = table.totals();
  if ("dead" in totals) totals.alive = table.count - totals.dead;
  const cards = GROUPS.filter(([flag]) => totals[flag] !== undefined).map(([flag, name, about]) =>
    h("a", { class: "card", title: `Latents that ${about}`, href: app.link({ page: "latents", where: ["label", "bookmark"].includes(flag) ? `has:${flag}` : flag }) },
      h("b", {}, count(totals[flag])), h("span", {}, name), h("small", {}, percent(totals[flag] / table.count))));
  return h("section", { class: "cards" }, cards);
}

function densities(app) {
  const density = app.table.columns.density;
  let [low, high] = [Infinity, 0];
  for (const value of density) {
    if (!(value > 0)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const title = h("h2", {}, "Density");
  if (!(low <= high)) return h("section", {}, title, h("p", { class: "empty" }, "No latent fires."));
  const from = Math.floor(Math.log10(low) * 2) / 2;
  const to = Math.max(from + 0.5, Math.ceil(Math.log10(high) * 2) / 2);
  const counts = new Array(BINS).fill(0);
  for (const value of density) {
    if (!(value > 0)) continue;
    counts[Math.min(BINS - 1, Math.floor(((Math.log10(value) - from) / (to - from)) * BINS))] += 1;
  }
  const edge = (bin) => 10 ** (from + (bin / BINS) * (to - from));
  const ticks = [];
  for (let power = Math.ceil(from); power <= to; power++) ticks.push([power, percent(10 ** power)]);
  const plot = histogram({
    counts, low: from, high: to, width: innerWidth < 700 ? 340 : 640, height: innerWidth < 700 ? 180 : 240, ticks: ticks.length > 1 ? ticks : [[from, percent(10 ** from)], [to, percent(10 ** to)]],
    label: "How many latents have which density",
    tell: (bin, value) => `${percent(edge(bin))} – ${percent(edge(bin + 1))}: ${counted(value, "latent")}`,
    onbin: (bin) => app.open({ page: "latents", where: between("", "density", edge(bin), edge(bin + 1)), sort: "-density" }),
  });
  return h("section", { class: "density" }, title, h("p", { class: "quiet" }, "On which share of tokens a latent fires. A click opens the latents of a bar."), plot);
}

function cloud(app) {
  const { density, max } = app.table.columns;
  const plot = scatter({ x: density, y: max, names: ["density", "maximum"], height: 240, onbrush: ({ x, y }) =>
    app.open({ page: "latents", where: between(between("", "density", ...x), "max", ...y), sort: "-max" }) });
  return h("section", {}, h("h2", {}, "Maximum against density"), h("p", { class: "quiet" }, "Draw a box to list what is in it."), plot);
}

function facts(meta) {
  const rows = meta.facts.map(([name, value]) => [h("dt", {}, name), h("dd", { dir: "auto" }, value)]);
  const settings = meta.settings && h("details", {}, h("summary", {}, "Settings of the analysis"), h("pre", { class: "settings" }, meta.settings));
  return h("section", {}, h("h2", {}, "What it is of"), h("dl", { class: "facts" }, rows), settings);
}

function evaluation(meta) {
  const rows = meta.evaluation.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, number(value))));
  const body = rows.length > 0 ? h("table", { class: "figures" }, h("tbody", {}, rows)) : h("p", { class: "empty" }, "The store has no evaluation.");
  return h("section", {}, h("h2", {}, "Evaluation"), body);
}
