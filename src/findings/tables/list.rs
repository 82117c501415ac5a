//! The tables, one after the other.

use super::blobs::{
    as_text, counts, each_byte, floats, logit_counts, logit_range, numbers_of_pairs, octave_counts,
    octave_exponent, values_of_pairs,
};
use super::kinds::{
    CellKind, Form, Table, TableColumn, blob, column, integer, integers, plain, real, reals, text,
};
use crate::error::{Error, Result};

/// Every table that other programs may want, in the order of the schema.
pub static TABLES: &[Table] = &[
    plain("meta", &[text("key"), text("value")], "meta", "key"),
    plain(
        "vocabulary",
        &[
            integer("token"),
            blob("text", "bytes", CellKind::Text, as_text),
            integers("bytes", "bytes", each_byte),
        ],
        "vocabulary",
        "token",
    ),
    plain("analysis", ANALYSIS, "analysis", "id"),
    plain("subsample", SUBSAMPLE, "subsample", "analysis, id"),
    Table {
        form: Form::Contexts,
        ..plain("context", CONTEXT, "context", "id")
    },
    plain("latent", LATENT, "latent", "analysis, latent"),
    plain("histogram", HISTOGRAM, "histogram", "analysis, latent"),
    Table {
        form: Form::Samples,
        ..plain(
            "sample",
            SAMPLE,
            "sample JOIN (SELECT id, compact FROM analysis) ON id = analysis",
            "analysis, latent, subsample",
        )
    },
    plain(
        "token_latent",
        &[
            integer("analysis"),
            integer("token"),
            integer("latent"),
            integer("count"),
            real("mean"),
        ],
        "token_latent",
        "analysis, latent, count DESC, token",
    ),
    plain(
        "neighbour",
        &[
            integer("analysis"),
            integer("latent"),
            text("kind"),
            integers("latents", "data", numbers_of_pairs),
            reals("values", "data", values_of_pairs),
        ],
        "neighbour",
        "analysis, latent, kind",
    ),
    plain("logits", LOGITS, "logits", "latent"),
    plain(
        "heads",
        &[
            integer("latent"),
            reals("norms", "norms", floats),
            reals("cosines", "cosines", floats),
            reals("inner", "\"inner\"", floats),
        ],
        "heads",
        "latent",
    ),
    plain("explanation", EXPLANATION, "explanation", "id"),
    plain(
        "score",
        &[
            integer("explanation"),
            text("kind"),
            real("value"),
            text("details"),
        ],
        "score",
        "explanation, kind",
    ),
    plain(
        "bookmark",
        &[integer("latent"), text("tag"), text("note"), text("created")],
        "bookmark",
        "latent, tag",
    ),
    plain(
        "metric",
        &[text("name"), integer("latent"), real("value")],
        "metric",
        "name, latent",
    ),
    plain(
        "evaluation",
        &[text("name"), real("value"), text("details")],
        "evaluation",
        "name",
    ),
];

const ANALYSIS: &[TableColumn] = &[
    integer("id"),
    text("name"),
    text("settings"),
    text("state"),
    integer("latents"),
    integer("tokens"),
    integer("counted"),
    integer("contexts"),
    integer("approximate"),
    integer("compact"),
    text("created"),
    text("finished"),
    integer("estimated_pairs"),
];

const SUBSAMPLE: &[TableColumn] = &[
    integer("analysis"),
    integer("id"),
    text("name"),
    text("kind"),
    real("min_proportion"),
    real("proportion"),
    integer("n_samples"),
    integer("hard"),
];

const CONTEXT: &[TableColumn] = &[
    integer("id"),
    integer("analysis"),
    integer("ordinal"),
    text("dataset"),
    integer("shard"),
    integer("n_shards"),
    integer("record"),
    integer("start"),
    column("tokens", CellKind::Integers),
];

const LATENT: &[TableColumn] = &[
    integer("analysis"),
    integer("latent"),
    integer("act_times"),
    integer("contexts"),
    real("max"),
    real("mean"),
    real("sum_squares"),
    real("density"),
    real("first_share"),
    integer("top_token"),
    real("top_token_share"),
    real("encoder_norm"),
    real("decoder_norm"),
    real("encoder_decoder"),
    integer("nearest"),
    real("nearest_cosine"),
    real("logit_skew"),
    real("logit_kurtosis"),
    integer("flags"),
];

const HISTOGRAM: &[TableColumn] = &[
    integer("analysis"),
    integer("latent"),
    integers("linear", "linear", counts),
    blob("exponent", "octaves", CellKind::Integer, octave_exponent),
    integers("octaves", "octaves", octave_counts),
];

/// The first three are asked for, the others are in the blob.
const SAMPLE: &[TableColumn] = &[
    integer("analysis"),
    integer("latent"),
    integer("subsample"),
    integer("rank"),
    integer("context"),
    integer("peak_position"),
    real("peak"),
    column("positions", CellKind::Integers),
    column("activations", CellKind::Reals),
];

const LOGITS: &[TableColumn] = &[
    integer("latent"),
    integers("top_tokens", "top", numbers_of_pairs),
    reals("top_logits", "top", values_of_pairs),
    integers("bottom_tokens", "bottom", numbers_of_pairs),
    reals("bottom_logits", "bottom", values_of_pairs),
    reals("range", "histogram", logit_range),
    integers("histogram", "histogram", logit_counts),
];

const EXPLANATION: &[TableColumn] = &[
    integer("id"),
    integer("latent"),
    text("text"),
    text("source"),
    text("model"),
    text("prompt"),
    integer("current"),
    text("created"),
];

impl Table {
    /// Returns the table `name`.
    ///
    /// # Errors
    /// There is none.
    pub fn of_name(name: &str) -> Result<&'static Table> {
        let names: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
        let found = TABLES.iter().find(|table| table.name == name);
        found.ok_or_else(|| Error::unknown("table", name, &names))
    }
}
