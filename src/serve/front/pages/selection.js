// Rows that were picked from the list, and what can be done with all of them.

import { h, put } from "../dom.js";
import { counted } from "../format.js";

/** The picked latents; `changed` is called with the latents of which something was saved, when the list is to be drawn. */
export class Selection {
  constructor(app, changed) {
    this.app = app;
    this.changed = changed;
    this.picked = new Set();
    this.element = h("div", { class: "selection", hidden: true });
  }

  has(latent) {
    return this.picked.has(latent);
  }

  toggle(latent) {
    if (latent === undefined) return;
    if (!this.picked.delete(latent)) this.picked.add(latent);
    this.#done();
  }

  /** Picks a row or no longer; with Shift all from the row that was picked before. */
  pick(latent, at, latents, whole) {
    if (whole && this.last !== undefined) {
      const [from, to] = [Math.min(at, this.last), Math.max(at, this.last)];
      for (const other of latents.subarray(from, to + 1)) this.picked.add(other);
    } else if (!this.picked.delete(latent)) this.picked.add(latent);
    this.last = at;
    this.#done();
  }

  #done(saved = []) {
    this.show();
    this.changed(saved);
  }

  show() {
    this.element.hidden = this.picked.size === 0;
    if (this.element.hidden) return;
    const { writable } = this.app.meta;
    const action = (text, work) => h("button", { class: "plain", onclick: work }, text);
    put(this.element, h("b", {}, counted(this.picked.size, "latent")),
      writable && action("Bookmark", () => this.bookmark([...this.picked], true)),
      writable && action("Label", () => this.#label()),
      action("Export", () => this.#export()),
      action("None", () => (this.picked.clear(), this.#done())));
  }

  /** Bookmarks latents, or takes their bookmarks away. */
  async bookmark(latents, on) {
    const { app } = this;
    await app.attempt(async () => {
      for (const latent of latents) await setBookmark(app, latent, on ? (app.bookmarks.get(latent) ?? { tags: [], note: "" }) : null);
      app.say(on ? `${counted(latents.length, "latent")} bookmarked.` : "The bookmark is gone.");
    });
    this.#done(latents);
  }

  #label() {
    const field = h("input", { type: "text", placeholder: "One label for all of them", "aria-label": "Label for the selected latents" });
    const save = async (event) => {
      event.preventDefault();
      const { app } = this;
      await app.attempt(async () => {
        for (const latent of this.picked) await setLabel(app, latent, field.value);
        app.say(`${counted(this.picked.size, "latent")} labelled.`);
        this.show();
      });
      this.changed([...this.picked]);
    };
    put(this.element, h("form", { onsubmit: save }, field, h("button", {}, "Save"), h("button", { type: "button", class: "plain", onclick: () => this.show() }, "Cancel")));
    field.focus();
  }

  async #export() {
    const { app } = this;
    const names = Object.keys(app.table.columns);
    await app.attempt(async () => {
      const picked = [...this.picked].sort((a, b) => a - b);
      const lines = [["latent", "label", ...names].join(",")];
      for (let at = 0; at < picked.length; at += 50) {
        for (const row of await app.source.rows(picked.slice(at, at + 50))) {
          lines.push([row.latent, quoted(row.label ?? ""), ...names.map((name) => app.table.columns[name][row.latent])].join(","));
        }
      }
      download("latents.csv", `${lines.join("\n")}\n`);
    });
  }
}

// A text that a spreadsheet would take for a formula is kept one by an apostrophe.
const quoted = (text) => `"${text.replace(/^[=+\-@\t\r]/, "'$&").replace(/"/g, '""')}"`;

function download(name, text) {
  const link = h("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** Saves a bookmark, or takes it away (`null`), here and in the store. */
export async function setBookmark(app, latent, bookmark) {
  const saved = await app.source.setBookmark(latent, { on: bookmark !== null, tags: bookmark?.tags ?? [], note: bookmark?.note ?? "" });
  if (saved.bookmark) app.bookmarks.set(latent, { latent, ...saved.bookmark });
  else app.bookmarks.delete(latent);
  app.table.mark(latent, "bookmark", saved.bookmark !== null);
  app.lists.changed();
}

/** Saves a label here and in the store; an empty one takes it away. */
export async function setLabel(app, latent, text) {
  await app.source.setLabel(latent, text);
  app.table.mark(latent, "label", text.trim() !== "");
  app.lists.changed();
}
