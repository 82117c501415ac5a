//! `optim::`: the optimisers of the trainings, over any tensors of a script.

use std::cell::RefCell;
use std::rc::Rc;

use rhai::plugin::*;
use rhai::{Array, Dynamic, FuncRegistration, Map, Module};

use super::tensor::TensorHandle;
use crate::error::{Context, Error, Result, a};
use crate::script::arguments::Arguments;
use crate::script::bridge::kind_of;
use crate::script::failure::{Raise, RhaiResultOf, placed};
use crate::script::guard::{self, SetGuarded};
use crate::tensor::Tensor;
use crate::train::{LooseOptimizer, LooseSettings, OptimizerClass};

/// An optimiser that scripts hold. Copies mean the same one.
#[derive(Clone)]
pub struct OptimizerHandle {
    name: &'static str,
    optimizer: Rc<RefCell<LooseOptimizer>>,
}

/// Name, what it does, and how it moves.
const KINDS: &[(&str, &str, OptimizerClass)] = &[
    ("Adam", "Adam, by `betas`.", OptimizerClass::Adam),
    (
        "AdamW",
        "Adam whose `weight_decay` shrinks every parameter apart from its gradient.",
        OptimizerClass::AdamW,
    ),
    (
        "SparseAdam",
        "Adam that moves only what has a gradient.",
        OptimizerClass::SparseAdam,
    ),
    ("SGD", "Gradient descent with `momentum`.", OptimizerClass::Sgd),
    (
        "Signum",
        "The sign of a running mean of the gradient, by `momentum`.",
        OptimizerClass::Signum,
    ),
    (
        "Muon",
        "Matrices along the nearest orthogonal matrix to their gradient's running mean, by `momentum`; everything else \
         by AdamW.",
        OptimizerClass::Muon,
    ),
];

/// Puts the object into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<OptimizerHandle>(
        "Optimizer",
        &["/// Moves tensors by their gradients: `optim::Adam([w, b], #{ lr: 1e-3 })`, then `loss.backward()`, `step()` and \
           `zero_grad()`."],
    );
    combine_with_exported_module!(module, "optimizer", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

/// Returns the module `optim`, with a function for each optimiser.
pub fn module() -> Module {
    let mut module = Module::new();
    module.set_doc("Optimisers over any tensors that keep gradients.");
    for &(name, what, class) in KINDS {
        let new = || FuncRegistration::new(name);
        let docs = format!("/// Returns an optimiser over an array of tensors. {what}");
        new()
            .with_params_info(["parameters: Array", "Optimizer"])
            .with_comments([&docs])
            .set_guarded(
                &mut module,
                move |context: NativeCallContext<'_>, parameters: Array| {
                    placed(&context, || make(name, class, &parameters, Map::new()).raise())
                },
            );
        let named = "/// The named arguments are `lr` (0.001), `betas`, `momentum` and `weight_decay`, of which each uses its own.";
        new()
            .with_params_info(["parameters: Array", "options: Map", "Optimizer"])
            .with_comments([&docs, named])
            .set_guarded(
                &mut module,
                move |context: NativeCallContext<'_>, parameters: Array, options: Map| {
                    placed(&context, || make(name, class, &parameters, options).raise())
                },
            );
    }
    module
}

fn make(
    name: &'static str,
    class: OptimizerClass,
    parameters: &Array,
    options: Map,
) -> Result<OptimizerHandle> {
    let settings = settings(name, class, options)?;
    let tensor = |(index, value): (usize, &Dynamic)| match value.read_lock::<TensorHandle>() {
        Some(handle) => Ok(handle.tensor().shallow_clone()),
        None => {
            let given = a(&kind_of(value));
            Err(Error::input(format!("expected a Tensor, but was given {given}")).under(format!("[{index}]")))
        }
    };
    let parameters: Vec<Tensor> = parameters
        .iter()
        .enumerate()
        .map(tensor)
        .collect::<Result<_>>()
        .under("parameters")?;
    let optimizer = LooseOptimizer::new(class, settings, &parameters)?;
    Ok(OptimizerHandle {
        name,
        optimizer: Rc::new(RefCell::new(optimizer)),
    })
}

fn settings(name: &'static str, class: OptimizerClass, options: Map) -> Result<LooseSettings> {
    let mut arguments = Arguments::new("optim", name, options);
    let plain = LooseSettings::default();
    let momentum = match class {
        OptimizerClass::Signum => 0.9,
        OptimizerClass::Muon => 0.95,
        _ => plain.momentum,
    };
    let settings = LooseSettings {
        lr: arguments.data("lr")?.unwrap_or(plain.lr),
        betas: arguments.data("betas")?.unwrap_or(plain.betas),
        momentum: arguments.data("momentum")?.unwrap_or(momentum),
        weight_decay: arguments.data("weight_decay")?.unwrap_or(plain.weight_decay),
    };
    arguments.finish()?;
    Ok(settings)
}

#[export_module(manifest)]
mod functions {
    /// Moves every tensor that has a gradient by it.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn step(optimizer: &mut OptimizerHandle) -> RhaiResultOf<()> {
        optimizer.optimizer.borrow_mut().step().raise()
    }

    /// Forgets the gradients of all its tensors.
    #[rhai_fn(pure, volatile)]
    pub fn zero_grad(optimizer: &mut OptimizerHandle) {
        optimizer.optimizer.borrow().zero_grad();
    }

    /// Returns the learning rate of the next move.
    #[rhai_fn(get = "lr", pure)]
    pub fn lr(optimizer: &mut OptimizerHandle) -> f64 {
        optimizer.optimizer.borrow().settings.lr
    }

    /// Sets the learning rate of the next move: `opt.lr = 1e-3 * schedules::cosine(step, steps, 100)`.
    #[rhai_fn(set = "lr", return_raw, volatile)]
    pub fn set_lr(optimizer: &mut OptimizerHandle, lr: f64) -> RhaiResultOf<()> {
        if !(lr >= 0.0 && lr.is_finite()) {
            let error = Error::input(format!("a learning rate is 0 or more, but {lr} was given"));
            return Err(error).raise();
        }
        optimizer.optimizer.borrow_mut().settings.lr = lr;
        Ok(())
    }

    /// Returns the tensors that it moves.
    #[rhai_fn(get = "parameters", pure)]
    pub fn parameters(optimizer: &mut OptimizerHandle) -> Array {
        let optimizer = optimizer.optimizer.borrow();
        let handles = optimizer
            .parameters()
            .map(|tensor| TensorHandle::new(tensor.shallow_clone()));
        handles.map(Dynamic::from).collect()
    }

    /// Returns one line: its name, how many tensors it moves, and the learning rate.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn optimizer_text(optimizer: &mut OptimizerHandle) -> String {
        let inside = optimizer.optimizer.borrow();
        format!(
            "{} of {} tensors, lr {}",
            optimizer.name,
            inside.parameters().count(),
            inside.settings.lr
        )
    }
}
