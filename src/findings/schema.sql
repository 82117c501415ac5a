-- One store: what analyses found about the latents of one dictionary. docs/analysis-store.md describes every column.
-- Numbers in BLOBs are little-endian and lie without gaps.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What each token stands for, as bytes: a token may be a part of a character.
CREATE TABLE vocabulary (
    token INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE analysis (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    settings    TEXT    NOT NULL,            -- JSON
    state       TEXT    NOT NULL CHECK (state IN ('running', 'complete', 'ended_early')),
    latents     INTEGER NOT NULL,
    tokens      INTEGER NOT NULL DEFAULT 0,  -- all positions that were read
    counted     INTEGER NOT NULL DEFAULT 0,  -- those that count: no BOS, padding or ignored token
    contexts    INTEGER NOT NULL DEFAULT 0,
    approximate INTEGER NOT NULL DEFAULT 0,  -- 1: of a single pass: samples below the top, histograms, tokens
    compact     INTEGER NOT NULL DEFAULT 0,  -- 1: the activations of samples are float16
    created     TEXT    NOT NULL,
    finished    TEXT,
    estimated_pairs INTEGER NOT NULL DEFAULT 0 -- 1: neighbours by firing together are of frequent companions alone
) STRICT;

CREATE TABLE subsample (
    analysis       INTEGER NOT NULL REFERENCES analysis (id) ON DELETE CASCADE,
    id             INTEGER NOT NULL,         -- 0, 1, …: the order of the settings
    name           TEXT    NOT NULL,
    kind           TEXT    NOT NULL CHECK (kind IN ('top', 'uniform', 'silent')),
    min_proportion REAL    NOT NULL,
    proportion     REAL    NOT NULL,
    n_samples      INTEGER NOT NULL,
    hard           INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (analysis, id)
) STRICT, WITHOUT ROWID;

-- Token ids of up to 64 contexts, one after the other: uint32, zstd.
CREATE TABLE context_tokens (
    id   INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;

-- The contexts that some sample names.
CREATE TABLE context (
    id       INTEGER PRIMARY KEY,
    analysis INTEGER NOT NULL REFERENCES analysis (id) ON DELETE CASCADE,
    ordinal  INTEGER NOT NULL,               -- its place in the stream, from 0
    dataset  TEXT,
    shard    INTEGER,
    n_shards INTEGER,
    record   INTEGER,                        -- number of the record in its shard
    start    INTEGER,                        -- the record's token it begins with
    block    INTEGER NOT NULL REFERENCES context_tokens (id),
    place    INTEGER NOT NULL,               -- its first token in the block
    length   INTEGER NOT NULL,
    UNIQUE (analysis, ordinal)
) STRICT;

CREATE TABLE latent (
    analysis          INTEGER NOT NULL REFERENCES analysis (id) ON DELETE CASCADE,
    latent            INTEGER NOT NULL,
    act_times         INTEGER NOT NULL,      -- tokens on which it fires
    contexts          INTEGER NOT NULL,      -- contexts in which it fires
    max               REAL    NOT NULL,
    mean              REAL    NOT NULL,      -- over the tokens on which it fires; 0 for a dead one
    sum_squares       REAL    NOT NULL,
    density           REAL    NOT NULL,      -- act_times ÷ counted tokens
    first_share       REAL    NOT NULL,      -- share of its firings on the first counted token of a context
    top_token         INTEGER,               -- the token on which it fires most
    top_token_share   REAL    NOT NULL,      -- its share of the firings
    encoder_norm      REAL,
    decoder_norm      REAL,
    encoder_decoder   REAL,                  -- cosine
    nearest           INTEGER,               -- the latent with the largest decoder cosine
    nearest_cosine    REAL,
    logit_skew        REAL,
    logit_kurtosis    REAL,
    flags             INTEGER NOT NULL DEFAULT 0, -- 1 dead, 2 rare, 4 dense, 8 duplicate, 16 token, 32 output
    PRIMARY KEY (analysis, latent)
) STRICT, WITHOUT ROWID;

-- Positive activations: 64 equal bins on (0, max], and bins whose edges are powers of two; uint32 each.
CREATE TABLE histogram (
    analysis INTEGER NOT NULL REFERENCES analysis (id) ON DELETE CASCADE,
    latent   INTEGER NOT NULL,
    linear   BLOB    NOT NULL,               -- uint32 (64)
    octaves  BLOB    NOT NULL,               -- int32 exponent of the first bin's lower edge, then uint32 (n)
    PRIMARY KEY (analysis, latent)
) STRICT, WITHOUT ROWID;

-- The samples of a latent in one subsample, best first of kind 'top', in the order of their draw of the others:
-- n × {uint32 context, uint16 position of the peak, uint16 count, float32 peak}, then the positions of all activations
-- (uint16), then their values (float32 or float16).
CREATE TABLE sample (
    analysis  INTEGER NOT NULL REFERENCES analysis (id) ON DELETE CASCADE,
    latent    INTEGER NOT NULL,
    subsample INTEGER NOT NULL,
    n         INTEGER NOT NULL,
    data      BLOB    NOT NULL,
    PRIMARY KEY (analysis, latent, subsample)
) STRICT, WITHOUT ROWID;

-- The tokens on which a latent fires most, up to 10 a latent.
CREATE TABLE token_latent (
    analysis INTEGER NOT NULL REFERENCES analysis (id) ON DELETE CASCADE,
    token    INTEGER NOT NULL,
    latent   INTEGER NOT NULL,
    count    INTEGER NOT NULL,
    mean     REAL    NOT NULL,
    PRIMARY KEY (analysis, token, latent)
) STRICT, WITHOUT ROWID;
CREATE INDEX token_of_latent ON token_latent (analysis, latent, count DESC);

-- The nearest latents, best first: k × {uint32 latent, float32 value}.
CREATE TABLE neighbour (
    analysis INTEGER NOT NULL REFERENCES analysis (id) ON DELETE CASCADE,
    latent   INTEGER NOT NULL,
    kind     TEXT    NOT NULL CHECK (kind IN ('decoder', 'jaccard', 'pearson')),
    data     BLOB    NOT NULL,
    PRIMARY KEY (analysis, latent, kind)
) STRICT, WITHOUT ROWID;

-- Direct logit attribution: what each decoder row adds to the logits.
CREATE TABLE logits (
    latent    INTEGER PRIMARY KEY,
    top       BLOB NOT NULL,                 -- k × {uint32 token, float32 logit}, largest first
    bottom    BLOB NOT NULL,                 -- the same, smallest first
    histogram BLOB NOT NULL                  -- float32 low, float32 high, uint32 (50)
) STRICT;

-- Further facts of dictionaries with several decoders, float32: norms (heads), cosines and products (heads, heads).
CREATE TABLE heads (
    latent  INTEGER PRIMARY KEY,
    norms   BLOB NOT NULL,
    cosines BLOB NOT NULL,
    inner   BLOB NOT NULL
) STRICT;

-- Labels; one of a latent is the current one.
CREATE TABLE explanation (
    id      INTEGER PRIMARY KEY,
    latent  INTEGER NOT NULL,
    text    TEXT    NOT NULL,
    source  TEXT    NOT NULL,                -- "user", "rule", "model"
    model   TEXT,
    prompt  TEXT,
    current INTEGER NOT NULL,
    created TEXT    NOT NULL
) STRICT;
CREATE INDEX explanation_of_latent ON explanation (latent, current);
CREATE UNIQUE INDEX current_explanation ON explanation (latent) WHERE current = 1;

CREATE TABLE score (
    explanation INTEGER NOT NULL REFERENCES explanation (id) ON DELETE CASCADE,
    kind        TEXT    NOT NULL,
    value       REAL    NOT NULL,
    details     TEXT    NOT NULL,            -- JSON
    PRIMARY KEY (explanation, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE bookmark (
    latent  INTEGER NOT NULL,
    tag     TEXT    NOT NULL DEFAULT '',
    note    TEXT    NOT NULL DEFAULT '',
    created TEXT    NOT NULL,
    PRIMARY KEY (latent, tag)
) STRICT, WITHOUT ROWID;

-- Numbers of latents under names of one's own.
CREATE TABLE metric (
    name   TEXT    NOT NULL,
    latent INTEGER NOT NULL,
    value  REAL    NOT NULL,
    PRIMARY KEY (name, latent)
) STRICT, WITHOUT ROWID;

CREATE TABLE evaluation (
    name    TEXT PRIMARY KEY,
    value   REAL,
    details TEXT NOT NULL                    -- JSON
) STRICT, WITHOUT ROWID;

-- Answers of language models, so that nothing is asked twice.
CREATE TABLE llm_cache (
    key     TEXT PRIMARY KEY,
    answer  TEXT NOT NULL,
    created TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Full text, rowid = latent: the current label; row (analysis << 32 | latent): its tokens, and texts around its peaks.
CREATE VIRTUAL TABLE label_text USING fts5 (label, content = '', contentless_delete = 1, tokenize = 'unicode61');
CREATE VIRTUAL TABLE latent_text USING fts5 (tokens, texts, content = '', contentless_delete = 1, tokenize = 'unicode61');

-- Where an analysis that is not complete stands; empty otherwise.
CREATE TABLE progress (
    analysis INTEGER NOT NULL REFERENCES analysis (id) ON DELETE CASCADE,
    part     TEXT    NOT NULL,
    data     BLOB    NOT NULL,
    PRIMARY KEY (analysis, part)
) STRICT, WITHOUT ROWID;
