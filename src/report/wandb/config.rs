//! What a run is asked to be: the fields of configuration files, and what scripts may say besides.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::{Error, Result};

/// What to do about a run id that exists already. Names are W&B's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Resume {
    /// Refuse an id that exists.
    #[default]
    Never,
    /// Go on with it if it exists.
    Allow,
    /// It has to exist.
    Must,
    /// Go on with the last run below the same folder if that one did not finish.
    Auto,
}

impl Resume {
    /// Returns W&B's name of it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Resume::Never => "never",
            Resume::Allow => "allow",
            Resume::Must => "must",
            Resume::Auto => "auto",
        }
    }
}

/// Logging to Weights & Biases. What is left at its default here gives way to the variables `WANDB_PROJECT`,
/// `WANDB_NAME`, `WANDB_ENTITY`, `WANDB_RUN_ID` and `WANDB_RESUME`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WandbConfig {
    /// The project that the run belongs to.
    pub wandb_project: String,
    /// The run's display name; null lets W&B choose one.
    pub exp_name: Option<String>,
    /// The user or team; null means the default of the API key.
    pub wandb_entity: Option<String>,
    /// The run's id, for going on with an earlier run; null makes a new one, or the one before when a training is
    /// resumed.
    pub wandb_run_id: Option<String>,
    /// What to do when a run of that id exists. The server decides; offline nobody is asked, and the records say the id.
    pub wandb_resume: Resume,
}

/// The project of those who name none.
pub(super) const DEFAULT_PROJECT: &str = "gpt2-sae-training";

impl Default for WandbConfig {
    fn default() -> Self {
        WandbConfig {
            wandb_project: DEFAULT_PROJECT.into(),
            exp_name: None,
            wandb_entity: None,
            wandb_run_id: None,
            wandb_resume: Resume::Never,
        }
    }
}

impl Config for WandbConfig {
    const NAME: &'static str = "WandbConfig";

    fn validate(&self) -> Result<()> {
        if self.wandb_project.is_empty() {
            return Err(Error::input("the project needs a name").under("wandb_project"));
        }
        let known = self.wandb_run_id.is_some() || variable("WANDB_RUN_ID").is_some();
        if self.wandb_resume == Resume::Must && !known {
            return Err(Error::input("resuming needs the run's id").under("wandb_run_id"));
        }
        if let Some(id) = &self.wandb_run_id
            && (id.is_empty() || id.len() > 128 || id.contains(['/', '\\', '#', '?', '%', ':', ' ']))
        {
            return Err(Error::input(format!("`{id}` cannot be the id of a W&B run"))
                .hint("ids have 1 to 128 letters, digits, `-` and `_`")
                .under("wandb_run_id"));
        }
        Ok(())
    }
}

/// What else a run may be told, as the arguments of Python's `wandb.init`.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// `online`, `offline` or `disabled`, in place of `WANDB_MODE`.
    pub mode: Option<String>,
    /// Folder for `wandb/`, in place of `WANDB_DIR`.
    pub dir: Option<String>,
    /// Runs that belong together.
    pub group: Option<String>,
    /// What kind of run it is within its group.
    pub job_type: Option<String>,
    /// A longer description.
    pub notes: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
}

/// A variable that is set and not empty.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
