// The bar above every page: what is open, the pages, and the way to a latent by its number.

import { h, put } from "./dom.js";
import { say } from "./notice.js";
import { PAGES } from "./pages/table.js";
import { nextTheme } from "./theme.js";

let made = "";

/** Shows the bar for `page`. */
export function topBar(app, page) {
  const top = document.getElementById("top");
  const key = JSON.stringify([app.meta.version, page.name, app.state.where, app.state.sort]);
  if (key === made) return;
  made = key;
  const links = PAGES.filter(({ listed, needs }) => listed && !(needs && app.meta.alone)).map(({ name, listed }) =>
    h("a", { href: app.link({ page: name }), "aria-current": name === page.name ? "page" : null }, listed));
  const field = h("input", { class: "number", type: "text", inputmode: "numeric", placeholder: "#", "aria-label": "Go to a latent by its number", title: "Go to a latent (g)" });
  const form = h("form", { class: "go", onsubmit: (event) => jump(event, app, field) }, field);
  const theme = h("button", { class: "icon", title: "Light or dark", "aria-label": "Light or dark", onclick: () => say(`Colours: ${nextTheme()}.`) }, "◐");
  const help = h("button", { class: "icon", title: "Keys (?)", "aria-label": "Keys", onclick: () => dispatchEvent(new KeyboardEvent("keydown", { key: "?" })) }, "?");
  put(top, h("div", { class: "what" }, h("span", { class: "name", title: app.meta.path, dir: "auto" }, app.meta.title), choice(app)), h("nav", {}, links), form, theme, help);
}

function jump(event, app, field) {
  event.preventDefault();
  const latent = Number(field.value.trim());
  field.value = "";
  field.blur();
  if (Number.isInteger(latent) && latent >= 0 && latent < app.meta.latents) return app.open({ page: "latent", item: latent });
  say(`Latents have numbers from 0 to ${app.meta.latents - 1}.`);
}

function choice(app) {
  const { stores, analyses } = app.meta;
  const options = stores.flatMap((name, store) =>
    (store === app.meta.store ? analyses : [null]).map((analysis) => ({ store, analysis, text: [stores.length > 1 ? name : null, analysis].filter(Boolean).join(" · ") || name })));
  if (options.length < 2) return null;
  const chosen = options.findIndex(({ store, analysis }) => store === app.meta.store && analysis === app.meta.analysis);
  const select = h("select", { "aria-label": "Store and analysis", onchange: () => {
    const { store, analysis } = options[select.selectedIndex];
    app.change({ store: store || null, analysis, where: null, sort: null });
  } }, options.map(({ text }, at) => h("option", { selected: at === chosen }, text)));
  return select;
}
