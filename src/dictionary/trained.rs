//! A trained dictionary on this machine, in whichever of the formats that are read: its settings and its weights.

use std::path::{Path, PathBuf};

use super::file_names::{SETTINGS_FILE, WEIGHT_FILES};
use super::load_options::LoadOptions;
use super::place::{locate, settings_folder};
use super::{SAEConfig, SparseAutoEncoder, other_makes, saelens};
use crate::checksums;
use crate::config::{Checked, Value};
use crate::error::{Context, Error, Result};
use crate::event::RunContext;
use crate::files::{SETTINGS_MOST, read_text};
use crate::identity;
use crate::tensor::DType;
use crate::tensor::safetensors::{self, SafeFile};

/// The settings that lie beside the weights.
pub(super) enum Settings {
    /// `config.json` of this program and of Language-Model-SAEs.
    Own(Box<SAEConfig>),
    /// `cfg.json` of SAELens.
    SaeLens(Box<saelens::Settings>),
}

/// A trained dictionary: the numbers are on disk until they are asked for.
pub(super) struct Trained {
    /// `None` for a lone weights file.
    settings: Option<Settings>,
    weights: SafeFile,
}

impl Settings {
    /// Returns the settings of the dictionary in `folder`; `None` where there are none.
    ///
    /// # Errors
    /// A broken file, facts that are missing, a format that is not read.
    pub(super) fn find(folder: &Path) -> Result<Option<Self>> {
        if folder.join(SETTINGS_FILE).exists() {
            return SAEConfig::from_folder(folder).map(|cfg| Some(Settings::Own(Box::new(cfg))));
        }
        if folder.join(saelens::SETTINGS_FILE).exists() {
            Self::of_saelens(folder).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Reads the `cfg.json` in `folder`.
    fn of_saelens(folder: &Path) -> Result<Self> {
        let path = folder.join(saelens::SETTINGS_FILE);
        let value = read_json(&path)?;
        other_makes::refuse_settings(&value, &path)?;
        let settings =
            saelens::Settings::parse(value).context(format!("while reading `{}`", path.display()))?;
        Ok(Settings::SaeLens(Box::new(settings)))
    }

    /// Returns the architecture that they stand for.
    pub(super) fn config(&self) -> Result<SAEConfig> {
        match self {
            Settings::Own(cfg) => Ok((**cfg).clone()),
            Settings::SaeLens(settings) => settings.to_config(),
        }
    }
}

impl SAEConfig {
    /// Reads the settings of a trained dictionary, which is named as for
    /// [`SparseAutoEncoder::from_pretrained`](super::SparseAutoEncoder::from_pretrained), without its weights.
    ///
    /// # Errors
    /// No such dictionary, a broken file, what the hub has to say.
    pub fn from_pretrained(name: impl AsRef<Path>, context: &RunContext) -> Result<Self> {
        let folder = settings_folder(name.as_ref(), context)?;
        match Settings::find(&folder)? {
            Some(settings) => settings.config(),
            // Says that there is none.
            None => Self::from_folder(folder),
        }
    }
}

/// Reads the JSON file at `path`.
pub(super) fn read_json(path: &Path) -> Result<Value> {
    let text = read_text(path, SETTINGS_MOST).map_err(|error| Error::io("read", path, error))?;
    serde_json::from_str(&text)
        .map_err(|error| Error::input(format!("this is not JSON: {error}")))
        .context(format!("while reading `{}`", path.display()))
}

impl SparseAutoEncoder {
    /// Returns what the weights and settings of a trained dictionary hold, in a line with their length and a checksum;
    /// `path` is as [`from_pretrained`](Self::from_pretrained) takes it.
    ///
    /// # Errors
    /// No dictionary there; what the hub has to say.
    pub fn identity(path: &Path, context: &RunContext) -> Result<String> {
        let place = locate(path, context)?;
        let weights = weights_file(&place)?;
        let folder = if place.is_dir() {
            place
        } else {
            place.parent().unwrap_or(Path::new(".")).to_path_buf()
        };
        let settings = [SETTINGS_FILE, saelens::SETTINGS_FILE].map(|name| folder.join(name));
        let mut files = vec![weights];
        files.extend(settings.into_iter().find(|file| file.is_file()));
        identity::of_files(&files)
    }
}

impl Trained {
    /// Opens the dictionary that `name` stands for, which is downloaded where it is on the hub. What this program wrote
    /// before there were checksums is read unchecked, which is said.
    ///
    /// # Errors
    /// As of [`open`](Self::open); what the hub has to say.
    pub(super) fn find(name: &Path, context: &RunContext) -> Result<Self> {
        let trained = Self::open(&locate(name, context)?)?;
        let path = trained.weights.path();
        let version = trained.weights.metadata().remove("version").unwrap_or_default();
        let is_own = name.exists() && version.starts_with("saescript");
        if is_own && !path.parent().is_some_and(checksums::exist) {
            context.events.note(format!(
                "`{}` has no {} beside it: it is read unchecked",
                path.display(),
                checksums::FILE
            ))?;
        }
        Ok(trained)
    }

    /// Opens the dictionary at `path`: a folder, or a weights file.
    ///
    /// # Errors
    /// Nothing there, missing, broken or altered files, a format that is not read.
    fn open(path: &Path) -> Result<Self> {
        other_makes::refuse_file(path)?;
        let folder = if path.is_dir() {
            path
        } else {
            path.parent().unwrap_or(Path::new("."))
        };
        let weights = weights_file(path);
        if let Ok(weights) = &weights
            && let Some(name) = weights.file_name().and_then(|name| name.to_str())
        {
            checksums::check(folder, &[SETTINGS_FILE, name])?;
        }
        let settings = if path.exists() {
            Settings::find(folder)?
        } else {
            None
        };
        let weights = weights?;
        Ok(Self {
            settings,
            weights: safetensors::read(weights)?,
        })
    }

    /// Opens the folder `folder` as SAELens has them, whatever else is in it.
    ///
    /// # Errors
    /// As of [`open`](Self::open).
    pub(super) fn open_saelens(folder: &Path) -> Result<Self> {
        Ok(Self {
            settings: Some(Settings::of_saelens(folder)?),
            weights: safetensors::read(folder.join(saelens::WEIGHTS_FILE))?,
        })
    }

    /// Returns the dictionary as its own settings describe it.
    ///
    /// # Errors
    /// No settings; tensors that are missing, surplus or of the wrong shape.
    pub(super) fn load(&self, options: &LoadOptions) -> Result<SparseAutoEncoder> {
        let settings = self.settings.as_ref().ok_or_else(|| {
            let path = self.weights.path();
            Error::input(format!(
                "there is no {SETTINGS_FILE} beside `{}`, so what these weights are is not known",
                path.display()
            ))
            .hint("describe them with an SAEConfig whose `sae_pretrained_name_or_path` is this file")
        })?;
        let mut cfg = settings.config()?;
        cfg.device = options.device;
        cfg.dtype = options
            .dtype
            .or_else(|| self.weights.dtype("W_E"))
            .or_else(|| self.weights.dtype("W_enc"))
            .unwrap_or(DType::FLOAT32);
        cfg.strict_loading = options.strict_loading;
        self.fill(Checked::new(cfg)?, &options.context)
    }

    /// Returns the dictionary as `cfg` describes it, which has to agree with its own settings. A lone weights file is
    /// taken for what `cfg` says, which is said.
    ///
    /// # Errors
    /// Settings that differ; tensors that are missing, surplus or of the wrong shape.
    pub(super) fn load_as(&self, cfg: Checked<SAEConfig>, context: &RunContext) -> Result<SparseAutoEncoder> {
        match &self.settings {
            Some(settings) => require_same(&settings.config()?, &cfg, self.weights.path())?,
            None => context.events.warn(format!(
                "there is no {SETTINGS_FILE} beside `{}`: the weights are taken for what the given settings say",
                self.weights.path().display()
            ))?,
        }
        self.fill(cfg, context)
    }

    fn fill(&self, cfg: Checked<SAEConfig>, context: &RunContext) -> Result<SparseAutoEncoder> {
        let mut sae = SparseAutoEncoder::zeros(cfg)?;
        let known = |name: &str| match &self.settings {
            Some(Settings::SaeLens(settings)) => settings.knows(&sae, name),
            _ => sae.knows(name),
        };
        let surplus: Vec<String> = self
            .weights
            .names()
            .into_iter()
            .filter(|name| !known(name))
            .collect();
        refuse_or_tell(&surplus, &self.weights, sae.cfg.strict_loading, context)?;
        match &self.settings {
            Some(Settings::SaeLens(settings)) => settings.fill(&mut sae, &self.weights)?,
            _ => sae.fill(&self.weights)?,
        }
        Ok(sae)
    }
}

/// Refuses tensors that nothing is known about, or names them in warnings.
fn refuse_or_tell(surplus: &[String], file: &SafeFile, strict: bool, context: &RunContext) -> Result<()> {
    let shown = file.path().display();
    for name in surplus {
        if strict {
            return Err(Error::input(format!(
                "`{shown}` holds a tensor `{name}` that this configuration has no place for"
            ))
            .hint(
                "check act_fn, use_glu_encoder and use_decoder_bias; strict_loading = false leaves out such tensors",
            ));
        }
        context.events.warn(format!(
            "`{shown}` holds a tensor `{name}` that this configuration has no place for; it is left out"
        ))?;
    }
    Ok(())
}

/// Refuses settings that differ from those of the trained dictionary in `weights`, and names all that do. The window
/// of jumprelu only concerns its training, and top_k only those that select by it.
fn require_same(trained: &SAEConfig, given: &SAEConfig, weights: &Path) -> Result<()> {
    let (theirs, ours) = (trained.architecture()?, given.architecture()?);
    let concerns = |key: &str| match key {
        "jumprelu_threshold_window" => false,
        "top_k" => trained.act_fn.selects_k(),
        _ => true,
    };
    let differing: Vec<String> = theirs
        .iter()
        .filter(|(key, value)| concerns(key) && ours.get(*key) != Some(value))
        .map(|(key, value)| {
            let given = ours.get(key).unwrap_or(&Value::Null);
            format!("`{key}` is {value} there and {given} here")
        })
        .collect();
    if differing.is_empty() {
        Ok(())
    } else {
        Err(Error::input(format!(
            "the trained dictionary `{}` is another one than the settings describe: {}",
            weights.display(),
            differing.join(", ")
        ))
        .hint("give its settings, or load it with its own by `SparseAutoEncoder::from_pretrained`")
        .under("sae_pretrained_name_or_path"))
    }
}

/// Returns the weights file that `path` stands for: itself, or the first of [`WEIGHT_FILES`] in the folder.
fn weights_file(path: &Path) -> Result<PathBuf> {
    if path.is_dir() {
        let found = WEIGHT_FILES
            .iter()
            .map(|name| path.join(name))
            .find(|file| file.exists());
        return found.ok_or_else(|| {
            Error::input(format!("the folder `{}` has no weights", path.display()))
                .hint(format!("looked for {}", WEIGHT_FILES.join(", ")))
        });
    }
    if path.exists() {
        // What is no regular file is refused where it is opened.
        Ok(path.to_path_buf())
    } else {
        Err(
            Error::input(format!("there is no trained dictionary at `{}`", path.display())).hint(
                "give a folder with config.json and sae_weights.safetensors, or `org/repo:folder` on the hub",
            ),
        )
    }
}
