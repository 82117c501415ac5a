//! One chunk of a cache: the mapped files of all hook points, checked before a row of it is used.

use std::sync::{Arc, OnceLock};

use super::chunk_file::ChunkFile;
use super::column_view::ColumnView;
use super::kept::Kept;
use crate::activations::cache::tensor_names::{ACTIVATION, ATTENTION_MASK, MASK, TOKENS};
use crate::activations::columns::Column;
use crate::config::Value;
use crate::error::{Error, Result};
use crate::tensor::{DType, Kind};

/// Which rows of a chunk are read.
#[derive(Clone, Debug)]
pub(super) enum Rows {
    /// Each row as it is stored.
    Stored,
    /// Each sequence's positions, those of `ignored` tokens left out; `None` leaves out what the mask does.
    Positions {
        /// Token ids.
        ignored: Option<Vec<i64>>,
    },
}

/// The mapped files of one chunk.
pub(super) struct Chunk {
    files: Vec<ChunkFile>,
    /// Leading shape: `[rows]` or `[sequences, length]`.
    shape: Vec<i64>,
    /// The chosen positions in the flattened leading shape; `None`: whole stored rows.
    positions: Option<Vec<u32>>,
    meta: Option<Arc<Vec<Value>>>,
    checked: Checked,
    /// Rows that were copied out of the files, which are let go.
    kept: Option<Kept>,
}

/// What the check of a chunk came to; shared by all its handles, so that each chunk is checked once.
pub(super) type Checked = Arc<OnceLock<Result<()>>>;

impl Chunk {
    /// Puts the files of a chunk together and checks their shapes.
    ///
    /// # Errors
    /// Files that do not fit each other or the wanted `rows`.
    pub(super) fn open(files: Vec<ChunkFile>, rows: &Rows, checked: Checked) -> Result<Self> {
        let mut chunk = Chunk {
            shape: leading_shape(&files)?,
            meta: match files.first() {
                Some(first) => first.origins()?,
                None => None,
            },
            files,
            positions: None,
            checked,
            kept: None,
        };
        if let Some(meta) = chunk
            .meta
            .as_ref()
            .filter(|meta| meta.len() as i64 != chunk.shape[0])
        {
            return Err(chunk.wrong(format!(
                "has {} rows, but {} origins lie beside it",
                chunk.shape[0],
                meta.len()
            )));
        }
        if let Rows::Positions { ignored } = rows
            && chunk.shape.len() == 2
        {
            chunk.positions = Some(chunk.chosen(ignored.as_deref())?);
            chunk.require_whole()?;
        }
        Ok(chunk)
    }

    /// Returns the same chunk with no more than the rows of these numbers, which are copied: its files are let go.
    ///
    /// # Errors
    /// The chunk fails its check.
    pub(super) fn keep(&self, rows: Vec<u32>) -> Result<Chunk> {
        self.check()?;
        let mut kept = Kept::new(rows);
        for column in self.columns() {
            if let Some(view) = self.view(&column) {
                kept.copy(column, &view, |row| self.place(row))?;
            }
        }
        self.require_whole()?;
        let origins = kept.rows().iter().map(|row| self.origin(*row).cloned());
        Ok(Chunk {
            files: Vec::new(),
            shape: if self.gives_sequences() {
                self.shape.clone()
            } else {
                vec![self.rows() as i64]
            },
            positions: None,
            meta: origins.collect::<Option<Vec<Value>>>().map(Arc::new),
            checked: self.checked.clone(),
            kept: Some(kept),
        })
    }

    /// Returns whether there is a row of this number.
    pub(super) fn has(&self, row: u32) -> bool {
        match &self.kept {
            Some(kept) => kept.rows().binary_search(&row).is_ok(),
            None => (row as usize) < self.rows(),
        }
    }

    /// Returns whether only some of its rows are there.
    pub(super) fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Rows that it gives.
    pub(super) fn rows(&self) -> usize {
        self.positions.as_ref().map_or(self.shape[0] as usize, Vec::len)
    }

    /// Returns whether its rows are sequences.
    pub(super) fn gives_sequences(&self) -> bool {
        self.shape.len() == 2 && self.positions.is_none()
    }

    /// Returns the length of the stored sequences, in 2D.
    pub(super) fn length(&self) -> Option<i64> {
        self.shape.get(1).copied()
    }

    /// Returns the columns that every chunk of this cache should have too.
    pub(super) fn columns(&self) -> Vec<Column> {
        if let Some(kept) = &self.kept {
            return kept.columns().cloned().collect();
        }
        let activations = self
            .files
            .iter()
            .map(|file| Column::Activation(file.hook_point.clone()));
        let integers = [Column::Tokens, Column::Mask, Column::AttentionMask];
        let integers = integers.into_iter().filter(|column| self.view(column).is_some());
        activations.chain(integers).collect()
    }

    /// Returns a column's bytes and the shape of its rows.
    pub(super) fn view(&self, column: &Column) -> Option<ColumnView<'_>> {
        if let Some(kept) = &self.kept {
            return kept.view(column);
        }
        let (file, name) = match column {
            Column::Activation(hook_point) => (
                self.files.iter().find(|file| file.hook_point == *hook_point)?,
                ACTIVATION,
            ),
            Column::Tokens => (self.files.first()?, TOKENS),
            Column::Mask => (self.files.first()?, MASK),
            Column::AttentionMask => (self.files.first()?, ATTENTION_MASK),
        };
        let leading = match self.positions {
            Some(_) => 2,
            None => 1,
        };
        Some(ColumnView {
            file: file.file.path(),
            bytes: file.file.bytes(name)?,
            kind: file.file.dtype(name)?.kind(),
            row: file.file.shape(name)?.get(leading..)?.to_vec(),
        })
    }

    /// Returns where row number `row` lies among the stored rows (positions, if those are chosen).
    pub(super) fn place(&self, row: u32) -> usize {
        match (&self.kept, &self.positions) {
            (Some(kept), _) => kept.place(row),
            (None, Some(positions)) => positions[row as usize] as usize,
            (None, None) => row as usize,
        }
    }

    /// Returns the origin of a row, where origins were written.
    pub(super) fn origin(&self, row: u32) -> Option<&Value> {
        let sequence = match self.positions {
            Some(_) => self.place(row) / self.shape.get(1).map_or(1, |length| *length as usize),
            None => self.place(row),
        };
        self.meta.as_ref()?.get(sequence)
    }

    /// Has the system read the files ahead, all at once.
    pub(super) fn bring_in(&self) {
        self.files.iter().for_each(|file| file.file.bring_in());
    }

    /// Refuses what was copied out of it, if another program truncated one of its files meanwhile.
    ///
    /// # Errors
    /// Such a file.
    pub(super) fn require_whole(&self) -> Result<()> {
        self.files.iter().try_for_each(|file| file.file.require_whole())
    }

    /// Compares the files with the index and with each other, once; later calls give the same answer.
    ///
    /// # Errors
    /// Sizes or checksums that differ from the index, tokens that differ between hook points.
    pub(super) fn check(&self) -> Result<()> {
        self.checked.get_or_init(|| self.compare()).clone()
    }

    fn compare(&self) -> Result<()> {
        for file in &self.files {
            if let Some(entry) = &file.entry {
                file.compare(entry)?;
                if self.shape[0] as u64 != entry.rows {
                    return Err(self.wrong(format!(
                        "has {} rows, and its index says {}",
                        self.shape[0], entry.rows
                    )));
                }
            }
        }
        for name in [TOKENS, MASK, ATTENTION_MASK] {
            let first = self.files.first().and_then(|file| file.file.bytes(name));
            if let Some(other) = self.files.iter().find(|file| file.file.bytes(name) != first) {
                return Err(self.wrong(format!(
                    "and `{}` belong together, but their tensors `{name}` differ",
                    other.file.path().display()
                )));
            }
        }
        self.require_whole()
    }

    /// Returns how many positions its mask counts; all without a mask.
    ///
    /// # Errors
    /// A mask that is no integers.
    pub(super) fn counted(&self) -> Result<u64> {
        Ok(self.chosen(None)?.len() as u64)
    }

    /// Flat positions that are not ignored.
    fn chosen(&self, ignored: Option<&[i64]>) -> Result<Vec<u32>> {
        let column = match ignored {
            Some(_) => Column::Tokens,
            None => Column::Mask,
        };
        let Some(view) = self.view(&column) else {
            let count = self.shape.iter().product::<i64>() as u32;
            return match ignored {
                Some(_) => Err(self.wrong("has no `tokens`, which `ignore_token_ids` needs".into())),
                None => Ok((0..count).collect()),
            };
        };
        let values = integers(view.bytes, view.kind).ok_or_else(|| {
            self.wrong(format!(
                "holds `{column}` as {}, not as integers",
                DType::from(view.kind)
            ))
        })?;
        let keep = |value: i64| match ignored {
            Some(ignored) => !ignored.contains(&value),
            None => value != 0,
        };
        Ok((0u32..)
            .zip(values)
            .filter(|(_, value)| keep(*value))
            .map(|(position, _)| position)
            .collect())
    }

    /// An error about this chunk: its first file's name, then `what`.
    fn wrong(&self, what: String) -> Error {
        let path = self
            .files
            .first()
            .map(|file| file.file.path().display().to_string());
        Error::input(format!("the chunk `{}` {what}", path.unwrap_or_default()))
    }
}

/// The common leading shape of all files' tensors.
fn leading_shape(files: &[ChunkFile]) -> Result<Vec<i64>> {
    let mut common: Option<Vec<i64>> = None;
    for ChunkFile { file, .. } in files {
        let wrong = |what: String| Error::input(format!("the chunk `{}` {what}", file.path().display()));
        let shape = file
            .shape(ACTIVATION)
            .ok_or_else(|| wrong(format!("holds no tensor `{ACTIVATION}`, only {:?}", file.names())))?;
        let dtype = file.dtype(ACTIVATION);
        let is_floating = dtype.is_some_and(DType::is_floating_point);
        if !is_floating || !(2..=3).contains(&shape.len()) || shape.contains(&0) {
            return Err(wrong(format!(
                "holds activations of shape {shape:?} and dtype {}; expected (rows, d) or (sequences, length, d) of \
                 a floating-point dtype",
                dtype.map_or("unknown".into(), |dtype| dtype.to_string())
            )));
        }
        let leading = shape[..shape.len() - 1].to_vec();
        for name in [TOKENS, MASK, ATTENTION_MASK] {
            if let Some(other) = file.shape(name).filter(|other| *other != leading) {
                return Err(wrong(format!(
                    "contradicts itself: `{ACTIVATION}` has shape {shape:?} and `{name}` {other:?}"
                )));
            }
            let dtype = file.dtype(name);
            if file.contains(name) && dtype.is_none_or(|dtype| dtype.is_floating_point()) {
                return Err(wrong(format!("does not hold `{name}` as integers")));
            }
        }
        match &common {
            Some(common) if *common != leading => {
                return Err(wrong(format!(
                    "has the leading shape {leading:?}, but the one of the first hook point {common:?}"
                )));
            }
            _ => common = Some(leading),
        }
    }
    common.ok_or_else(|| Error::input("a cache is read at one hook point at least").under("hook_points"))
}

/// Little-endian integers of any width as 64-bit ones.
fn integers(bytes: &[u8], kind: Kind) -> Option<Vec<i64>> {
    let wide = |number: &[u8]| {
        let negative = kind != Kind::Uint8 && number.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut all = [if negative { 0xff } else { 0 }; 8];
        all[..number.len()].copy_from_slice(number);
        i64::from_le_bytes(all)
    };
    let integer = matches!(
        kind,
        Kind::Int64 | Kind::Int | Kind::Int16 | Kind::Int8 | Kind::Uint8 | Kind::Bool
    );
    integer.then(|| bytes.chunks_exact(kind.elt_size_in_bytes()).map(wide).collect())
}
