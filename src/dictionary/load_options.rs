//! How a trained dictionary is loaded.

use crate::event::RunContext;
use crate::tensor::{DType, DeviceSpec};

/// How to load a dictionary.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Where the parameters shall live.
    pub device: DeviceSpec,
    /// Their number format here; `None` keeps the file's.
    pub dtype: Option<DType>,
    /// Refuse surplus tensors; if not, each is named in a warning. Missing ones are always refused.
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
