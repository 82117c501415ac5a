// A cloud of latents on two logarithmic axes, on a canvas; a range drawn on it becomes a filter.

import { h } from "./dom.js";
import { number } from "./format.js";

const MARGIN = { left: 46, right: 10, top: 8, bottom: 26 };

/** Returns the plot of `y` against `x` (columns, with latents that are 0 in either left out); `onbrush` gets the bounds. */
export function scatter({ x, y, names, height = 300, onbrush }) {
  const canvas = h("canvas", { class: "scatter", role: "img", "aria-label": `${names[1]} against ${names[0]} of all latents` });
  const box = h("div", { class: "brush", hidden: true });
  const frame = h("div", { class: "scatter-frame", vars: { height: `${height}px` } }, canvas, box);
  const axes = [axis(x), axis(y)];
  let size = { width: 0, height };
  const draw = () => {
    const width = frame.clientWidth;
    if (width === 0) return;
    size = { width, height };
    paint(canvas, size, { x, y, axes, names });
  };
  new ResizeObserver(draw).observe(frame);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  addEventListener("themechange", draw);
  brush(frame, box, (from, to) => {
    const place = (point) => unproject(point, size, axes);
    const [a, b] = [place(from), place(to)];
    onbrush({ x: [Math.min(a[0], b[0]), Math.max(a[0], b[0])], y: [Math.min(a[1], b[1]), Math.max(a[1], b[1])] });
  });
  return frame;
}

function axis(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (!(value > 0) || value === Infinity) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (!(low <= high)) [low, high] = [0.1, 1];
  const [from, to] = [Math.log10(low), Math.log10(high)];
  const rim = Math.max(0.05, (to - from) * 0.03);
  return { from: from - rim, to: to + rim };
}

const inner = ({ width, height }) => ({
  width: Math.max(1, width - MARGIN.left - MARGIN.right),
  height: Math.max(1, height - MARGIN.top - MARGIN.bottom),
});

function project(x, y, size, [across, up]) {
  const area = inner(size);
  return [
    MARGIN.left + ((Math.log10(x) - across.from) / (across.to - across.from)) * area.width,
    MARGIN.top + (1 - (Math.log10(y) - up.from) / (up.to - up.from)) * area.height,
  ];
}

function unproject([left, top], size, [across, up]) {
  const area = inner(size);
  const x = across.from + ((left - MARGIN.left) / area.width) * (across.to - across.from);
  const y = up.from + (1 - (top - MARGIN.top) / area.height) * (up.to - up.from);
  return [10 ** x, 10 ** y];
}

function paint(canvas, size, { x, y, axes, names }) {
  const dense = devicePixelRatio || 1;
  canvas.width = Math.round(size.width * dense);
  canvas.height = Math.round(size.height * dense);
  const ink = canvas.getContext("2d");
  ink.scale(dense, dense);
  const style = getComputedStyle(canvas);
  // What a custom property comes to in this theme is told of a colour only.
  const colour = (name) => {
    canvas.style.color = `var(${name})`;
    return style.color;
  };
  ink.font = `11px ${style.fontFamily}`;
  grid(ink, size, axes, names, { line: colour("--line"), text: colour("--quiet") });
  ink.fillStyle = colour("--accent");
  ink.globalAlpha = Math.max(0.08, Math.min(0.6, 2200 / x.length));
  const dot = x.length > 200_000 ? 1 : 1.6;
  for (let latent = 0; latent < x.length; latent++) {
    if (!(x[latent] > 0 && y[latent] > 0)) continue;
    const [left, top] = project(x[latent], y[latent], size, axes);
    ink.fillRect(left - dot / 2, top - dot / 2, dot, dot);
  }
}

function grid(ink, size, [across, up], names, { line, text }) {
  const area = inner(size);
  ink.strokeStyle = line;
  ink.fillStyle = text;
  ink.lineWidth = 1;
  ink.textAlign = "center";
  const columns = ticks(across, area.width / 70);
  for (const power of columns) {
    const left = MARGIN.left + ((power - across.from) / (across.to - across.from)) * area.width;
    rule(ink, left, MARGIN.top, left, MARGIN.top + area.height);
    ink.fillText(label(power), left, size.height - 10);
  }
  ink.textAlign = "right";
  for (const power of ticks(up, area.height / 40)) {
    const top = MARGIN.top + (1 - (power - up.from) / (up.to - up.from)) * area.height;
    rule(ink, MARGIN.left, top, size.width - MARGIN.right, top);
    ink.fillText(label(power), MARGIN.left - 6, top + 4);
  }
  ink.fillText(`${names[0]} →`, size.width - MARGIN.right - 4, MARGIN.top + area.height - 6);
  ink.textAlign = "left";
  ink.fillText(`↑ ${names[1]}`, MARGIN.left + 6, MARGIN.top + 12);
}

function rule(ink, x1, y1, x2, y2) {
  ink.beginPath();
  ink.moveTo(x1, y1);
  ink.lineTo(x2, y2);
  ink.stroke();
}

/** Returns powers of ten within an axis, and 2 and 5 times them where it is short; at most `most`. */
function ticks({ from, to }, most) {
  const steps = to - from < 2 ? [1, 2, 5] : [1];
  const found = [];
  for (let power = Math.floor(from); power <= Math.ceil(to); power++) {
    for (const step of steps) found.push(power + Math.log10(step));
  }
  const inside = found.filter((power) => power >= from && power <= to);
  const every = Math.max(1, Math.ceil(inside.length / Math.max(2, most)));
  return inside.filter((_, at) => at % every === 0);
}

const label = (power) => (Number.isInteger(power) && Math.abs(power) > 2 ? `10${[...String(power)].map((digit) => RAISED[digit]).join("")}` : number(Number((10 ** power).toPrecision(1))));

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

function brush(frame, box, done) {
  let start = null;
  const place = (event) => {
    const around = frame.getBoundingClientRect();
    return [event.clientX - around.left, event.clientY - around.top];
  };
  frame.addEventListener("pointerdown", (event) => {
    start = place(event);
    frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener("pointermove", (event) => {
    if (!start) return;
    const now = place(event);
    box.hidden = false;
    box.style.left = `${Math.min(start[0], now[0])}px`;
    box.style.top = `${Math.min(start[1], now[1])}px`;
    box.style.width = `${Math.abs(start[0] - now[0])}px`;
    box.style.height = `${Math.abs(start[1] - now[1])}px`;
  });
  frame.addEventListener("pointerup", (event) => {
    const [from, to] = [start, place(event)];
    start = null;
    box.hidden = true;
    if (from && Math.hypot(from[0] - to[0], from[1] - to[1]) > 6) done(from, to);
  });
}
