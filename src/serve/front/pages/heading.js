// The head of a latent's page: number, label, bookmark, tags and note, each edited where it stands.

import { h, put } from "../dom.js";
import { count, day } from "../format.js";
import { tagged } from "../query.js";
import { setBookmark, setLabel } from "./selection.js";

const NOTHING = { tags: [], note: "" };

/** The head; `changed` is called after something was saved. */
export class Heading {
  constructor(app, changed) {
    this.app = app;
    this.changed = changed;
    this.element = h("header", { class: "heading" });
    this.label = h("div", { class: "label" });
    this.marks = h("div", { class: "marks-line" });
  }

  async show(view) {
    const { app } = this;
    this.view = view;
    const arrow = (by, sign, text) => h("button", { class: "icon", title: text, "aria-label": text, onclick: () => dispatchEvent(new KeyboardEvent("keydown", { key: by > 0 ? "j" : "k" })) }, sign);
    this.place = h("a", { class: "quiet", href: app.link({ page: "latents", at: view.latent }) }, "all latents");
    put(this.element, h("div", { class: "line" }, h("h1", {}, String(view.latent)), this.label, h("div", { class: "moves" }, this.place, arrow(-1, "←", "The latent before (k)"), arrow(1, "→", "The next latent (j)"))), this.marks);
    this.#label();
    this.#marks();
    const { latents } = await app.lists.of();
    if (view !== this.view) return;
    const at = latents.indexOf(view.latent);
    put(this.place, at >= 0 ? `${count(at + 1)} of ${count(latents.length)}` : `not among the ${count(latents.length)} of the list`);
  }

  get bookmark() {
    return this.app.bookmarks.get(this.view.latent) ?? null;
  }

  #label() {
    const { label, history } = this.view;
    const { writable } = this.app.meta;
    const text = label ? h("span", { class: "text", dir: "auto" }, label.text) : h("span", { class: "text none" }, writable ? "Add a label" : "No label");
    const by = label && h("small", { class: "quiet" }, [label.source === "user" ? null : (label.model ?? label.source), day(label.created)].filter(Boolean).join(", "));
    const old = history.filter((one) => one !== history.find(({ text }) => text === label?.text));
    const earlier = old.length > 0 && h("details", { class: "history" }, h("summary", {}, `${old.length} earlier`), h("ul", {}, old.map((one) => h("li", { dir: "auto" }, one.text, " ", h("small", { class: "quiet" }, day(one.created))))));
    put(this.label, writable ? h("button", { class: "edit", title: "Edit the label (e)", onclick: () => this.editLabel() }, text) : text, by, earlier);
  }

  #marks() {
    const { app, bookmark } = this;
    const { writable, closed } = app.meta;
    const star = h("button", { class: "star", "aria-pressed": String(bookmark !== null), title: bookmark ? "Take the bookmark away (b)" : "Bookmark (b)", "aria-label": "Bookmark", onclick: () => this.toggleBookmark(), disabled: !writable }, bookmark ? "★" : "☆");
    const tags = (bookmark?.tags ?? []).map((tag) => h("a", { class: "tag", dir: "auto", href: app.link({ page: "latents", where: tagged(tag) }) }, tag));
    const add = (text, work, title) => writable && h("button", { class: "plain", title, onclick: work }, text);
    const flags = app.table.flagNames.filter((flag) => !["label", "bookmark"].includes(flag) && app.table.has(this.view.latent, flag));
    put(this.marks, star, tags, add(tags.length > 0 ? "edit tags" : "add tags", () => this.editTags(), "Edit the tags (t)"),
      bookmark?.note && h("span", { class: "note", dir: "auto" }, bookmark.note), add(bookmark?.note ? "edit note" : "add a note", () => this.editNote(), "Edit the note (n)"),
      flags.map((flag) => h("a", { class: "flag", href: app.link({ page: "latents", where: flag }) }, flag)),
      !writable && h("span", { class: "remark" }, `Read only: ${closed}.`));
  }

  /** Whether something may be written; says why not. */
  #may() {
    const { writable, closed } = this.app.meta;
    if (!writable) this.app.say(`Nothing is written into this store: ${closed}.`);
    return writable && this.view;
  }

  editLabel() {
    if (!this.#may()) return;
    this.#edit(this.label, { value: this.view.label?.text ?? "", name: "Label", placeholder: "What does it stand for?" }, (text) => setLabel(this.app, this.view.latent, text), () => this.#label());
  }

  editTags() {
    if (!this.#may()) return;
    const value = (this.bookmark?.tags ?? []).join(", ");
    const save = (text) => setBookmark(this.app, this.view.latent, { ...NOTHING, ...this.bookmark, tags: text.split(",").map((tag) => tag.trim()).filter(Boolean) });
    this.#edit(this.marks, { value, name: "Tags", placeholder: "Tags, with commas between" }, save, () => this.#marks());
  }

  editNote() {
    if (!this.#may()) return;
    const save = (note) => setBookmark(this.app, this.view.latent, { ...NOTHING, ...this.bookmark, note });
    this.#edit(this.marks, { value: this.bookmark?.note ?? "", name: "Note", placeholder: "A note", long: true }, save, () => this.#marks());
  }

  /** Puts a field in a place. Enter saves, Escape goes back; what could not be saved stays in the field. */
  #edit(place, { value, name, placeholder, long = false }, save, back) {
    const { view } = this;
    const field = h(long ? "textarea" : "input", { value, placeholder, "aria-label": name, ...(long ? { rows: 3 } : { type: "text" }) });
    const form = h("form", { class: "editing" }, field, h("button", {}, "Save"), h("button", { type: "button", class: "plain", onclick: back }, "Cancel"));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!(await this.app.attempt(() => save(field.value)))) return field.focus();
      this.app.say("Saved.");
      if (view === this.view) this.changed();
    });
    field.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.stopPropagation();
        back();
      }
      if (event.key === "Enter" && long && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    put(place, form);
    field.focus();
    field.select();
  }

  async toggleBookmark() {
    if (!this.#may()) return;
    const { app, view } = this;
    const old = this.bookmark;
    const done = await app.attempt(() => setBookmark(app, view.latent, old ? null : NOTHING));
    if (!done) return;
    app.say(old ? "The bookmark is gone." : "Bookmarked.");
    this.#marks();
  }
}
