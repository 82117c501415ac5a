// The list of keys, made from the tables that the keys themselves are read from.

import { h, put } from "./dom.js";

/** Opens the list; any click or Escape closes it. */
export function showHelp(tables) {
  const dialog = document.getElementById("help");
  const rows = tables.flat().map(([keys, what]) =>
    h("div", {}, h("dt", {}, keys.split(" ").map((key) => h("kbd", {}, NAMES[key] ?? key))), h("dd", {}, what)));
  put(dialog, h("h2", {}, "Keys"), h("dl", { class: "keys" }, rows), h("p", { class: "hint" }, "Escape leaves a field and closes this list."));
  dialog.onclick = () => dialog.close();
  if (!dialog.open) dialog.showModal();
}

const NAMES = { Enter: "↵", ArrowDown: "↓", ArrowUp: "↑", ArrowLeft: "←", ArrowRight: "→", " ": "space" };
