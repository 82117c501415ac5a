// The list of latents: one filter, any order, only the rows in view.

import { h, put } from "../dom.js";
import { count, counted, number, percent } from "../format.js";
import { contextLine } from "../highlight.js";
import { spark } from "../histogram.js";
import { virtualList } from "../list.js";
import { between, has, toggle } from "../query.js";
import { Selection } from "./selection.js";

const CHIPS = ["alive", "dead", "rare", "dense", "duplicate", "token", "output", "has:label", "has:bookmark"];
const FIRST_COLUMNS = ["density", "max", "mean"];
const ROW = 52;

/** Opens the page. */
export function open(app, place) {
  return new Latents(app, place);
}

class Latents {
  constructor(app, place) {
    this.app = app;
    this.latents = new Uint32Array(0);
    this.rows = new Map();
    this.cursor = 0;
    this.selection = new Selection(app, (changed) => this.#changed(changed));
    this.field = h("input", { type: "search", placeholder: "Filter: dense  max>3  tag:dates  or words to look for", "aria-label": "Filter and search", spellcheck: "false", autocomplete: "off", oninput: () => this.#typed(), onkeydown: (event) => this.#entered(event) });
    this.chips = h("div", { class: "chips" });
    this.told = h("p", { class: "told", role: "status" });
    this.heads = h("div", { class: "row heads" });
    this.list = virtualList({ height: ROW, row: (at) => this.#row(at), wanted: (from, to) => this.#fetch(from, to) });
    put(place, h("div", { class: "filter" }, this.field, this.chips), h("div", { class: "under" }, this.told, this.selection.element, this.#columnChoice()), h("div", { class: "sheet" }, this.heads, this.list.element));
    this.keys = [
      ["j ArrowDown", "the next row", () => this.#move(1)],
      ["k ArrowUp", "the row before", () => this.#move(-1)],
      ["Enter", "open the latent of the row", () => this.#open()],
      ["x", "select the row, or no longer", () => this.selection.toggle(this.latents[this.cursor])],
      ["b", "bookmark the row's latent, or no longer", () => this.#bookmark()],
    ];
  }

  get shown() {
    const asked = (this.app.state.cols ?? FIRST_COLUMNS.join(",")).split(",");
    return this.app.table.about.filter(({ name }) => asked.includes(name));
  }

  async update(state) {
    if (document.activeElement !== this.field) this.field.value = state.where ?? "";
    this.#chips();
    this.#heads();
    const own = (this.asked = Symbol("list"));
    const { latents, unknown, cut } = await this.app.lists.of(state);
    if (own !== this.asked) return;
    const same = latents === this.latents;
    this.latents = latents;
    if (!same) {
      this.cursor = Math.max(0, latents.indexOf(Number(state.at ?? -1)));
      this.list.home();
    }
    this.list.show(latents.length);
    if (!same && this.cursor > 0) this.list.reveal(this.cursor);
    const foreign = unknown.length > 0 ? ` Not understood: ${unknown.join(", ")}. Columns: ${Object.keys(this.app.table.columns).join(", ")}.` : "";
    put(this.told, latents.length === this.app.table.count ? counted(latents.length, "latent") : `${count(latents.length)} of ${counted(this.app.table.count, "latent")}`, cut ? ", the best of many" : "", h("span", { class: "remark" }, foreign));
    this.selection.show();
  }

  #typed() {
    clearTimeout(this.timer);
    const typed = this.field.value;
    this.timer = setTimeout(() => this.app.change({ where: typed, at: null }, true), 60);
  }

  #entered(event) {
    if (event.key !== "Enter") return;
    this.field.blur();
    this.list.element.focus();
  }

  #chips() {
    const { state, table } = this.app;
    const known = CHIPS.filter((chip) => chip === "alive" || table.flagNames.includes(chip.replace("has:", "")));
    put(this.chips, known.map((chip) =>
      h("button", { class: "chip", "aria-pressed": String(has(state.where, chip)), onclick: () => this.app.change({ where: toggle(state.where, chip), at: null }) }, chip.replace("has:", "with "))));
  }

  #heads() {
    const { state } = this.app;
    const layout = { cols: this.shown.map(() => "minmax(4.2rem, 6rem)").join(" ") };
    const head = (name, text, about, range) => {
      const order = state.sort === name ? "ascending" : state.sort === `-${name}` ? "descending" : null;
      const next = order === "descending" ? name : order === "ascending" ? null : `-${name}`;
      const sort = h("button", { class: "sort", title: about, "aria-sort": order, onclick: () => this.app.change({ sort: next, at: null }) }, text, order ? h("i", {}, order === "ascending" ? " ↑" : " ↓") : null);
      return h("div", { class: "head" }, sort, range && this.#range(name, text));
    };
    put(this.heads, h("span", {}), head("latent", "latent", "By number", false), h("span", {}, "label and strongest text"), h("span", { class: "wide" }, "activations"), this.shown.map(({ name, title, about }) => head(name, title, about, true)));
    for (const [name, value] of Object.entries(layout)) this.heads.style.setProperty(`--${name}`, value);
  }

  #range(name, text) {
    const field = (side) => h("input", { type: "number", step: "any", placeholder: side, "aria-label": `${text}, ${side}` });
    const [low, high] = [field("from"), field("to")];
    const bound = ({ value }) => (value === "" ? null : Number(value));
    const apply = (event) => {
      event.preventDefault();
      this.app.change({ where: between(this.app.state.where, name, bound(low), bound(high)), at: null });
    };
    return h("details", { class: "range" }, h("summary", { title: `Filter by ${text}`, "aria-label": `Filter by ${text}` }, "▾"), h("form", { onsubmit: apply }, low, high, h("button", {}, "Filter")));
  }

  #columnChoice() {
    const boxes = this.app.table.about.map(({ name, title, about }) =>
      h("label", { title: about }, h("input", { type: "checkbox", checked: this.shown.some((shown) => shown.name === name), onchange: (event) => this.#column(name, event.target.checked) }), title));
    return h("details", { class: "menu" }, h("summary", {}, "Columns"), h("div", {}, boxes));
  }

  #column(name, on) {
    const names = this.shown.map((shown) => shown.name).filter((shown) => shown !== name);
    this.app.change({ cols: (on ? [...names, name] : names).join(",") || "none" });
  }

  async #fetch(from, to) {
    const missing = [...this.latents.subarray(from, to)].filter((latent) => !this.rows.has(latent));
    if (missing.length === 0) return;
    await this.app.attempt(async () => {
      if (this.rows.size > 4000) this.rows.clear();
      for (const row of await this.app.source.rows(missing)) this.rows.set(row.latent, row);
    });
  }

  #row(at) {
    const latent = this.latents[at];
    const row = this.rows.get(latent);
    const { table } = this.app;
    const box = h("input", { type: "checkbox", checked: this.selection.has(latent), "aria-label": `Select latent ${latent}`, onclick: (event) => this.selection.pick(latent, at, this.latents, event.shiftKey) });
    const link = h("a", { class: "number", href: this.app.link({ page: "latent", item: latent }) }, String(latent));
    const cells = this.shown.map(({ name, form }) => h("span", { class: "cell" }, (form === "share" ? percent : number)(table.columns[name][latent])));
    const element = h("div", { class: `row${at === this.cursor ? " current" : ""}${table.has(latent, "dead") ? " dead" : ""}`, onclick: (event) => event.target.closest("a, input, button") || this.#open(at) },
      box, h("span", {}, link, this.app.bookmarks.has(latent) ? h("i", { class: "star", title: "bookmarked" }, "★") : null), this.#line(row), h("span", { class: "wide" }, row?.histogram ? spark(row.histogram) : null), cells);
    element.style.setProperty("--cols", this.shown.map(() => "minmax(4.2rem, 6rem)").join(" "));
    return element;
  }

  #line(row) {
    if (!row) return h("span", { class: "line" });
    if (row.trouble) return h("span", { class: "line remark" }, row.trouble);
    const label = row.label ? h("b", { dir: "auto" }, row.label) : null;
    const { scale = "linear" } = this.app.state;
    const text = row.context ? contextLine(row.context, { range: 0, scale, max: row.context.peak, before: innerWidth < 740 ? 2 : 10 }) : h("p", { class: "context quiet" }, "never fires");
    return h("span", { class: `line${label ? " labelled" : ""}` }, label, text);
  }

  #move(by) {
    if (this.latents.length === 0) return;
    this.cursor = Math.min(this.latents.length - 1, Math.max(0, this.cursor + by));
    this.list.reveal(this.cursor);
  }

  #open(at = this.cursor) {
    if (at >= this.latents.length) return;
    history.replaceState(null, "", this.app.link({ ...this.app.state, at: this.latents[at] }));
    this.app.open({ page: "latent", item: this.latents[at] });
  }

  /** Draws again; rows of latents that were changed are fetched anew. */
  #changed(latents) {
    for (const latent of latents) this.rows.delete(latent);
    this.list.refresh();
  }

  async #bookmark() {
    const latent = this.latents[this.cursor];
    if (latent === undefined) return;
    await this.selection.bookmark([latent], !this.app.bookmarks.has(latent));
  }
}
