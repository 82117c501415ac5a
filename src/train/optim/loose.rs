//! An optimiser over any tensors, with the methods of the trainings.

use super::OptimizerClass;
use super::method::{Rates, Setting, State};
use crate::dictionary::Role;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, no_grad_guard};

/// What moves go by. What a method has no use for has to stay as it is by default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LooseSettings {
    /// The learning rate.
    pub lr: f64,
    /// Of the running means of the gradient and of its square.
    pub betas: (f64, f64),
    /// Of the running mean of the gradient, of methods that have only one.
    pub momentum: f64,
    /// By which part of the learning rate every parameter shrinks in a move.
    pub weight_decay: f64,
}

impl Default for LooseSettings {
    /// PyTorch's, but without weight decay.
    fn default() -> Self {
        LooseSettings {
            lr: 1e-3,
            betas: (0.9, 0.999),
            momentum: 0.0,
            weight_decay: 0.0,
        }
    }
}

/// An optimiser over tensors that keep gradients.
#[derive(Debug)]
pub struct LooseOptimizer {
    class: OptimizerClass,
    /// What the next move goes by.
    pub settings: LooseSettings,
    moved: Vec<(Tensor, Role)>,
    states: Vec<State>,
}

impl LooseOptimizer {
    /// Returns an optimiser that moves `parameters`, of which it keeps handles.
    ///
    /// # Errors
    /// There are none, or one keeps no gradient; a setting out of its range or of no use to the method; too little memory.
    pub fn new(class: OptimizerClass, settings: LooseSettings, parameters: &[Tensor]) -> Result<Self> {
        if parameters.is_empty() {
            return Err(Error::input("there are no parameters to move"));
        }
        check(class, &settings)?;
        let method = class.method();
        let (mut moved, mut states) = (Vec::new(), Vec::new());
        for (index, parameter) in parameters.iter().enumerate() {
            if !parameter.requires_grad() {
                return Err(Error::input("no gradient is kept for this tensor")
                    .hint("make it with `#{ requires_grad: true }`, or call `requires_grad_()` on it")
                    .under(format!("[{index}]")));
            }
            // Only matrices have a nearest orthogonal one.
            let role = match class {
                OptimizerClass::Muon if parameter.dim() < 2 => Role::Bias,
                _ => Role::Weight,
            };
            let kinds = method.keeps(role);
            let zeros = |_: &&str| -> Result<Tensor> { Ok(parameter.f_detach()?.f_zeros_like()?) };
            states.push(State {
                name: "",
                kinds,
                tensors: kinds.iter().map(zeros).collect::<Result<_>>()?,
                steps: 0,
                counted: None,
            });
            moved.push((parameter.shallow_clone(), role));
        }
        Ok(LooseOptimizer {
            class,
            settings,
            moved,
            states,
        })
    }

    /// Returns the tensors that it moves.
    pub fn parameters(&self) -> impl Iterator<Item = &Tensor> {
        self.moved.iter().map(|(tensor, _)| tensor)
    }

    /// Moves every tensor that has a gradient by it.
    ///
    /// # Errors
    /// A learning rate that is no number; too little memory.
    pub fn step(&mut self) -> Result<()> {
        let _no_grad = no_grad_guard();
        check(self.class, &self.settings)?;
        let LooseSettings {
            lr,
            betas: (beta1, beta2),
            momentum,
            weight_decay,
        } = self.settings;
        for ((parameter, role), state) in self.moved.iter().zip(&mut self.states) {
            let gradient = parameter.grad();
            if !gradient.defined() {
                continue;
            }
            let rates = Rates {
                role: *role,
                lr,
                beta1,
                beta2,
                momentum,
                weight_decay,
            };
            self.class.method().go(parameter, &gradient, state, rates, None)?;
        }
        Ok(())
    }

    /// Forgets the gradients of all tensors.
    pub fn zero_grad(&self) {
        for parameter in self.parameters() {
            parameter.shallow_clone().zero_grad();
        }
    }
}

/// Ranges, and settings that the method has no use for.
fn check(class: OptimizerClass, settings: &LooseSettings) -> Result<()> {
    let plain = LooseSettings::default();
    let wrong = |name: &str, allowed: &str, given: f64| {
        Error::input(format!("expected {allowed}, but was given {given}")).under(name)
    };
    let (beta1, beta2) = settings.betas;
    for (name, value, most) in [
        ("lr", settings.lr, f64::MAX),
        ("weight_decay", settings.weight_decay, f64::MAX),
    ] {
        if !(0.0..=most).contains(&value) {
            return Err(wrong(name, "a number of 0 or more", value));
        }
    }
    for (name, value) in [
        ("betas", beta1),
        ("betas", beta2),
        ("momentum", settings.momentum),
    ] {
        if !(0.0..1.0).contains(&value) {
            return Err(wrong(name, "a number of 0 or more and below 1", value));
        }
    }
    let given = [
        ("betas", Setting::Betas, settings.betas != plain.betas),
        ("momentum", Setting::Momentum, settings.momentum != plain.momentum),
        (
            "weight_decay",
            Setting::WeightDecay,
            settings.weight_decay != plain.weight_decay,
        ),
    ];
    match given
        .into_iter()
        .find(|(_, setting, given)| *given && !class.uses(*setting))
    {
        Some((name, ..)) => Err(Error::input("this optimiser does not use it").under(name)),
        None => Ok(()),
    }
}
