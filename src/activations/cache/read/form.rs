//! What all chunks of a cache have in common: which tensors, of which dtype, how wide.
//!
//! Batches need not mix rows of unlike chunks to go wrong: a stream that changes its dtype or width in the middle would
//! be as bad.

use std::path::PathBuf;

use super::chunk::Chunk;
use crate::activations::columns::Column;
use crate::error::{Error, Result};
use crate::tensor::{DType, Kind};

/// The form of one chunk.
#[derive(Clone, Debug)]
pub(super) struct Form(Vec<Part>);

#[derive(Clone, Debug)]
struct Part {
    column: Column,
    file: PathBuf,
    kind: Kind,
    /// Numbers of one position; `None` for tensors of single numbers.
    width: Option<i64>,
}

impl Form {
    pub(super) fn of(chunk: &Chunk) -> Self {
        let parts = chunk.columns().into_iter().filter_map(|column| {
            let view = chunk.view(&column)?;
            Some(Part {
                file: view.file.to_path_buf(),
                kind: view.kind,
                width: view.row.last().copied().filter(|_| column.is_activation()),
                column,
            })
        });
        Form(parts.collect())
    }

    /// Compares it with that of another chunk of the same cache.
    ///
    /// # Errors
    /// They differ; names both files.
    pub(super) fn fits(&self, other: &Form) -> Result<()> {
        self.covers(other)?;
        other.covers(self)
    }

    fn covers(&self, other: &Form) -> Result<()> {
        for theirs in &other.0 {
            let Some(ours) = self.0.iter().find(|part| part.column == theirs.column) else {
                let file = self.0.first().map(|part| part.file.display().to_string());
                return Err(Error::input(format!(
                    "some chunks of the cache hold `{}`, others do not: `{}` does, `{}` does not",
                    theirs.column,
                    theirs.file.display(),
                    file.unwrap_or_default()
                )));
            };
            if (ours.kind, ours.width) != (theirs.kind, theirs.width) {
                return Err(Error::input(format!(
                    "chunks of the cache do not fit each other: `{}` is {} in `{}`, {} in `{}`",
                    ours.column,
                    ours.described(),
                    ours.file.display(),
                    theirs.described(),
                    theirs.file.display()
                ))
                .hint("they are of different generations; each belongs into a folder of its own"));
            }
        }
        Ok(())
    }
}

impl Part {
    fn described(&self) -> String {
        let dtype = DType::from(self.kind);
        match self.width {
            Some(width) => format!("{dtype} of width {width}"),
            None => dtype.to_string(),
        }
    }
}
