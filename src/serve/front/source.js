// Where figures come from: the program that served this page.

/** What the server refused, in its own words. */
export class Refusal extends Error {
  constructor(status, { error, hint, kind } = {}) {
    super(error ?? `The server answered ${status}.`);
    Object.assign(this, { status, hint, kind });
  }
}

const KEPT = 64;

/** The store behind a running `saescript serve`. */
export class Server {
  constructor() {
    this.kept = new Map();
  }

  /** Exchanges the one-time token of the address for a session. */
  async enter(token) {
    await this.#ask("enter", { method: "POST", body: JSON.stringify({ token }), headers: JSON_HEADERS });
  }

  /** What is known of the store as a whole, and what may be done with it. */
  async meta(store, analysis) {
    this.base = { store: store ?? 0, ...(analysis ? { analysis } : {}) };
    this.version = null;
    this.kept.clear();
    const meta = await this.#json("meta");
    this.base.analysis = meta.analysis;
    this.version = meta.version;
    this.token = meta.write_token;
    return meta;
  }

  async columns() {
    return (await this.#ask(this.#path("columns"))).arrayBuffer();
  }

  /** Everything about a latent; `whole` has contexts from end to end. */
  latent(latent, whole = false) {
    return this.#remembered("latent", { latent, ...(whole ? { whole: 1 } : {}) });
  }

  /** Label, one line and histogram of latents, as lists show them. */
  async rows(latents) {
    const missing = latents.filter((latent) => !this.kept.has(`row ${latent}`));
    if (missing.length > 0) {
      const rows = await this.#json("rows", { latents: missing.join(",") });
      if (this.kept.size > 5000) this.kept.clear();
      for (const row of rows) this.kept.set(`row ${row.latent}`, row);
    }
    return latents.map((latent) => this.kept.get(`row ${latent}`));
  }

  /** The latents whose labels, top tokens or texts have the words, best first. */
  search(words) {
    return this.#json("search", { words });
  }

  bookmarks() {
    return this.#json("bookmarks");
  }

  /** Runs the model and the dictionary on a text. */
  read(text) {
    return this.#post("text", { text });
  }

  setLabel(latent, text) {
    return this.#change("label", { latent, text });
  }

  /** Bookmarks a latent with tags and a note, or no longer. */
  setBookmark(latent, bookmark) {
    return this.#change("bookmark", { latent, ...bookmark });
  }

  async #change(what, body) {
    const answer = await this.#post(what, body);
    this.forget(body.latent);
    return answer;
  }

  /** Drops what is remembered of a latent. */
  forget(latent) {
    for (const key of [...this.kept.keys()]) if (key === `row ${latent}` || key.startsWith("latent ")) this.kept.delete(key);
  }

  #remembered(what, parameters) {
    const key = `${what} ${JSON.stringify(parameters)}`;
    if (!this.kept.has(key)) {
      const answer = this.#json(what, parameters);
      answer.catch(() => this.kept.delete(key));
      this.kept.set(key, answer);
      const old = [...this.kept.keys()].filter((known) => known.startsWith(what));
      if (old.length > KEPT) this.kept.delete(old[0]);
    }
    return this.kept.get(key);
  }

  #path(what, parameters = {}) {
    const version = this.version ? { version: this.version } : {};
    return `${what}?${new URLSearchParams({ ...this.base, ...version, ...parameters })}`;
  }

  async #json(what, parameters) {
    return (await this.#ask(this.#path(what, parameters))).json();
  }

  async #post(what, body) {
    const headers = { ...JSON_HEADERS, "X-Saescript-Token": this.token };
    return (await this.#ask(this.#path(what), { method: "POST", headers, body: JSON.stringify(body) })).json();
  }

  async #ask(path, options = {}) {
    const answer = await fetch(`/api/${path}`, { credentials: "same-origin", ...options }).catch(() => {
      throw new Refusal(0, {
        kind: "gone",
        error: "The program behind this page does not answer.",
        hint: "Start `saescript view` again; what you typed here stays until you close the page.",
      });
    });
    if (!answer.ok) throw new Refusal(answer.status, await answer.json().catch(() => ({})));
    return answer;
  }
}

const JSON_HEADERS = { "Content-Type": "application/json" };
