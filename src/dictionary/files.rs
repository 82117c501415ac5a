//! A dictionary on disk: `config.json` and `sae_weights.safetensors`, in the format of Language-Model-SAEs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::place::locate;
use super::{NormActivation, SAEConfig, SparseAutoEncoder, saelens};
use crate::atomic;
use crate::config::{self, Map, Value, from_value};
use crate::error::{Context, Error, Result};
use crate::event::RunContext;
use crate::tensor::{DType, DeviceSpec, Kind, Tensor, safetensors};

/// The architecture.
pub(super) const SETTINGS_FILE: &str = "config.json";

/// Where weights are looked for in a folder, in this order.
pub(super) const WEIGHT_FILES: [&str; 3] = [
    "sae_weights.safetensors",
    "checkpoints/pruned.safetensors",
    "checkpoints/final.safetensors",
];

/// What comes before the hook point in the names of the stored norms.
const NORM_PREFIX: &str = "dataset_average_activation_norm.";

/// Keys of `config.json` that say how to load or run here, not what the dictionary is.
const NOT_SAVED: [&str; 4] = ["sae_pretrained_name_or_path", "strict_loading", "device", "dtype"];

/// Keys that Language-Model-SAEs has in its `config.json` for kernels of its own, with its defaults. Written for it,
/// ignored here.
fn foreign_keys() -> [(&'static str, Value); 2] {
    [
        ("use_triton_kernel", Value::Bool(false)),
        ("sparsity_threshold_for_triton_spmm_kernel", Value::from(0.996)),
    ]
}

/// How to load a dictionary.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Where the parameters shall live.
    pub device: DeviceSpec,
    /// Their number format here; `None` keeps the file's.
    pub dtype: Option<DType>,
    /// Refuse missing and surplus tensors.
    pub strict_loading: bool,
    /// Fold the dataset-wise normalisation into the weights.
    pub fold_activation_scale: bool,
    /// Where a download reports, and whether to stop it.
    pub context: RunContext,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            device: DeviceSpec::Cpu,
            dtype: None,
            strict_loading: true,
            fold_activation_scale: false,
            context: RunContext::default(),
        }
    }
}

impl SAEConfig {
    /// Writes `config.json` into `folder`, which is made where it is missing: the architecture, without device and
    /// dtype.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn save_hyperparameters(&self, folder: impl AsRef<Path>) -> Result<()> {
        let mut saved = match config::to_value(self)? {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        for key in NOT_SAVED {
            saved.remove(key);
        }
        for (key, value) in foreign_keys() {
            saved.insert(key.into(), value);
        }
        let text = serde_json::to_string_pretty(&saved)
            .map_err(|error| Error::run(format!("cannot write the configuration: {error}")))?;
        atomic::write(folder.as_ref().join(SETTINGS_FILE), text + "\n")
    }

    /// Reads the `config.json` of a dictionary from `folder`.
    ///
    /// # Errors
    /// No such file, something that is not JSON, unknown or missing keys.
    pub fn from_folder(folder: impl AsRef<Path>) -> Result<Self> {
        let path = folder.as_ref().join(SETTINGS_FILE);
        let text = std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, error))?;
        let reading = || format!("while reading `{}`", path.display());
        let mut value: Value = serde_json::from_str(&text)
            .map_err(|error| Error::input(format!("this is not JSON: {error}")))
            .context(reading())?;
        if let Some(map) = value.as_object_mut() {
            for (key, _) in foreign_keys() {
                map.remove(key);
            }
        }
        from_value(value).context(reading())
    }
}

impl SparseAutoEncoder {
    /// The dictionary that `cfg` stands for: loaded where it names a trained one, else fresh.
    ///
    /// # Errors
    /// As [`from_pretrained`](Self::from_pretrained) and [`new`](Self::new); a trained one of another shape.
    pub fn from_config(cfg: SAEConfig, context: &RunContext) -> Result<Self> {
        let Some(name) = cfg.sae_pretrained_name_or_path.clone() else {
            return Self::new(cfg);
        };
        let mut sae = Self::zeros(cfg)?;
        sae.load_weights(locate(Path::new(&name), context)?)?;
        Ok(sae)
    }

    /// Loads a dictionary from a folder with `config.json` and weights, or from a weights file beside a `config.json`;
    /// also from a folder that SAELens wrote. What is no path on this machine is looked for on the Hugging Face hub:
    /// `org/repo:folder`, or `org/repo` for a repository that holds one dictionary.
    ///
    /// # Errors
    /// Missing, broken or truncated files; tensors that are missing, surplus or of the wrong shape; what the hub has
    /// to say.
    pub fn from_pretrained(path: impl AsRef<Path>, options: &LoadOptions) -> Result<Self> {
        let path = &locate(path.as_ref(), &options.context)?;
        if path.join(saelens::SETTINGS_FILE).is_file() && !path.join(SETTINGS_FILE).is_file() {
            return Self::from_saelens(path, options);
        }
        let weights = weights_file(path)?;
        let folder = match path.is_dir() {
            true => path,
            false => path.parent().unwrap_or(Path::new(".")),
        };
        let mut cfg = SAEConfig::from_folder(folder)?;
        let file = safetensors::read(weights)?;
        cfg.device = options.device;
        cfg.dtype = options
            .dtype
            .or_else(|| file.dtype("W_E"))
            .unwrap_or(DType::FLOAT32);
        cfg.strict_loading = options.strict_loading;
        let mut sae = Self::zeros(cfg)?;
        sae.load(&file)?;
        if options.fold_activation_scale {
            sae.standardize_parameters_of_dataset_norm()?;
        }
        Ok(sae)
    }

    /// Overwrites the parameters and norms with those of a folder or weights file.
    ///
    /// # Errors
    /// As [`from_pretrained`](Self::from_pretrained).
    pub fn load_weights(&mut self, path: impl AsRef<Path>) -> Result<()> {
        self.load(&safetensors::read(weights_file(path.as_ref())?)?)
    }

    /// Copies every parameter and norm out of `file`.
    fn load(&mut self, file: &safetensors::SafeFile) -> Result<()> {
        let shown = file.path().display();
        let names: Vec<&str> = self.parameters().iter().map(|(name, _)| *name).collect();
        let is_ours = |name: &String| names.contains(&name.as_str()) || name.starts_with(NORM_PREFIX);
        if self.cfg.strict_loading
            && let Some(surplus) = file.names().into_iter().find(|name| !is_ours(name))
        {
            return Err(Error::input(format!(
                "`{shown}` holds a tensor `{surplus}` that this configuration has no place for"
            ))
            .hint(
                "check act_fn, use_glu_encoder and use_decoder_bias, or load with strict_loading = false",
            ));
        }
        for name in names {
            match file.shape(name) {
                Some(shape) if shape == self.parameter(name)?.size() => {
                    let values = file.tensor(name, self.device(), None)?;
                    self.set_parameter(name, &values)?;
                }
                Some(shape) => {
                    return Err(Error::input(format!(
                        "`{name}` in `{shown}` has shape {shape:?}, but the configuration asks for {:?}",
                        self.parameter(name)?.size()
                    ))
                    .hint("check d_model and expansion_factor"));
                }
                None if self.cfg.strict_loading => {
                    return Err(Error::input(format!("`{shown}` has no tensor `{name}`"))
                        .hint("check act_fn, use_glu_encoder and use_decoder_bias, or load with strict_loading = false"));
                }
                None => {}
            }
        }
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

    /// Writes `sae_weights.safetensors` and `config.json` into `folder`, each whole or not at all.
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
        let mut tensors = self.parameters();
        tensors.extend(norms.iter().map(|(name, value)| (name.as_str(), value)));
        let notes = BTreeMap::from([
            ("format".to_string(), "pt".to_string()),
            (
                "version".to_string(),
                format!("saescript {}", env!("CARGO_PKG_VERSION")),
            ),
        ]);
        safetensors::write(folder.join(WEIGHT_FILES[0]), &tensors, &notes)
    }
}

/// The weights file that `path` stands for: itself, or the first of [`WEIGHT_FILES`] in the folder.
fn weights_file(path: &Path) -> Result<PathBuf> {
    if path.is_file() {
        return Ok(path.to_path_buf());
    }
    if !path.is_dir() {
        return Err(
            Error::input(format!("there is no trained dictionary at `{}`", path.display())).hint(
                "give a folder with config.json and sae_weights.safetensors, or `org/repo:folder` on the hub",
            ),
        );
    }
    let found = WEIGHT_FILES
        .iter()
        .map(|name| path.join(name))
        .find(|file| file.is_file());
    found.ok_or_else(|| {
        Error::input(format!("the folder `{}` has no weights", path.display()))
            .hint(format!("looked for {}", WEIGHT_FILES.join(", ")))
    })
}
