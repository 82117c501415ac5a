// Tokens of a text, each with the colour of its activation.

import { h } from "./dom.js";
import { control, number, percent, token } from "./format.js";

/** How activations become colours: the part of the maximum, from 0 to 1, to the strength of the colour. */
export const SCALES = {
  linear: (part) => part,
  root: (part) => Math.sqrt(part),
  log: (part) => Math.log10(1 + 9 * part),
};

/** How much of a context is shown: tokens on each side of the peak. */
export const RANGES = [10, 30, 50, Infinity];

const facts = new WeakMap();

/**
 * Returns a context as a line of marked tokens. `context` has `pieces` (texts of tokens, from the place `first` on), `on`
 * (pairs of a piece and its activation), `peak_at` (a piece) and `total` tokens; `max` is what counts as full colour, `before` how many tokens at most
 * stand before the peak where there is little room.
 */
export function contextLine(context, { range, scale, max, marks, whole, before = Infinity }) {
  const peak = context.peak_at;
  const from = Math.max(0, peak === null ? 0 : peak - Math.min(before, RANGES[range]));
  const to = Math.min(context.pieces.length, (peak ?? RANGES[range]) + RANGES[range] + 1);
  const values = new Map(context.on);
  const line = h("p", { class: `context${whole ? " whole" : ""}${marks ? " marks" : ""}`, dir: direction(context.pieces.slice(from, to).join("")) });
  if (from > 0 || context.first > 0) line.append(h("span", { class: "cut" }, "… "));
  let plain = "";
  for (const piece of joined(context.pieces, from, to)) {
    const parts = piece.tokens.map((at) => values.get(at) ?? 0);
    const value = parts.reduce((most, part) => (Math.abs(part) > Math.abs(most) ? part : most), 0);
    const outlined = peak !== null && piece.tokens.includes(peak);
    if (value === 0 && !outlined) {
      plain += visible(piece.text, marks, whole);
      continue;
    }
    line.append(plain, ...marked(piece, value, { scale, max, outlined, marks, whole, context }));
    plain = "";
  }
  line.append(plain);
  if (to < context.pieces.length || context.first + context.pieces.length < context.total) {
    line.append(h("span", { class: "cut" }, " …"));
  }
  return line;
}

/** The direction of most letters: a text that was cut may begin with any word. */
function direction(text) {
  const letters = (kind) => text.match(kind)?.length ?? 0;
  return letters(/[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/g) > letters(/[A-Za-z\u00c0-\u058f\u0900-\u1fff\u3040-\ud7ff]/g) ? "rtl" : "ltr";
}

function marked(piece, value, { scale, max, outlined, marks, whole, context }) {
  const part = max > 0 ? Math.min(1, Math.abs(value) / max) : 0;
  const strength = SCALES[scale](part);
  // The blank before a word belongs to its token, but a mark around it would touch the word before.
  const blank = marks ? "" : piece.text.match(/^ */)[0];
  const kind = `t${value < 0 ? " below" : ""}${outlined ? " peak" : ""}`;
  const element = h("span", { class: kind, vars: { v: strength.toFixed(3) } }, visible(piece.text.slice(blank.length) || piece.text, marks, whole));
  facts.set(element, { text: piece.text, value, part: value / max, place: context.first + piece.tokens[0] });
  return blank.length < piece.text.length ? [blank, element] : [element];
}

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/**
 * Returns the pieces from `from` to `to` as texts with their tokens. Tokens that share what readers see as one character
 * (an accent apart from its letter, an emoji of several) stay together.
 */
export function joined(pieces, from, to) {
  const found = [];
  for (let at = from; at < to; at++) found.push({ text: pieces[at], tokens: [at] });
  const text = found.map((piece) => piece.text).join("");
  if (/^[\x00-\x7f]*$/.test(text)) return found;
  const starts = new Set();
  for (const { index } of segmenter.segment(text)) starts.add(index);
  const whole = [];
  let at = 0;
  for (const piece of found) {
    const last = whole.at(-1);
    if (last && (!starts.has(at) || piece.text === "")) {
      last.text += piece.text;
      last.tokens.push(...piece.tokens);
    } else whole.push(piece);
    at += piece.text.length;
  }
  return whole;
}

/** Returns a token's text as it is shown within a line. */
export function visible(text, marks, whole) {
  const lines = text.replace(/\r\n?/g, "\n").replace(/\n/g, whole ? "↵\n" : "↵");
  const tabs = lines.replace(/\t/g, marks ? "→\t" : "\t");
  return control(marks ? tabs.replace(/ /g, "·\u200b") : tabs);
}

/** Shows what is known of a token while the pointer is on it. */
export function explainTokens(root) {
  const card = h("div", { id: "card", role: "tooltip", hidden: true });
  document.body.append(card);
  root.addEventListener("pointerover", (event) => {
    const fact = facts.get(event.target);
    card.hidden = !fact;
    if (!fact) return;
    const share = Number.isFinite(fact.part) ? h("span", {}, `${percent(Math.abs(fact.part))} of the maximum`) : null;
    card.replaceChildren(h("b", {}, token(fact.text)), h("span", {}, number(fact.value)), ...(share ? [share] : []), h("span", {}, `token ${fact.place}`));
    const box = event.target.getBoundingClientRect();
    const left = Math.min(box.left, innerWidth - card.offsetWidth - 12);
    const above = box.top - card.offsetHeight - 6;
    card.style.left = `${Math.max(8, left)}px`;
    card.style.top = `${above > 4 ? above : box.bottom + 6}px`;
  });
}

/** Remembers what is known of an element that stands for a token, for `explainTokens`. */
export const remember = (element, fact) => facts.set(element, fact);
