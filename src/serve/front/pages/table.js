// The pages. A new one is a file that exports `open(app, place)`, and a row here.

import { open as bookmarks } from "./bookmarks.js";
import { open as latent } from "./latent.js";
import { open as latents } from "./latents.js";
import { open as overview } from "./overview.js";
import { open as text } from "./text.js";

/**
 * `open` fills a place and returns `{ update(state, previous), keys, close }`; `listed` is what the bar calls it; a page that `needs` a
 * model is left out where there is no program to run one.
 */
export const PAGES = [
  { name: "overview", listed: "Overview", title: () => "", open: overview },
  { name: "latents", listed: "Latents", title: () => "Latents", open: latents },
  { name: "latent", title: ({ item }) => `Latent ${item}`, open: latent },
  { name: "text", listed: "Text", title: () => "Text", open: text, needs: "text" },
  { name: "bookmarks", listed: "Bookmarks", title: () => "Bookmarks", open: bookmarks },
];
