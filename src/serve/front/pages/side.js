// Beside the contexts of a latent: its figures, distributions, logits, tokens and neighbours.

import { h, svg } from "../dom.js";
import { count, number, percent, token } from "../format.js";
import { bars, histogram } from "../histogram.js";
import { about, title } from "./bins.js";

const NEAR = { decoder: "decoder cosine", jaccard: "firing together", pearson: "correlation" };

/** Returns the sections beside the contexts; `bin` is the one that is shown, or null. */
export function side(app, view, bin) {
  return [figures(app, view), activations(app, view, bin), logits(app, view), tokens(app, view), neighbours(app, view), heads(view)];
}

const digits = (value) => value.toFixed(2).replace("-", "−");

/** Returns `name`, marked where what it stands over is an estimate. */
const marked = (name, estimated) => estimated ? `${name} (estimated)` : name;

const section = (name, ...rest) => h("section", {}, h("h2", {}, name), rest);

function figures(app, { latent }) {
  const rows = app.table.about.map(({ name, title, about, form }) => {
    const value = app.table.columns[name][latent];
    if (Number.isNaN(value)) return null;
    return h("div", { title: about }, h("dt", {}, title), h("dd", {}, (form === "share" ? percent : number)(value)));
  });
  return h("section", {}, h("dl", { class: "figures" }, rows));
}

function activations(app, view, bin) {
  const counts = view.histogram;
  const max = app.table.columns.max[view.latent];
  if (!counts?.some((value) => value > 0) || !(max > 0) || !Number.isFinite(max)) return null;
  const bands = view.subsamples.filter(({ kind }) => kind === "uniform").map((one) => ({
    name: `${title(one)}: ${about(one, max)}`, low: one.low * max, high: one.high * max, current: one === bin,
    onclick: () => app.change({ bin: one === bin ? null : one.name }),
  }));
  const hint = bands.length > 0 ? h("p", { class: "quiet" }, "A click shows the contexts of a band.") : null;
  return section(marked("Activations", app.meta.approximate), histogram({ counts, low: 0, high: max, label: "How activations are distributed", bands, root: true }), hint);
}

function logits(app, { logits }) {
  if (!logits) return null;
  const named = (pairs) => pairs.map(([text, value]) => [token(text), value, () => search(app, text)]);
  const plot = logits.histogram.length > 0 && logits.low < logits.high
    ? histogram({ counts: logits.histogram, low: logits.low, high: logits.high, label: "Logits of all tokens", root: true, height: 72, tell: (at, value) => `${number(logits.low + (at / logits.histogram.length) * (logits.high - logits.low))}: ${count(value)} tokens` })
    : null;
  return section("Logits", plot, h("div", { class: "pair" }, h("div", {}, h("h3", {}, "raised"), bars(named(logits.top), { tell: digits })), h("div", {}, h("h3", {}, "lowered"), bars(named(logits.bottom), { below: true, tell: digits }))));
}

function tokens(app, { tokens }) {
  if (tokens.length === 0) return null;
  const rows = tokens.map(({ token: text, count }) => [token(text), count, () => search(app, text)]);
  return section(marked("Tokens it fires on", app.meta.approximate), bars(rows, { tell: count }));
}

function search(app, text) {
  app.open({ page: "latents", where: text.trim(), sort: null });
}

function neighbours(app, view) {
  const lists = view.neighbours.filter(({ latents }) => latents.length > 0).map(({ kind, latents }) =>
    h("details", { open: kind === "decoder" }, h("summary", {}, marked(NEAR[kind] ?? kind, app.meta.estimated_pairs && kind !== "decoder")), h("ol", { class: "near" }, latents.map(([latent, value, label]) =>
      h("li", {}, h("a", { class: "number", href: app.link({ page: "latent", item: latent }) }, String(latent)), h("span", { dir: "auto" }, label ?? ""), h("span", { class: "value" }, number(value)))))));
  return lists.length === 0 ? null : section("Near latents", lists);
}

function heads({ norms }) {
  if (!norms || norms.length === 0) return null;
  const most = Math.max(1e-12, ...norms);
  const plot = svg("svg", { viewBox: `0 0 ${norms.length * 12} 44`, class: "heads", role: "img", "aria-label": "Norm of each decoder row" },
    norms.map((norm, at) => svg("rect", { x: at * 12 + 1, y: 42 - (norm / most) * 40, width: 10, height: (norm / most) * 40, class: "bar" }, svg("title", {}, `${at}: ${number(norm)}`))));
  return section("Norms of its decoder rows", plot);
}
