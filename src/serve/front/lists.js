// The list one moves along: the latents that pass the filter of the address, in its order.

import { parse } from "./query.js";

/** Lists by filter and order; the last ones are kept. */
export class Lists {
  constructor(app) {
    this.app = app;
    this.kept = new Map();
    this.found = new Map();
  }

  /** Returns the numbers of the latents for a state, and what of its filter was not understood. */
  async of({ where = "", sort = "" } = this.app.state) {
    const key = `${sort} ${where}`;
    if (!this.kept.has(key)) {
      if (this.kept.size > 8) this.kept.clear();
      this.kept.set(key, await this.#make(where, sort));
    }
    return this.kept.get(key);
  }

  async #make(where, sort) {
    const { tests, words, unknown } = parse(where, this.app.table.names);
    const found = words.length > 0 ? await this.#search(words.join(" ")) : null;
    const among = found && Uint32Array.from(found.latents);
    const latents = this.app.table.select(tests, sort, among, (tag) => this.#tagged(tag));
    return { latents, unknown, cut: found?.cut ?? false };
  }

  async #search(words) {
    if (!this.found.has(words)) {
      if (this.found.size > 32) this.found.clear();
      this.found.set(words, await this.app.source.search(words));
    }
    return this.found.get(words);
  }

  #tagged(tag) {
    const marks = [...this.app.bookmarks.values()];
    return marks.filter(({ tags }) => tags.includes(tag)).map(({ latent }) => latent);
  }

  /** Forgets lists, after labels or bookmarks were changed. */
  changed() {
    this.kept.clear();
    this.found.clear();
  }

  /** Returns the latent `by` places further in the list; where the latent is not in it, the next one by number. */
  async step(latent, by) {
    const { latents } = await this.of();
    if (latents.length === 0) return null;
    const at = latents.indexOf(latent);
    if (at >= 0) return latents[Math.min(latents.length - 1, Math.max(0, at + by))];
    const beyond = [...latents].filter((other) => (by > 0 ? other > latent : other < latent));
    return beyond.length === 0 ? null : beyond.reduce((near, other) => (Math.abs(other - latent) < Math.abs(near - latent) ? other : near));
  }

  /** Returns one latent of the list that is not dead, by chance. */
  async random() {
    const { latents } = await this.of();
    const alive = latents.filter((latent) => !this.app.table.has(latent, "dead"));
    return alive.length === 0 ? null : alive[Math.floor(Math.random() * alive.length)];
  }
}
