// A list of which only the rows in view exist.

import { h } from "./dom.js";

// Browsers cannot scroll further than this many pixels; longer lists scroll proportionally.
const TALLEST = 8_000_000;

/**
 * Returns a list: `element` to be placed in a box of fixed height, `show(length)`, `refresh()`, `reveal(at)`. `row(at)`
 * makes the element of a row; `wanted(from, to)` is told which rows come into view, and may answer with a promise after
 * which they are made again.
 */
export function virtualList({ height, row, wanted }) {
  const inside = h("div", { class: "list-inside" });
  const element = h("div", { class: "list", tabindex: -1 }, inside);
  let length = 0;
  let drawn = 0;
  let last = "";

  const tall = () => Math.min(TALLEST, length * height);
  // How many pixels of the list a pixel of scrolling means.
  const stretch = () => {
    const way = tall() - element.clientHeight;
    return way > 0 ? (length * height - element.clientHeight) / way : 1;
  };
  const range = () => {
    const top = element.scrollTop * stretch();
    const from = Math.max(0, Math.floor(top / height) - 4);
    return { top, from, to: Math.min(length, Math.ceil((top + element.clientHeight) / height) + 4) };
  };

  const place = ({ top, from, to }) => {
    const rows = [];
    for (let at = from; at < to; at++) {
      const made = row(at);
      made.style.transform = `translateY(${at * height - top + element.scrollTop}px)`;
      rows.push(made);
    }
    inside.replaceChildren(...rows);
  };
  const draw = (force = false) => {
    const now = range();
    const rows = `${now.from} ${now.to}`;
    const moved = force || rows !== last;
    last = rows;
    // Where scrolling is proportional, rows move also while they stay the same.
    if (moved || stretch() !== 1) place(now);
    if (!moved) return;
    const own = ++drawn;
    wanted?.(now.from, now.to)?.then(() => own === drawn && place(range()));
  };

  element.addEventListener("scroll", () => draw(), { passive: true });
  new ResizeObserver(() => draw(true)).observe(element);
  return {
    element,
    show(count) {
      length = count;
      inside.style.height = `${tall()}px`;
      draw(true);
    },
    refresh: () => draw(true),
    reveal(at) {
      const top = (at * height) / stretch();
      const screen = element.clientHeight;
      if (top < element.scrollTop) element.scrollTop = top;
      else if (top + height > element.scrollTop + screen) element.scrollTop = top + height - screen;
      draw(true);
    },
    home() {
      element.scrollTop = 0;
    },
  };
}
