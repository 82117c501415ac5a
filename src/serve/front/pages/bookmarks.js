// Bookmarked latents, by tag.

import { h, put } from "../dom.js";
import { counted, day } from "../format.js";
import { contextLine } from "../highlight.js";
import { tagged } from "../query.js";
import { setBookmark } from "./selection.js";

/** Opens the page. */
export function open(app, place) {
  return { keys: [], update: (state) => fill(app, place, state) };
}

async function fill(app, place, state) {
  const all = [...app.bookmarks.values()].sort((a, b) => String(b.created).localeCompare(String(a.created)) || a.latent - b.latent);
  const tags = [...new Set(all.flatMap(({ tags }) => tags))].sort();
  const shown = state.tag ? all.filter(({ tags }) => tags.includes(state.tag)) : all;
  const rows = new Map();
  for (let at = 0; at < shown.length; at += 50) {
    const latents = shown.slice(at, at + 50).map(({ latent }) => latent);
    for (const row of await app.source.rows(latents)) rows.set(row.latent, row);
  }
  const chip = (tag, text) => h("button", { class: "chip", "aria-pressed": String((state.tag ?? "") === tag), onclick: () => app.change({ tag: tag || null }) }, text);
  const head = h("section", { class: "head" }, h("h1", {}, "Bookmarks"), h("p", { class: "quiet" }, counted(shown.length, "latent")), tags.length > 0 && h("div", { class: "chips" }, chip("", "all"), tags.map((tag) => chip(tag, tag))));
  const empty = h("p", { class: "empty" }, "Nothing is bookmarked yet. ", h("kbd", {}, "b"), " on a latent's page or in the list bookmarks it.");
  put(place, head, shown.length === 0 ? empty : h("ul", { class: "marks" }, shown.map((mark) => item(app, place, mark, rows.get(mark.latent)))));
}

function item(app, place, mark, row) {
  const remove = h("button", { class: "icon", title: "Take the bookmark away", "aria-label": `Take the bookmark of latent ${mark.latent} away`, onclick: () =>
    app.attempt(async () => {
      await setBookmark(app, mark.latent, null);
      app.say("The bookmark is gone.");
      await fill(app, place, app.state);
    }) }, "✕");
  const text = row?.context ? contextLine(row.context, { range: 0, scale: app.state.scale ?? "linear", max: row.context.peak }) : null;
  return h("li", {},
    h("a", { class: "number", href: app.link({ page: "latent", item: mark.latent }) }, String(mark.latent)),
    h("div", {}, row?.label && h("b", { dir: "auto" }, row.label), text, mark.note && h("p", { class: "note", dir: "auto" }, mark.note)),
    h("div", { class: "tags" }, mark.tags.map((tag) => h("a", { class: "tag", dir: "auto", href: app.link({ page: "latents", where: tagged(tag) }) }, tag)), h("time", { class: "quiet" }, day(mark.created))),
    app.meta.writable ? remove : h("span"));
}
