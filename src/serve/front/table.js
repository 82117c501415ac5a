// The figures of all latents, as columns of numbers: what lists filter and sort, and what the overview draws.

/** All latents of an analysis: `columns` by name, `flags` as bits. */
export class Table {
  /** Returns how many bytes the columns of `meta` take, flags included. */
  static bytes(meta) {
    return 4 * meta.latents * (meta.columns.length + 1);
  }

  constructor(meta, buffer) {
    this.size = meta.latents;
    // A page that stands alone may have some of the latents only.
    this.only = meta.only ? Uint32Array.from(meta.only) : null;
    this.about = meta.columns;
    this.flagNames = meta.flags;
    this.columns = {};
    let at = 0;
    for (const { name, kind } of meta.columns) {
      const Kind = kind === "u32" ? Uint32Array : Float32Array;
      this.columns[name] = new Kind(buffer, at, this.size);
      at += 4 * this.size;
    }
    this.flags = new Uint32Array(buffer, at, this.size);
  }

  /** How many latents there are to be shown. */
  get count() {
    return this.only?.length ?? this.size;
  }

  get names() {
    return { columns: Object.keys(this.columns), flags: this.flagNames };
  }

  bit(flag) {
    return 1 << this.flagNames.indexOf(flag);
  }

  has(latent, flag) {
    return (this.flags[latent] & this.bit(flag)) !== 0;
  }

  /** Notes on this page what was changed in the store. */
  mark(latent, flag, on) {
    if (on) this.flags[latent] |= this.bit(flag);
    else this.flags[latent] &= ~this.bit(flag);
  }

  /** How many latents have each flag. */
  totals() {
    const totals = this.flagNames.map(() => 0);
    for (const bits of this.only ? this.only.map((latent) => this.flags[latent]) : this.flags) for (let bit = 0; bit < totals.length; bit++) totals[bit] += (bits >> bit) & 1;
    return Object.fromEntries(this.flagNames.map((name, bit) => [name, totals[bit]]));
  }

  /**
   * Returns the numbers of the latents that pass all `tests`, in the order of `sort` (`density`, `-density`); of `among`
   * alone where that is given, in its order unless there is a `sort`.
   */
  select(tests, sort, among, tagged) {
    const passes = tests.map((test) => this.#passing(test, tagged));
    const all = among ?? this.#everyone();
    const kept = new Uint32Array(all.length);
    let size = 0;
    next: for (const latent of all) {
      for (const pass of passes) if (!pass(latent)) continue next;
      kept[size++] = latent;
    }
    return this.#sorted(kept.subarray(0, size), sort);
  }

  #everyone() {
    this.numbers ??= this.only ?? Uint32Array.from({ length: this.size }, (_, latent) => latent);
    return this.numbers;
  }

  #passing(test, tagged) {
    if (test.kind === "tag") {
      const found = new Set(tagged(test.tag));
      return (latent) => found.has(latent) !== test.not;
    }
    if (test.kind === "flag") {
      const bit = this.bit(test.flag);
      return (latent) => ((this.flags[latent] & bit) !== 0) !== test.not;
    }
    const values = this.columns[test.column];
    // The bound as the column would hold it: 0.1 in the filter is the 0.1 of the table.
    const bound = values instanceof Float32Array ? Math.fround(test.value) : test.value;
    const signs = {
      ">": (value) => value > bound,
      ">=": (value) => value >= bound,
      "<": (value) => value < bound,
      "<=": (value) => value <= bound,
      "=": (value) => value === bound,
    };
    const holds = signs[test.sign];
    return (latent) => holds(values[latent]) !== test.not;
  }

  #sorted(latents, sort) {
    if (!sort) return latents;
    const descending = sort.startsWith("-");
    const name = descending ? sort.slice(1) : sort;
    if (name === "latent") return latents.sort((a, b) => (descending ? b - a : a - b));
    const values = this.columns[name];
    if (!values) return latents;
    return byKey(latents, sortable(values), descending);
  }
}

// A key of 32 bits and a place of 21 in one exact double: the engine's own sort of plain numbers is the fastest there is.
const PLACES = 2 ** 21;

function byKey(latents, key, descending) {
  const packed = new Float64Array(latents.length);
  for (let at = 0; at < latents.length; at++) {
    const own = key(latents[at]);
    packed[at] = (own === LAST ? LAST : descending ? LAST - 1 - own : own) * PLACES + at;
  }
  packed.sort();
  const sorted = new Uint32Array(latents.length);
  for (let at = 0; at < packed.length; at++) sorted[at] = latents[packed[at] % PLACES];
  return sorted;
}

const LAST = 2 ** 32 - 1;

/** Returns a function from a latent to an unsigned number in the order of `values`; what is no number comes last. */
function sortable(values) {
  if (values instanceof Uint32Array) return (latent) => Math.min(values[latent], LAST - 1);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return (latent) => {
    if (Number.isNaN(values[latent])) return LAST;
    const word = bits[latent];
    return word >>> 31 ? ~word >>> 0 : (word | 0x80000000) >>> 0;
  };
}
