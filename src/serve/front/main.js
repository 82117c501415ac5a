// The start of the page: opens the store, shows the page that the address names, and follows the address from there.

import { along, go, read, write } from "./address.js";
import { h, put } from "./dom.js";
import { explainTokens } from "./highlight.js";
import { listen } from "./keys.js";
import { Lists } from "./lists.js";
import { clear, say, trouble } from "./notice.js";
import { PAGES } from "./pages/table.js";
import { Server } from "./source.js";
import { Table } from "./table.js";
import { topBar } from "./top.js";
import { applyTheme } from "./theme.js";
import { showHelp } from "./help.js";

const root = document.getElementById("page");

/** What every page gets: the store's figures, the state of the address, and how to go elsewhere. */
const app = {
  source: null,
  meta: null,
  table: null,
  lists: null,
  bookmarks: new Map(),
  state: read(),

  /** Changes parameters of the state; null takes one out. */
  change(changes, quiet = false) {
    go({ ...app.state, ...changes }, quiet);
  },
  /** Opens a page, e.g. `{ page: "latent", item: 12 }`. */
  open(next) {
    go(along(app.state, next));
  },
  /** The address of a page, for links. */
  link(next) {
    return write(along(app.state, next));
  },
  /** Shows what went wrong, and what can be done about it. */
  failed(error) {
    if (error.kind === "rewritten") return trouble(error, ["Load it anew", start]);
    if (error.kind === "gone") return trouble(error, ["Try again", start]);
    if (!error.status) console.error(error);
    trouble(error);
  },
  /** Does something that may fail, and says so if it did; returns whether it went well. */
  async attempt(work) {
    try {
      await work();
      return true;
    } catch (error) {
      app.failed(error);
      return false;
    }
  },
  say,
};

let current = null;
let opened = "";

async function start() {
  clear();
  applyTheme();
  app.source ??= globalThis.embedded ?? new Server();
  await enter();
  const state = read();
  opened = storeOf(state);
  const [buffer, bookmarks] = await figures(state);
  app.table = new Table(app.meta, buffer);
  app.bookmarks = new Map(bookmarks.map((bookmark) => [bookmark.latent, bookmark]));
  app.lists = new Lists(app);
  current = null;
  await show();
}

/** Returns columns and bookmarks; again where a column came between what they are and what is in them. */
async function figures({ store, analysis }) {
  for (let round = 0; ; round++) {
    app.meta = await app.source.meta(store, analysis);
    const [buffer, bookmarks] = await Promise.all([app.source.columns(), app.source.bookmarks()]);
    if (buffer.byteLength === Table.bytes(app.meta) || round === 3) return [buffer, bookmarks];
  }
}

/** Uses the one-time token of the address, and takes it out of what can be seen and copied. */
async function enter() {
  const { token, ...state } = read();
  if (!token) return;
  history.replaceState(null, "", write(state));
  await app.source.enter(token);
}

const storeOf = ({ store, analysis }) => `${store ?? 0} ${analysis ?? ""}`;

async function show() {
  const previous = app.state;
  app.state = read();
  clear();
  if (storeOf(app.state) !== opened) return start();
  const page = PAGES.find(({ name }) => name === app.state.page) ?? PAGES[0];
  topBar(app, page);
  document.title = [page.title(app.state), app.meta.title].filter(Boolean).join(" · ");
  if (current?.page !== page) {
    current?.shown.close?.();
    const place = h("div", { class: `page ${page.name}` });
    put(root, place);
    current = { page, shown: page.open(app, place) };
    scrollTo(0, 0);
  }
  await current.shown.update(app.state, previous);
}

const guarded = (work) => () => work().catch((error) => app.failed(error));

const GENERAL = [
  ["?", "this list of keys", () => showHelp(tables())],
  ["/", "search and filter", () => focusSearch()],
  ["g", "go to a latent by its number", () => goByNumber()],
  ["r", "a random latent of the list", () => app.lists.random().then((latent) => latent !== null && app.open({ page: "latent", item: latent }), app.failed)],
  ["y", "copy a link to what is shown", () => copyLink()],
];

const tables = () => [current?.shown.keys ?? [], GENERAL];

function focusSearch() {
  const field = document.querySelector(".page input[type=search]");
  if (field) return field.select();
  app.open({ page: "latents" });
  setTimeout(() => document.querySelector(".page input[type=search]")?.select(), 50);
}

function goByNumber() {
  const field = document.querySelector("#top input.number");
  field.focus();
  field.select();
}

async function copyLink() {
  try {
    await navigator.clipboard.writeText(location.href);
    say("The link is copied.");
  } catch {
    say(location.href);
  }
}

addEventListener("hashchange", guarded(show));
listen(tables);
explainTokens(document.body);
guarded(start)();
