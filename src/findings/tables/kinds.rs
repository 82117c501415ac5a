//! What tables, their columns and their cells are.

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

/// What makes a cell of a blob; `None` where that is not what this program writes.
pub(super) type ReadBlob = fn(&[u8]) -> Option<TableCell>;

/// One column of a table.
#[derive(Clone, Copy, Debug)]
pub struct TableColumn {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: CellKind,
    /// What SQLite is asked for.
    pub(super) source: &'static str,
    /// What is made of a blob.
    pub(super) read: Option<ReadBlob>,
}

/// One table.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns.
    pub columns: &'static [TableColumn],
    /// Where its rows come from, and their order.
    pub(super) from: &'static str,
    pub(super) order: &'static str,
    /// Whether a row of SQLite is one row, or holds several.
    pub(super) form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One row.
    Plain,
    /// The samples of a latent in a subsample: a row for each.
    Samples,
    /// A context, whose tokens lie elsewhere.
    Contexts,
}

pub(super) const fn column(name: &'static str, kind: CellKind) -> TableColumn {
    TableColumn {
        name,
        kind,
        source: name,
        read: None,
    }
}

pub(super) const fn integer(name: &'static str) -> TableColumn {
    column(name, CellKind::Integer)
}

pub(super) const fn real(name: &'static str) -> TableColumn {
    column(name, CellKind::Real)
}

pub(super) const fn text(name: &'static str) -> TableColumn {
    column(name, CellKind::Text)
}

pub(super) const fn blob(
    name: &'static str,
    source: &'static str,
    kind: CellKind,
    read: ReadBlob,
) -> TableColumn {
    TableColumn {
        name,
        kind,
        source,
        read: Some(read),
    }
}

pub(super) const fn integers(name: &'static str, source: &'static str, read: ReadBlob) -> TableColumn {
    blob(name, source, CellKind::Integers, read)
}

pub(super) const fn reals(name: &'static str, source: &'static str, read: ReadBlob) -> TableColumn {
    blob(name, source, CellKind::Reals, read)
}

pub(super) const fn plain(
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

impl Table {
    /// Returns what SQLite is asked.
    pub(super) fn query(&self) -> String {
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
