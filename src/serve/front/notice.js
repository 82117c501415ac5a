// What the page says to people beside its figures: a bar that stays, and a line that goes.

import { h, put } from "./dom.js";

const bar = () => document.getElementById("bar");
const line = () => document.getElementById("line");
let timer = 0;

/** Shows an error in the bar until something else happens; `action` is `[text, what to do]`. */
export function trouble(error, action) {
  const button = action && h("button", { class: "plain", onclick: action[1] }, action[0]);
  const hint = error.hint && h("span", { class: "hint" }, error.hint);
  put(bar(), h("p", {}, h("strong", {}, error.message), " ", hint), button);
  bar().hidden = false;
}

/** Takes the bar away. */
export function clear() {
  bar().hidden = true;
}

/** Says something for some seconds. */
export function say(text) {
  clearTimeout(timer);
  put(line(), text);
  line().classList.add("on");
  timer = setTimeout(() => line().classList.remove("on"), 2600);
}
