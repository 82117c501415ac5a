//! The tables of a store as rows for other programs: numbers that lie in blobs become lists.

use rusqlite::types::ValueRef;

use super::blobs::Reader;
use super::failure::{OfStore, broken};
use super::samples::decode;
use super::store::Store;
use crate::error::{Error, Result};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellKind {
    /// Whole numbers.
    Integer,
    /// Floats.
    Real,
    /// Texts.
    Text,
    /// Lists of whole numbers.
    Integers,
    /// Lists of floats.
    Reals,
}

/// What one row has in a column.
#[derive(Clone, Debug, PartialEq)]
pub enum TableCell {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// A float, which may be NaN or infinite.
    Real(f64),
    /// A text.
    Text(String),
    /// Whole numbers.
    Integers(Vec<i64>),
    /// Floats, float32 as the store has them.
    Reals(Vec<f32>),
}

/// One column of a table.
#[derive(Clone, Copy, Debug)]
pub struct TableColumn {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: CellKind,
    /// What SQLite is asked for.
    source: &'static str,
    /// What is made of a blob.
    read: Option<fn(&[u8]) -> Option<TableCell>>,
}

/// One table.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns.
    pub columns: &'static [TableColumn],
    /// Where its rows come from, and their order.
    from: &'static str,
    order: &'static str,
    /// Whether a row of SQLite is one row, or holds several.
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// One row.
    Plain,
    /// The samples of a latent in a subsample: a row for each.
    Samples,
    /// A context, whose tokens lie elsewhere.
    Contexts,
}

const fn column(name: &'static str, kind: CellKind) -> TableColumn {
    TableColumn {
        name,
        kind,
        source: name,
        read: None,
    }
}

const fn integer(name: &'static str) -> TableColumn {
    column(name, CellKind::Integer)
}

const fn real(name: &'static str) -> TableColumn {
    column(name, CellKind::Real)
}

const fn text(name: &'static str) -> TableColumn {
    column(name, CellKind::Text)
}

const fn blob(
    name: &'static str,
    source: &'static str,
    kind: CellKind,
    read: fn(&[u8]) -> Option<TableCell>,
) -> TableColumn {
    TableColumn {
        name,
        kind,
        source,
        read: Some(read),
    }
}

const fn integers(
    name: &'static str,
    source: &'static str,
    read: fn(&[u8]) -> Option<TableCell>,
) -> TableColumn {
    blob(name, source, CellKind::Integers, read)
}

const fn reals(
    name: &'static str,
    source: &'static str,
    read: fn(&[u8]) -> Option<TableCell>,
) -> TableColumn {
    blob(name, source, CellKind::Reals, read)
}

fn each_byte(bytes: &[u8]) -> Option<TableCell> {
    Some(TableCell::Integers(
        bytes.iter().map(|byte| i64::from(*byte)).collect(),
    ))
}

fn as_text(bytes: &[u8]) -> Option<TableCell> {
    Some(TableCell::Text(String::from_utf8_lossy(bytes).into_owned()))
}

fn counts(bytes: &[u8]) -> Option<TableCell> {
    let counts = Reader::new(bytes).all(Reader::u32)?;
    Some(TableCell::Integers(counts.into_iter().map(i64::from).collect()))
}

fn floats(bytes: &[u8]) -> Option<TableCell> {
    Reader::new(bytes).all(Reader::f32).map(TableCell::Reals)
}

fn numbers_of_pairs(bytes: &[u8]) -> Option<TableCell> {
    let pairs = super::blobs::read_pairs(bytes)?.into_iter();
    Some(TableCell::Integers(
        pairs.map(|(number, _)| i64::from(number)).collect(),
    ))
}

fn values_of_pairs(bytes: &[u8]) -> Option<TableCell> {
    let pairs = super::blobs::read_pairs(bytes)?.into_iter();
    Some(TableCell::Reals(pairs.map(|(_, value)| value).collect()))
}

fn octave_exponent(bytes: &[u8]) -> Option<TableCell> {
    Some(TableCell::Integer(i64::from(Reader::new(bytes).i32()?)))
}

fn octave_counts(bytes: &[u8]) -> Option<TableCell> {
    counts(bytes.get(4..)?)
}

fn logit_range(bytes: &[u8]) -> Option<TableCell> {
    floats(bytes.get(..8)?)
}

fn logit_counts(bytes: &[u8]) -> Option<TableCell> {
    counts(bytes.get(8..)?)
}

const fn plain(
    name: &'static str,
    columns: &'static [TableColumn],
    from: &'static str,
    order: &'static str,
) -> Table {
    Table {
        name,
        columns,
        from,
        order,
        form: Form::Plain,
    }
}

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

    fn query(&self) -> String {
        let asked = match self.form {
            Form::Plain => self.columns,
            Form::Samples => &self.columns[..3],
            Form::Contexts => &self.columns[..self.columns.len() - 1],
        };
        let mut sources: Vec<&str> = asked.iter().map(|column| column.source).collect();
        if self.form == Form::Samples {
            sources.extend(["n", "compact", "data"]);
        }
        format!(
            "SELECT {} FROM {} ORDER BY {}",
            sources.join(", "),
            self.from,
            self.order
        )
    }
}

/// Returns what SQLite has in a column; `None` if that is nothing this program writes there.
fn cell(column: &TableColumn, value: ValueRef<'_>) -> Option<TableCell> {
    match (column.read, value) {
        (_, ValueRef::Null) => Some(TableCell::Null),
        (Some(read), ValueRef::Blob(bytes)) => read(bytes),
        (None, ValueRef::Integer(number)) if column.kind == CellKind::Integer => {
            Some(TableCell::Integer(number))
        }
        (None, ValueRef::Real(number)) if column.kind == CellKind::Real => Some(TableCell::Real(number)),
        (None, ValueRef::Text(bytes)) if column.kind == CellKind::Text => as_text(bytes),
        _ => None,
    }
}

/// Returns the rows of one row of `sample`.
fn samples(row: &rusqlite::Row<'_>, asked: &[TableCell]) -> Option<Vec<Vec<TableCell>>> {
    let number = |at: usize| row.get_ref(at).ok()?.as_i64().ok();
    let (n, compact) = (usize::try_from(number(3)?).ok()?, number(4)? != 0);
    let all = decode(row.get_ref(5).ok()?.as_blob().ok()?, n, compact)?;
    let rows = all.into_iter().enumerate().map(|(rank, sample)| {
        let (positions, values) = sample
            .activations
            .into_iter()
            .map(|(position, value)| (i64::from(position), value))
            .unzip();
        let own = [
            TableCell::Integer(rank as i64),
            TableCell::Integer(i64::from(sample.context)),
            TableCell::Integer(i64::from(sample.peak_position)),
            TableCell::Real(f64::from(sample.peak)),
            TableCell::Integers(positions),
            TableCell::Reals(values),
        ];
        asked.iter().cloned().chain(own).collect()
    });
    Some(rows.collect())
}

impl Store {
    /// Calls `visit` with every row of a table, in order, one cell for each of its columns.
    ///
    /// # Errors
    /// A damaged store; what `visit` says.
    pub fn each_row(&self, table: &Table, mut visit: impl FnMut(Vec<TableCell>) -> Result<()>) -> Result<()> {
        let damaged = || broken(self.path(), &format!("a row of the table `{}`", table.name));
        let mut statement = self
            .connection()
            .prepare(&table.query())
            .of_store("read", self.path())?;
        let asked = statement.column_count().min(table.columns.len());
        let asked = if table.form == Form::Samples { 3 } else { asked };
        let mut rows = statement.query([]).of_store("read", self.path())?;
        while let Some(row) = rows.next().of_store("read", self.path())? {
            let cells = table.columns[..asked].iter().enumerate().map(|(at, column)| {
                let value = row.get_ref(at).ok()?;
                cell(column, value)
            });
            let mut cells: Vec<TableCell> = cells.collect::<Option<_>>().ok_or_else(damaged)?;
            match table.form {
                Form::Plain => visit(cells)?,
                Form::Samples => samples(row, &cells)
                    .ok_or_else(damaged)?
                    .into_iter()
                    .try_for_each(&mut visit)?,
                Form::Contexts => {
                    let TableCell::Integer(id) = cells[0] else {
                        return Err(damaged());
                    };
                    let id = u32::try_from(id).map_err(|_| damaged())?;
                    let tokens = self.contexts([id])?.remove(&id).map(|context| context.tokens);
                    let tokens = tokens.ok_or_else(damaged)?.into_iter().map(i64::from);
                    cells.push(TableCell::Integers(tokens.collect()));
                    visit(cells)?;
                }
            }
        }
        Ok(())
    }
}
