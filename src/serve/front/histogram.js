// Histograms, as SVG.

import { h, svg } from "./dom.js";
import { count, number } from "./format.js";

/**
 * Returns a histogram of `counts` over `low` to `high`. `bands` are ranges with a name and what happens on a click;
 * `ticks` are pairs of a place and its text; `root` draws square roots of counts, so that rare bins are seen.
 */
export function histogram({ counts, low, high, label, bands = [], ticks, root = false, width = 320, height = 96, onbin, tell }) {
  const ground = height - 18;
  const tall = root ? Math.sqrt : (value) => value;
  const most = Math.max(1e-12, ...counts.map(tall));
  const step = width / counts.length;
  const x = (value) => ((value - low) / (high - low || 1)) * width;
  const plot = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "histogram", role: "img", "aria-label": label });
  for (const band of bands) plot.append(bandOf(band, x, ground));
  counts.forEach((value, bin) => {
    const tallness = value > 0 ? Math.max(1, (tall(value) / most) * (ground - 6)) : 0;
    const said = tell?.(bin, value) ?? `${number(low + (bin / counts.length) * (high - low))} – ${number(low + ((bin + 1) / counts.length) * (high - low))}: ${count(value)}`;
    const bar = svg("rect", { x: bin * step, y: ground - tallness, width: Math.max(0.5, step - 0.6), height: tallness, class: "bar" });
    const whole = svg("rect", { x: bin * step, y: 0, width: step, height: ground, class: "hit" }, svg("title", {}, said));
    if (onbin) whole.addEventListener("click", () => onbin(bin));
    plot.append(bar, bands.length > 0 ? "" : whole);
  });
  plot.append(svg("line", { x1: 0, x2: width, y1: ground, y2: ground, class: "axis" }));
  const all = ticks ?? [[low, number(low)], [high, number(high)]];
  all.forEach(([value, text], at) => {
    const anchor = at === 0 ? "start" : at === all.length - 1 ? "end" : "middle";
    plot.append(svg("text", { x: x(value), y: height - 4, "text-anchor": anchor }, text));
  });
  return plot;
}

function bandOf({ name, low, high, current, onclick }, x, ground) {
  const place = { x: x(low), y: 0, width: Math.max(2, x(high) - x(low)), height: ground };
  const band = svg("rect", { ...place, class: `band${current ? " current" : ""}`, tabindex: 0 }, svg("title", {}, name));
  band.addEventListener("click", onclick);
  return band;
}

/** Returns a histogram small enough to stand in a line of text. */
export function spark(counts) {
  const bars = [];
  const wide = 32;
  const each = Math.ceil(counts.length / wide);
  for (let at = 0; at < counts.length; at += each) bars.push(counts.slice(at, at + each).reduce((sum, value) => sum + value, 0));
  const most = Math.max(1, ...bars.map(Math.sqrt));
  const path = bars.map((value, at) => `M${at * 2},16v${-(value > 0 ? Math.max(1, (Math.sqrt(value) / most) * 15) : 0)}`).join("");
  return svg("svg", { viewBox: `-1 0 ${bars.length * 2} 16`, class: "spark", "aria-hidden": "true" }, svg("path", { d: path }));
}

/** Returns a table of names and bars, as for logits: `rows` are `[name, value, onclick?]`. */
export function bars(rows, { tell = number, below = false } = {}) {
  const most = Math.max(1e-12, ...rows.map(([, value]) => Math.abs(value)));
  return h("ol", { class: `bars${below ? " below" : ""}` }, rows.map(([name, value, onclick]) =>
    h("li", { vars: { part: `${((Math.abs(value) / most) * 100).toFixed(1)}%` } },
      onclick ? h("button", { class: "name", onclick, dir: "auto" }, name) : h("span", { class: "name", dir: "auto" }, name),
      h("span", { class: "value" }, tell(value)))));
}
