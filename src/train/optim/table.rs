//! The table of optimisers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method::{Method, Setting};
use super::{adam, adamw, muon, sgd, signum, sparse_adam};
use crate::dictionary::Role;

/// Which optimiser moves the parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerClass {
    /// Adam (<https://arxiv.org/abs/1412.6980>) as in PyTorch.
    #[default]
    Adam,
    /// Adam that moves only what has a gradient, so that a latent which wakes up is not thrown by stale moments.
    SparseAdam,
    /// Adam whose `weight_decay` shrinks the matrices apart from the gradients (<https://arxiv.org/abs/1711.05101>).
    AdamW,
    /// Gradient descent with `momentum`, as in PyTorch.
    Sgd,
    /// The sign of a running mean of the gradient, by `momentum` (<https://arxiv.org/abs/1802.04434>).
    Signum,
    /// Matrices along the nearest orthogonal matrix to their gradient's running mean, by `momentum`; everything else by
    /// AdamW (<https://kellerjordan.github.io/posts/muon>).
    Muon,
}

impl OptimizerClass {
    /// Returns the method of this optimiser.
    pub(super) fn method(self) -> &'static dyn Method {
        match self {
            OptimizerClass::Adam => &adam::Adam,
            OptimizerClass::SparseAdam => &sparse_adam::SparseAdam,
            OptimizerClass::AdamW => &adamw::AdamW,
            OptimizerClass::Sgd => &sgd::Sgd,
            OptimizerClass::Signum => &signum::Signum,
            OptimizerClass::Muon => &muon::Muon,
        }
    }

    /// Returns how many numbers it keeps for each number of a parameter.
    pub fn kept(self, role: Role) -> usize {
        self.method().keeps(role).len()
    }

    /// Returns whether it uses this setting.
    pub fn uses(self, setting: Setting) -> bool {
        self.method().settings().contains(&setting)
    }
}
