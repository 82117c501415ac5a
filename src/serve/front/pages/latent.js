// One latent: what it is called, where it fires, what it does, and what is near.

import { h, put } from "../dom.js";
import { counted } from "../format.js";
import { RANGES, SCALES } from "../highlight.js";
import { bins, currentBin } from "./bins.js";
import { Heading } from "./heading.js";
import { side } from "./side.js";

const SCALE_NAMES = { linear: "linear", root: "square root", log: "logarithm" };
const BIN_NAMES = { "-1": "before", 1: "next" };

/** Opens the page. */
export function open(app, place) {
  return new LatentPage(app, place);
}

class LatentPage {
  constructor(app, place) {
    this.app = app;
    this.heading = new Heading(app, () => this.#again());
    this.contexts = h("div", { class: "contexts" });
    this.side = h("aside", { class: "side" });
    put(place, this.heading.element, h("div", { class: "columns" }, this.contexts, this.side));
    const { heading } = this;
    this.keys = [
      ["j ArrowRight", "the next latent of the list", () => this.#step(1)],
      ["k ArrowLeft", "the latent before", () => this.#step(-1)],
      ["e", "edit the label", () => heading.editLabel()],
      ["b", "bookmark, or no longer", () => heading.toggleBookmark()],
      ["t", "edit the tags", () => heading.editTags()],
      ["n", "edit the note", () => heading.editNote()],
      ["1 2 3 4", `how much of a context: ±${RANGES.slice(0, 3).join(", ±")} tokens, all of it`, (key) => app.change({ range: Number(key) - 1 || null })],
      ["[", `the bin ${BIN_NAMES["-1"]}`, () => this.#bin(-1)],
      ["]", `the ${BIN_NAMES[1]} bin`, () => this.#bin(1)],
      ["m", "colours by the maximum of the latent, or of each context", () => app.change({ of: app.state.of === "sample" ? null : "sample" })],
      ["s", "colours linear, by square root, by logarithm", () => this.#scale()],
      ["w", "show blanks", () => app.change({ marks: app.state.marks ? null : 1 })],
    ];
  }

  get latent() {
    return Number(this.app.state.item);
  }

  async update(state, previous) {
    const { latent, app } = this;
    if (!Number.isInteger(latent) || latent < 0 || latent >= app.meta.latents) {
      this.view = null;
      put(this.heading.element, h("p", { class: "empty" }, `There is no latent ${state.item}: the dictionary has ${counted(app.meta.latents, "latent")}, numbered from 0.`));
      return void [put(this.contexts), put(this.side)];
    }
    const whole = Number(state.range ?? 0) === 3;
    const view = await app.source.latent(latent, whole);
    if (latent !== this.latent) return;
    const other = this.view !== view;
    this.view = view;
    if (other || state.where !== previous.where) this.heading.show(view, state);
    put(this.contexts, bins(app, view, state), this.#switches(state));
    if (other || state.bin !== previous.bin || this.shownIn !== state.bin) put(this.side, side(app, view, currentBin(view, state)));
    this.shownIn = state.bin;
    this.#prefetch(latent, whole);
  }

  async #again() {
    this.app.source.forget?.(this.latent);
    await this.update(this.app.state, {});
  }

  /** The latents before and after are asked for while this one is read. */
  async #prefetch(latent, whole) {
    for (const by of [1, -1]) {
      const next = await this.app.lists.step(latent, by).catch(() => null);
      if (next !== null && next !== latent) this.app.source.latent(next, whole).catch(() => {});
    }
  }

  async #step(by) {
    await this.app.attempt(async () => {
      const next = await this.app.lists.step(this.latent, by);
      if (next === null || next === this.latent) return this.app.say(by > 0 ? "This is the last one of the list." : "This is the first one of the list.");
      this.app.change({ item: next });
      scrollTo(0, 0);
    });
  }

  #bin(by) {
    const names = this.view?.subsamples.map(({ name }) => name) ?? [];
    const places = [null, ...names];
    const at = Math.max(0, places.indexOf(this.app.state.bin ?? null));
    this.app.change({ bin: places[(at + by + places.length) % places.length] });
  }

  #scale() {
    const names = Object.keys(SCALES);
    const next = names[(names.indexOf(this.app.state.scale ?? "linear") + 1) % names.length];
    this.app.change({ scale: next === "linear" ? null : next });
    this.app.say(`Colours: ${SCALE_NAMES[next]}.`);
  }

  #switches(state) {
    const { app } = this;
    const range = Number(state.range ?? 0);
    const button = (text, on, title, work) => h("button", { "aria-pressed": String(on), title, onclick: work }, text);
    const ranges = RANGES.map((tokens, at) => button(Number.isFinite(tokens) ? `±${tokens}` : "all", range === at, `Key ${at + 1}`, () => app.change({ range: at || null })));
    const scales = Object.keys(SCALES).map((name) => button(SCALE_NAMES[name], (state.scale ?? "linear") === name, "Key s", () => app.change({ scale: name === "linear" ? null : name })));
    const of = [["", "latent"], ["sample", "context"]].map(([value, text]) => button(text, (state.of ?? "") === value, "Key m", () => app.change({ of: value || null })));
    const group = (name, buttons) => h("span", { class: "switch" }, h("small", {}, name), h("span", { class: "buttons", role: "group", "aria-label": name }, buttons));
    return h("div", { class: "switches" }, group("tokens", ranges), group("colours", scales), group("maximum of", of), group("blanks", [button("shown", Boolean(state.marks), "Key w", () => app.change({ marks: state.marks ? null : 1 }))]));
  }
}
