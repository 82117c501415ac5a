//! TensorBoard event files of a training.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::logger::{Logger, Started, Training};
use crate::config::Config;
use crate::error::Result;
use crate::event::Events;
use crate::report::tensorboard::TensorBoard;

/// Logging to TensorBoard event files.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TensorBoardConfig {
    /// The folder of the files; null: `tensorboard` in the run's folder.
    pub folder: Option<PathBuf>,
}

impl Config for TensorBoardConfig {
    const NAME: &'static str = "TensorBoardConfig";
}

impl Logger for TensorBoardConfig {
    const TYPE: &'static str = "tensorboard";

    fn start(&self, training: &Training<'_>, events: &Events) -> Result<Started> {
        let own = || training.folder.join("tensorboard");
        let folder = self.folder.clone().unwrap_or_else(own);
        events.add(Box::new(TensorBoard::new(&folder)));
        Ok(Started::default())
    }
}
