//! Lines of records, read one at a time.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::record::Document;
use crate::error::{Error, Result};
use crate::event::StopFlag;
use crate::files;

/// Calls `visit` with every record of the files, in order.
///
/// # Errors
/// A file that cannot be read, a line that is no record, what `visit` says: with file and line. `stop` was set.
pub(super) fn each_record(
    paths: &[PathBuf],
    stop: &StopFlag,
    mut visit: impl FnMut(Document) -> Result<()>,
) -> Result<()> {
    for path in paths {
        let file = files::open(path).map_err(|error| Error::io("open", path, error))?;
        for (number, line) in BufReader::new(file).lines().enumerate() {
            if stop.is_set() {
                return Err(Error::interrupted("the import was stopped"));
            }
            let line = line.map_err(|error| Error::io("read", path, error))?;
            let line = if number == 0 {
                files::without_byte_order_mark(&line)
            } else {
                &line
            };
            if line.trim().is_empty() {
                continue;
            }
            let place = || format!("in line {} of `{}`", number + 1, path.display());
            let document = read(line, path).map_err(|error| error.context(place()))?;
            visit(document).map_err(|error| error.context(place()))?;
        }
    }
    Ok(())
}

fn read(line: &str, path: &Path) -> Result<Document> {
    if line.starts_with('[') || line.trim() == "{" {
        return Err(
            Error::input("this is no record of a latent, but the beginning of some other JSON")
                .hint("records are JSON lines, one a latent, as `mongoexport` writes without --jsonArray"),
        );
    }
    serde_json::from_str(line).map_err(|error| {
        let wrong = Error::input(format!("this is no record of a latent: {error}"));
        if path.extension().is_some_and(|ending| ending == "pkl") {
            wrong.hint("`saescript export --pickle-script` prints a program that turns pickles into records")
        } else {
            wrong.hint("a record has `index` and `analyses`, arrays as lists; docs/exchange.md describes it")
        }
    })
}
