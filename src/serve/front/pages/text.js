// A text of one's own, read by the model and the dictionary: the latents of each token, and one latent across all of them.

import { h, put } from "../dom.js";
import { counted, number, percent, token } from "../format.js";
import { SCALES, remember, visible } from "../highlight.js";
import { bars } from "../histogram.js";

/** By what the latents of a token are sorted: the field, its name, and how it is shown. */
const ORDERS = {
  activation: { at: 1, title: "activation", tell: number },
  share: { at: 2, title: "share of the reconstruction", tell: percent },
  effect: { at: 3, title: "effect on the next token", tell: (value) => `${value > 0 ? "+" : ""}${number(value)}` },
};

const SHOWN = 40;

/** Opens the page. */
export function open(app, place) {
  return new TextPage(app, place);
}

class TextPage {
  constructor(app, place) {
    this.app = app;
    this.keys = [
      ["j ArrowRight", "the next token", () => this.#step(1)],
      ["k ArrowLeft", "the token before", () => this.#step(-1)],
      ["s", "colours linear, by square root, by logarithm", () => this.#scale()],
      ["u", "colours by the strongest latents again", () => app.change({ pin: null })],
    ];
    this.field = h("textarea", { rows: 3, placeholder: "Type or paste a text", "aria-label": "Text", onkeydown: (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && this.#read() });
    this.button = h("button", { onclick: () => this.#read() }, "Read");
    this.told = h("p", { class: "told", role: "status" });
    this.line = h("p", { class: "context whole read", dir: "auto" });
    this.side = h("aside", { class: "side" });
    this.pinned = h("p", { class: "quiet" });
    this.rows = h("div", { class: "measures" });
    const missing = app.meta.no_text;
    put(place, h("section", { class: "head" }, h("h1", {}, "Text"), h("p", { class: "quiet" }, "Which latents fire on a text of your own. Point at a token to see its latents; a click keeps it.")),
      missing ? h("p", { class: "empty" }, `No text can be read: ${missing}.`) : [h("div", { class: "ask" }, this.field, this.button), this.told, h("div", { class: "columns" }, h("div", { class: "sheet-text" }, this.pinned, this.line, this.rows), this.side)]);
  }

  async update(state) {
    if (this.app.meta.no_text) return;
    const text = state.text ?? "";
    if (document.activeElement !== this.field) this.field.value = text;
    if (text && text !== this.text) await this.#ask(text);
    if (this.read) this.#show(state);
    else this.field.focus();
  }

  #read() {
    if (!this.field.value) return;
    this.field.blur();
    if (this.field.value === this.text) this.text = null;
    this.app.change({ text: this.field.value, piece: null });
    if (this.text === null) this.update(this.app.state).catch(this.app.failed);
  }

  async #ask(text) {
    this.button.disabled = true;
    put(this.told, "Reading. The first text takes as long as loading the model and the dictionary does.");
    try {
      const { read, labels } = await this.app.source.read(text);
      Object.assign(this, { read, labels, text });
      const mean = (values) => values.filter((value) => value !== null).reduce((sum, value, _, all) => sum + value / all.length, 0);
      const losses = `loss ${number(mean(read.loss))}, with the reconstruction ${number(mean(read.loss_with))}`;
      put(this.told, `${counted(read.pieces.length, "piece")}, ${losses}, ${percent(mean(read.error))} of the activations unexplained.`, read.cut ? " The text was longer than what the model takes, and is cut." : "", read.no_effects ? ` No effects on the next token: ${read.no_effects}.` : "");
    } catch (error) {
      put(this.told, "");
      this.app.failed(error);
    } finally {
      this.button.disabled = false;
    }
  }

  get current() {
    const at = Number(this.app.state.piece ?? -1);
    return at >= 0 && at < this.read.pieces.length ? at : null;
  }

  #show(state) {
    const { read, labels } = this;
    const pin = state.pin === undefined ? null : Number(state.pin);
    const values = read.latents.map((latents) => (pin === null ? (latents[0]?.[1] ?? 0) : (latents.find(([latent]) => latent === pin)?.[1] ?? 0)));
    const max = Math.max(pin === null ? 0 : this.app.table.columns.max[pin] || 0, ...values.map(Math.abs));
    const scale = SCALES[state.scale ?? "linear"];
    put(this.line, read.pieces.map((text, at) => {
      const strength = max > 0 ? scale(Math.min(1, Math.abs(values[at]) / max)) : 0;
      const element = h("span", {
        class: `t${values[at] < 0 ? " below" : ""}${at === this.current ? " peak" : ""}`, vars: { v: strength.toFixed(3) }, role: "button", tabindex: -1,
        onpointerenter: () => this.#side(at), onpointerleave: () => this.#side(this.current), onclick: () => this.app.change({ piece: at === this.current ? null : at }),
      }, visible(text, false, true));
      remember(element, { text, value: values[at], part: max > 0 ? values[at] / max : 0, place: at });
      return element;
    }));
    const strongest = "Coloured by the strongest latent of each token.";
    const name = (latent) => [h("a", { href: this.app.link({ page: "latent", item: latent }) }, `latent ${latent}`), labels[latent] ? ` (${labels[latent]})` : ""];
    put(this.pinned, pin === null ? strongest : ["Coloured by ", name(pin), ". ", h("button", { class: "plain", title: "Key u", onclick: () => this.app.change({ pin: null }) }, "by the strongest")]);
    this.#side(this.current);
    put(this.rows, this.#measure("Loss on each token", read.loss), this.#measure("Loss with the reconstruction", read.loss_with), this.#measure("Unexplained on each token", read.error));
  }

  /** The latents of a token, or those that are strongest anywhere. */
  #side(at) {
    const { read, labels, app } = this;
    const { state } = app;
    const order = ORDERS[state.by] && (state.by !== "effect" || !read.no_effects) ? ORDERS[state.by] : ORDERS.activation;
    const latents = at === null ? strongest(read.latents, order.at) : [...read.latents[at]].filter((one) => one[order.at] !== null);
    latents.sort((a, b) => Math.abs(b[order.at]) - Math.abs(a[order.at]));
    const choice = h("select", { "aria-label": "Sort by", onchange: (event) => app.change({ by: event.target.value === "activation" ? null : event.target.value }) },
      Object.entries(ORDERS).filter(([name]) => name !== "effect" || !read.no_effects).map(([name, { title }]) => h("option", { value: name, selected: ORDERS[name] === order }, title)));
    const pin = state.pin === undefined ? null : Number(state.pin);
    const rows = latents.slice(0, SHOWN).map((one) => {
      const [latent] = one;
      const button = h("button", { class: "icon pin", "aria-pressed": String(pin === latent), title: "Show this latent across the text", "aria-label": `Show latent ${latent} across the text`, onclick: () => app.change({ pin: pin === latent ? null : latent }) }, pin === latent ? "●" : "○");
      return h("li", {}, button, h("a", { class: "number", href: app.link({ page: "latent", item: latent }) }, String(latent)), h("span", { dir: "auto" }, labels[latent] ?? ""), h("span", { class: "value" }, order.tell(one[order.at])));
    });
    const title = at === null ? "Strongest in the text" : ["On ", h("b", { class: "token", dir: "auto" }, token(read.pieces[at]))];
    const more = at !== null && read.active[at] > SHOWN ? h("p", { class: "quiet" }, `${SHOWN} of ${counted(read.active[at], "latent")} that fire.`) : null;
    put(this.side, h("section", {}, h("h2", {}, title), choice, h("ol", { class: "near fired" }, rows), more));
  }

  /** A figure of each token, as bars. */
  #measure(title, values) {
    const rows = values.map((value, at) => [token(this.read.pieces[at]), value ?? 0]);
    return h("details", {}, h("summary", {}, title), bars(rows));
  }

  #step(by) {
    if (!this.read) return;
    const last = this.read.pieces.length - 1;
    this.app.change({ piece: Math.min(last, Math.max(0, (this.current ?? -1) + by)) }, true);
  }

  #scale() {
    const names = Object.keys(SCALES);
    const next = names[(names.indexOf(this.app.state.scale ?? "linear") + 1) % names.length];
    this.app.change({ scale: next === "linear" ? null : next });
  }
}

/** The latents of a text, each where it is strongest. */
function strongest(all, at) {
  const best = new Map();
  for (const one of all.flat()) {
    if (one[at] === null) continue;
    const known = best.get(one[0]);
    if (!known || Math.abs(one[at]) > Math.abs(known[at])) best.set(one[0], one);
  }
  return [...best.values()];
}
