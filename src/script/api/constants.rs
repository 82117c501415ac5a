//! Modules with their constants: `torch::float32`, `ActivationFactoryTarget::ACTIVATIONS_1D`.

use rhai::plugin::*;
use rhai::{Dynamic, Module};

use super::analysis;
use super::datasets;
use super::optim;
use super::plots;
use super::sae;
use super::tensor;
use super::torch;
use super::trainer;
use super::wandb;
use crate::script::guard;
use crate::tensor::DType;

/// A named value that scripts can use.
pub struct Constant {
    /// The module it is in; `None` for global ones.
    pub module: Option<&'static str>,
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub docs: &'static str,
    value: Option<Dynamic>,
}

impl Constant {
    /// Its value; `None` for those that are set for each run.
    pub fn value(&self) -> Option<&Dynamic> {
        self.value.as_ref()
    }
}

/// Returns every constant, for registration and documentation alike.
pub fn constants() -> Vec<Constant> {
    let global = |name, docs| Constant {
        module: None,
        name,
        docs,
        value: None, // set for each run
    };
    let mut all = vec![
        global(
            "ARGS",
            "The arguments after the script's name on the command line, an array of strings.",
        ),
        global("SCRIPT_DIR", "The folder of the script that runs."),
        global("SCRIPT_PATH", "The path of the script that runs."),
    ];
    all.extend(dtypes());
    for (name, value, docs) in [
        ("inf", f64::INFINITY, "Infinity."),
        ("nan", f64::NAN, "Not a number."),
        ("pi", std::f64::consts::PI, "Half a turn in radians."),
        ("e", std::f64::consts::E, "The base of the natural logarithm."),
    ] {
        all.push(Constant {
            module: Some("torch"),
            name,
            docs,
            value: Some(value.into()),
        });
    }
    for (name, value, docs) in [
        ("TOKENS", "tokens", "Batches of token ids, no activations."),
        (
            "ACTIVATIONS_2D",
            "activations-2d",
            "Activations (batch, seq, d_model): one row a sequence.",
        ),
        (
            "ACTIVATIONS_1D",
            "activations-1d",
            "Activations (batch, d_model): sequences taken apart, BOS and PAD dropped.",
        ),
    ] {
        all.push(Constant {
            module: Some("ActivationFactoryTarget"),
            name,
            docs,
            value: Some(value.into()),
        });
    }
    all
}

/// The number formats, and PyTorch's other names of them.
fn dtypes() -> impl Iterator<Item = Constant> {
    let own = DType::all().map(|dtype| (dtype.name(), dtype, "A dtype: the number format of a tensor."));
    let others = ["float", "double", "half", "long", "int", "short"].into_iter();
    let others = others.filter_map(|name| {
        let dtype = name.parse().ok()?;
        Some((name, dtype, "PyTorch's other name of a number format."))
    });
    own.chain(others)
        .map(|(name, dtype, docs): (_, DType, _)| Constant {
            module: Some("torch"),
            name,
            docs,
            value: Some(Dynamic::from(dtype)),
        })
}

/// Returns the modules that every script sees without importing them.
pub fn modules() -> Vec<(&'static str, Module)> {
    let guarded = |mut module: Module, manifest| {
        guard::protect(&mut module, manifest);
        module
    };
    let mut torch = guarded(
        exported_module!(torch::functions),
        &torch::functions::RHAI_MANIFEST,
    );
    tensor::register_functions(&mut torch);
    let datasets = guarded(
        exported_module!(datasets::functions),
        &datasets::functions::RHAI_MANIFEST,
    );
    let mut modules = vec![
        ("torch", torch),
        (
            "plot",
            guarded(
                exported_module!(plots::functions),
                &plots::functions::RHAI_MANIFEST,
            ),
        ),
        ("datasets", datasets),
        ("optim", optim::module()),
        (
            "SparseAutoEncoder",
            guarded(exported_module!(sae::statics), &sae::statics::RHAI_MANIFEST),
        ),
        (
            "Trainer",
            guarded(
                exported_module!(trainer::statics),
                &trainer::statics::RHAI_MANIFEST,
            ),
        ),
        (
            "Analysis",
            guarded(
                exported_module!(analysis::statics),
                &analysis::statics::RHAI_MANIFEST,
            ),
        ),
        (
            "wandb",
            guarded(
                exported_module!(wandb::functions),
                &wandb::functions::RHAI_MANIFEST,
            ),
        ),
        ("ActivationFactoryTarget", Module::new()),
    ];
    fill_in(&mut modules);
    modules
}

/// Puts the constants into their modules.
fn fill_in(modules: &mut [(&'static str, Module)]) {
    for constant in constants() {
        let module = modules
            .iter_mut()
            .find(|(name, _)| Some(*name) == constant.module);
        if let (Some((_, module)), Some(value)) = (module, constant.value) {
            module.set_var(constant.name, value);
        }
    }
}
