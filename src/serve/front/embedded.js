// Where figures come from in a page that stands alone: the page itself.

import { Refusal } from "./source.js";

const text = (name) => document.getElementById(`data-${name}`)?.textContent ?? null;

async function bytes(name) {
  const packed = Uint8Array.from(atob(text(name)), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

const json = async (name) => JSON.parse(new TextDecoder().decode(await bytes(name)));

/** The data of this page, in the form in which a server gives them. */
class Embedded {
  constructor() {
    this.chunks = new Map();
  }

  async enter() {}

  async meta() {
    const [meta, numbers, rows] = await Promise.all([json("meta"), json("numbers"), json("rows")]);
    this.numbers = new Map(numbers.map((latent, place) => [latent, place]));
    this.kept = new Map(rows.map((row) => [row.latent, row]));
    return meta;
  }

  columns = () => bytes("columns");

  bookmarks = () => json("bookmarks");

  async latent(latent) {
    const place = this.numbers.get(latent);
    if (place === undefined) throw new Refusal(404, { error: `This page does not have latent ${latent}.`, hint: "It was exported with some of the latents." });
    const size = Number(text("chunk"));
    const chunk = Math.floor(place / size);
    if (!this.chunks.has(chunk)) this.chunks.set(chunk, json(`latents-${chunk}`));
    return (await this.chunks.get(chunk))[place % size];
  }

  async rows(latents) {
    return latents.map((latent) => this.kept.get(latent)).filter(Boolean);
  }

  /** Looks in labels first, then in the strongest texts; all words have to be there. */
  async search(words) {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    const has = (text) => wanted.every((word) => text.toLowerCase().includes(word));
    const rows = [...this.kept.values()];
    const labelled = rows.filter(({ label }) => label && has(label));
    const known = new Set(labelled);
    const others = rows.filter((row) => !known.has(row) && row.context && has(row.context.pieces.join("")));
    return { latents: [...labelled, ...others].map(({ latent }) => latent), cut: false };
  }
}

globalThis.embedded = new Embedded();
