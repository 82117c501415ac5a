// Numbers and texts as people read them.

const counts = new Intl.NumberFormat("en-US");

/** Returns a count with its thousands apart: 65,536. */
export const count = (value) => counts.format(value);

/** Returns a count with its noun: 1 latent, 2 latents. */
export const counted = (value, noun) => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;

/** Returns a number to about three digits, without long tails of zeros; a dash where there is none. */
export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return minus(count(value));
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return minus(value.toExponential(2));
  return minus(size >= 100 ? value.toFixed(1) : size >= 1 ? value.toFixed(2) : value.toFixed(3));
}

/** Returns a share as a percentage with the digits it deserves: 12.3%, 0.042%. */
export function percent(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value === 0) return "0";
  const hundred = value * 100;
  if (hundred < 1e-4) return `${hundred.toExponential(1)}%`.replace("e-", "e−");
  const digits = hundred >= 10 ? 1 : hundred >= 1 ? 2 : Math.min(6, 1 - Math.floor(Math.log10(hundred)));
  return `${hundred.toFixed(digits)}%`;
}

/** Returns a point in time, given in seconds since 1970 or as text, as a day. */
export function day(time) {
  const date = new Date(typeof time === "number" ? time * 1000 : time);
  return Number.isNaN(date.valueOf()) ? "" : date.toLocaleDateString(undefined, { dateStyle: "medium" });
}

const SHOWN = { "\n": "↵", "\r": "␍", "\t": "⇥" };

/** Returns a token as it stands in lists: blanks and control characters shown. */
export function token(text) {
  const shown = text.replace(/[\n\r\t]/g, (letter) => SHOWN[letter]).replace(/^ /, "·").replace(/ $/, "·");
  return control(shown) || "∅";
}

/** Returns the text with its other control characters, and those that turn the direction of what follows, visible. */
export function control(text) {
  return text
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, (letter) => String.fromCharCode(0x2400 + letter.charCodeAt(0)))
    .replace(/[\u202a-\u202e\u2066-\u2069\u007f]/g, "�");
}

const minus = (text) => text.replace(/-/g, "−");
