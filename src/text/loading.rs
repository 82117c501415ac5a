//! Loading a data set: finding its files, looking into the first, and reading all through where that is asked for.

use std::sync::Arc;

use super::cell::{self, Cell, Row};
use super::config::DatasetConfig;
use super::data_file::DataFile;
use super::dataset::Dataset;
use super::files;
use super::format::Wanted;
use super::split::{Part, Split};
use crate::config::IntoChecked;
use crate::error::{Error, Result};
use crate::event::RunContext;

/// Records in which a path such as `meta.text` is looked for.
const LOOKED_AT: usize = 100;

impl Dataset {
    /// Finds the files of a data set and looks into the first one.
    ///
    /// # Errors
    /// Missing paths, unknown splits and formats, empty files and folders, files that are damaged at first sight, a
    /// text column other than the default that the first file does not have, what the hub has to say.
    pub fn load(config: impl IntoChecked<DatasetConfig>, context: &RunContext) -> Result<Dataset> {
        let config = &*config.into_checked()?;
        context.check("loading the data set")?;
        let split = Split::parse(&config.split).map_err(|error| error.under("split"))?;
        let files = files::find(config, &split.name, context)?;
        if let Some(revision) = &config.revision
            && files.iter().all(|file| file.on_hub_at().is_none())
        {
            context.events.warn(format!(
                "`revision` \"{revision}\" does nothing: `{}` is read from this machine, not from the hub",
                config.dataset_name_or_path
            ))?;
        }
        let dataset = Dataset::of_files(config, columns(&files, config)?, files);
        // Records of tokens have no use for the default.
        if config.text_column != DatasetConfig::default().text_column {
            dataset
                .check_text_column()
                .map_err(|error| error.under("text_column"))?;
        }
        let dataset = match split.part {
            Some(part) => dataset.part(part)?,
            None => dataset,
        };
        let dataset = dataset.loaded_as(config.split.trim());
        if !config.streaming {
            // Whatever is wrong with any record shows now.
            dataset
                .look_through(context)?
                .tell(dataset.name(), &context.events)?;
        }
        Ok(dataset)
    }

    fn part(&self, part: Part) -> Result<Dataset> {
        let length = if part.needs_length() {
            self.len()?
        } else {
            u64::MAX
        };
        let range = part.range(length);
        Ok(self.skip(range.start).take(range.end - range.start))
    }

    /// Reads every record, for what it would be used for, so that whatever is wrong shows now.
    /// Refuses a text column that is not there: neither among the columns nor, by a path, within the first records.
    fn check_text_column(&self) -> Result<()> {
        let column = self.text_column();
        self.check_column(column)?;
        if self.columns().iter().any(|name| name == column) {
            return Ok(());
        }
        let mut names: Vec<String> = self.columns().to_vec();
        for entry in self.rows(&Wanted::default(), 0).take(LOOKED_AT) {
            if let Ok(row) = entry?.1 {
                if cell::find(&row, column).is_some() {
                    return Ok(());
                }
                paths(&row, "", &mut names);
            }
        }
        Err(self.unknown_column(column, &names))
    }
}

/// The columns of the first file that has some.
fn columns(files: &[Arc<DataFile>], config: &DatasetConfig) -> Result<Vec<String>> {
    for file in files {
        let columns = file.columns()?;
        if !columns.is_empty() {
            return Ok(columns);
        }
    }
    Err(Error::input(format!(
        "the data set `{}` holds no records",
        config.dataset_name_or_path
    )))
}

/// Adds the paths into the maps of `row` to `names`.
fn paths(row: &Row, before: &str, names: &mut Vec<String>) {
    for (name, cell) in row {
        let path = format!("{before}{name}");
        if let Cell::Map(inner) = cell {
            paths(inner, &format!("{path}."), names);
        }
        if !names.contains(&path) {
            names.push(path);
        }
    }
}
