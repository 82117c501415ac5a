//! A dictionary on disk: `config.json` and `sae_weights.safetensors`, in the format of Language-Model-SAEs.

use std::collections::BTreeMap;
use std::path::Path;

use super::file_names::{SETTINGS_FILE, WEIGHT_FILES};
use super::load_options::LoadOptions;
use super::trained::{Trained, read_json};
use super::{LOG_THRESHOLD, NormActivation, SAEConfig, SparseAutoEncoder, other_makes};
use crate::config::{IntoChecked, Map, Value, from_value};
use crate::error::{Context, Error, Result};
use crate::event::RunContext;
use crate::tensor::{Kind, Tensor, safetensors};
use crate::{atomic, checksums};

/// What comes before the hook point in the names of the stored norms.
const NORM_PREFIX: &str = "dataset_average_activation_norm.";

/// Returns keys that Language-Model-SAEs has in its `config.json` for kernels of its own, with its defaults. They are
/// written for it and ignored here.
fn foreign_keys() -> [(&'static str, Value); 2] {
    [
        ("use_triton_kernel", Value::Bool(false)),
        ("sparsity_threshold_for_triton_spmm_kernel", Value::from(0.996)),
    ]
}

impl SAEConfig {
    /// Writes `config.json` into `folder`, which is made where it is missing: the architecture, without device and
    /// dtype.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn save_hyperparameters(&self, folder: impl AsRef<Path>) -> Result<()> {
        let mut saved = self.architecture()?;
        saved.remove("d_sae");
        saved.insert("expansion_factor".into(), self.expansion_factor().into());
        for (key, value) in foreign_keys() {
            saved.insert(key.into(), value);
        }
        let text = serde_json::to_string_pretty(&saved)
            .map_err(|error| Error::run(format!("cannot write the configuration: {error}")))?;
        let folder = folder.as_ref();
        let listed = checksums::exist(folder);
        checksums::forget(folder, &[SETTINGS_FILE])?;
        atomic::write(folder.join(SETTINGS_FILE), text + "\n")?;
        if listed {
            checksums::record(folder, &[SETTINGS_FILE])
        } else {
            Ok(())
        }
    }

    /// Reads the `config.json` of a dictionary from `folder`.
    ///
    /// # Errors
    /// No such file, something that is not JSON, unknown keys, and missing keys on which its numbers depend.
    pub fn from_folder(folder: impl AsRef<Path>) -> Result<Self> {
        let path = folder.as_ref().join(SETTINGS_FILE);
        let mut value = read_json(&path)?;
        other_makes::refuse_settings(&value, &path)?;
        let reading = || format!("while reading `{}`", path.display());
        if let Some(map) = value.as_object_mut() {
            require_facts(map).context(reading())?;
            for (key, _) in foreign_keys() {
                map.remove(key);
            }
        }
        from_value(value).context(reading())
    }
}

/// Refuses the settings of trained weights that leave out what decides their numbers: a default there would be a guess.
/// What the names and shapes of the tensors tell, or only training uses, may be missing.
fn require_facts(settings: &Map<String, Value>) -> Result<()> {
    let selects = ["topk", "batchtopk"].map(Value::from);
    let selects_k = settings
        .get("act_fn")
        .is_some_and(|act_fn| selects.contains(act_fn));
    let top_k = selects_k.then_some("top_k");
    let facts = ["act_fn", "norm_activation", "sparsity_include_decoder_norm"];
    match facts
        .into_iter()
        .chain(top_k)
        .find(|key| !settings.contains_key(*key))
    {
        Some(key) => Err(Error::input(format!(
            "the key `{key}` is missing, and what the trained weights compute depends on it"
        ))
        .hint("add it with the value that the dictionary was trained with")
        .under(key)),
        None => Ok(()),
    }
}

impl SparseAutoEncoder {
    /// What a saved dictionary consists of in its folder, besides the checksums.
    pub const FILES: [&str; 2] = [WEIGHT_FILES[0], SETTINGS_FILE];

    /// Returns the dictionary that `cfg` stands for: loaded where it names a trained one, else fresh.
    ///
    /// # Errors
    /// As [`from_pretrained`](Self::from_pretrained) and [`new`](Self::new); a trained one of another shape.
    pub fn from_config(cfg: impl IntoChecked<SAEConfig>, context: &RunContext) -> Result<Self> {
        let cfg = cfg.into_checked()?;
        let Some(name) = cfg.sae_pretrained_name_or_path.clone() else {
            return Self::new(cfg);
        };
        Trained::find(Path::new(&name), context)?.load_as(cfg, context)
    }

    /// Loads a dictionary from a folder with `config.json` and weights, or from a weights file beside a `config.json`;
    /// also from a folder that SAELens wrote. What is no path on this machine is looked for on the Hugging Face hub:
    /// `org/repo:folder`, or `org/repo` for a repository that holds one dictionary.
    ///
    /// # Errors
    /// Missing, broken or truncated files; settings that leave out a fact; tensors that are missing, surplus or of the
    /// wrong shape; formats of other programs; what the hub has to say.
    pub fn from_pretrained(path: impl AsRef<Path>, options: &LoadOptions) -> Result<Self> {
        let mut sae = Trained::find(path.as_ref(), &options.context)?.load(options)?;
        if options.fold_activation_scale && sae.cfg.norm_activation != NormActivation::Inference {
            sae.standardize_parameters_of_dataset_norm()?;
        }
        Ok(sae)
    }

    /// Reads a folder that SAELens wrote, also where ours lies beside it.
    ///
    /// # Errors
    /// As [`from_pretrained`](Self::from_pretrained); architectures and settings without a counterpart.
    pub fn from_saelens(folder: impl AsRef<Path>, options: &LoadOptions) -> Result<Self> {
        Trained::open_saelens(folder.as_ref())?.load(options)
    }

    /// Overwrites the parameters and norms with those in `folder`, which holds a dictionary of the same architecture.
    ///
    /// # Errors
    /// As [`from_pretrained`](Self::from_pretrained).
    pub fn load_weights(&mut self, folder: impl AsRef<Path>) -> Result<()> {
        self.fill(&safetensors::read(folder.as_ref().join(WEIGHT_FILES[0]))?)
    }

    /// Returns whether there is a place for a tensor of this name in weight files.
    pub(super) fn knows(&self, name: &str) -> bool {
        name.starts_with(NORM_PREFIX) || self.parameters().iter().any(|parameter| parameter.name == name)
    }

    /// Copies every parameter and norm out of `file`.
    pub(super) fn fill(&mut self, file: &safetensors::SafeFile) -> Result<()> {
        let shown = file.path().display();
        let names: Vec<&str> = self.parameters().iter().map(|parameter| parameter.name).collect();
        for name in names {
            let wanted = self.parameter(name)?.size();
            let shape = file.shape(name).ok_or_else(|| {
                Error::input(format!("`{shown}` has no tensor `{name}`"))
                    .hint("check act_fn, use_glu_encoder and use_decoder_bias")
            })?;
            if !self.fits(name, &shape) {
                return Err(Error::input(format!(
                    "`{name}` in `{shown}` has shape {shape:?}, but the configuration asks for {wanted:?}"
                ))
                .hint("check d_model and expansion_factor"));
            }
            let values = file.tensor(name, self.device(), None)?;
            if name == LOG_THRESHOLD {
                self.set_log_threshold(&values)?
            } else {
                self.set_parameter(name, &values)?
            }
        }
        self.require_thresholds()
            .context(format!("while reading `{shown}`"))?;
        let mut norms = BTreeMap::new();
        for name in file.names() {
            if let Some(hook) = name.strip_prefix(NORM_PREFIX) {
                let value = file.tensor(&name, crate::tensor::Device::Cpu, None)?;
                norms.insert(hook.to_string(), value.f_double_value(&[])?);
            }
        }
        self.set_dataset_average_activation_norm(norms)
            .context(format!("while reading `{shown}`"))
    }

    /// Writes `sae_weights.safetensors`, `config.json` and their checksums into `folder`, each whole or not at all.
    ///
    /// With `fold_activation_scale` a dictionary with dataset-wise normalisation is written as a folded copy, see
    /// [`standardize_parameters_of_dataset_norm`](Self::standardize_parameters_of_dataset_norm); with the other
    /// normalisations there is nothing to fold. The dictionary itself stays as it is.
    ///
    /// # Errors
    /// The folder cannot be written, or the disk is full; to fold, norms that are not known or too little memory.
    pub fn save_pretrained(&self, folder: impl AsRef<Path>, fold_activation_scale: bool) -> Result<()> {
        if fold_activation_scale && self.cfg.norm_activation == NormActivation::DatasetWise {
            let mut folded = self.copy()?;
            folded.standardize_parameters_of_dataset_norm()?;
            return folded.save(folder);
        }
        self.save(folder)
    }

    /// Writes the folder as it stands, see [`save_pretrained`](Self::save_pretrained).
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        checksums::forget(folder, &[SETTINGS_FILE, WEIGHT_FILES[0]])?;
        self.cfg.save_hyperparameters(folder)?;
        let kind = match self.kind() {
            Kind::Double => Kind::Double,
            _ => Kind::Float,
        };
        let mut norms = Vec::new();
        for (hook, norm) in &self.dataset_norms {
            let value = Tensor::f_full([0i64; 0].as_slice(), *norm, (kind, crate::tensor::Device::Cpu))?;
            norms.push((format!("{NORM_PREFIX}{hook}"), value));
        }
        let mut tensors: Vec<(&str, &Tensor)> = Vec::new();
        tensors.extend(
            self.parameters()
                .iter()
                .map(|parameter| (parameter.name, &parameter.tensor)),
        );
        tensors.extend(norms.iter().map(|(name, value)| (name.as_str(), value)));
        let notes = BTreeMap::from([
            ("format".to_string(), "pt".to_string()),
            (
                "version".to_string(),
                format!("saescript {}", env!("CARGO_PKG_VERSION")),
            ),
        ]);
        safetensors::write(folder.join(WEIGHT_FILES[0]), &tensors, &notes)?;
        checksums::record(folder, &[SETTINGS_FILE, WEIGHT_FILES[0]])
    }
}
