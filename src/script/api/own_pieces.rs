//! Pieces of a training's arithmetic that a script writes itself: its activation function, penalty or loss.

use rhai::{Dynamic, FnPtr, Map, NativeCallContext};

use super::loss_map::loss_map;
use super::tensor::TensorHandle;
use crate::dictionary::{Custom, CustomActivation, LossTerms};
use crate::error::{Error, Result, a};
use crate::script::arguments::Arguments;
use crate::script::bridge::kind_of;
use crate::script::closure::KeptClosure;
use crate::tensor::Tensor;

/// From pre-activations to activations, both `(…, d_sae)`.
pub type ActivationFn = Box<dyn Fn(&Tensor) -> Result<Tensor>>;
type PenaltyFn = Box<dyn Fn(&Tensor, &Tensor) -> Result<Tensor>>;
type LossFn = Box<dyn Fn(&LossTerms) -> Result<Tensor>>;

/// The pieces that one `fit` was given.
#[derive(Default)]
pub struct OwnPieces {
    activation: Option<ActivationFn>,
    penalty: Option<PenaltyFn>,
    loss: Option<LossFn>,
}

impl OwnPieces {
    /// Takes `activation`, `penalty` and `loss` out of the arguments of a call. The first is also given back as the
    /// closure that it is.
    ///
    /// # Errors
    /// One of them is no closure.
    pub fn take(
        context: &NativeCallContext,
        arguments: &mut Arguments,
    ) -> Result<(Self, Option<KeptClosure>)> {
        let mut closure = |name: &'static str, form: &str| -> Result<Option<KeptClosure>> {
            let given: Option<FnPtr> = arguments.optional(name, form)?;
            Ok(given.map(|closure| KeptClosure::new(context, closure)))
        };
        let activation = closure("activation", "a closure `|h| …`")?;
        let penalty = closure("penalty", "a closure `|f, norms| …`")?;
        let loss = closure("loss", "a closure `|out| …`")?;
        let pieces = OwnPieces {
            activation: activation.clone().map(activation_of),
            penalty: penalty.map(|closure| {
                let call = move |acts: &Tensor, norms: &Tensor| {
                    tensor("penalty", closure.call((handle(acts), handle(norms)))?)
                };
                Box::new(call) as PenaltyFn
            }),
            loss: loss.map(|closure| {
                let call = move |terms: &LossTerms| {
                    let out: Map = loss_map(terms);
                    tensor("loss", closure.call((out,))?)
                };
                Box::new(call) as LossFn
            }),
        };
        Ok((pieces, activation))
    }

    /// The activation function alone, if the dictionary has one.
    pub fn of_activation(activation: Option<KeptClosure>) -> Self {
        OwnPieces {
            activation: activation.map(activation_of),
            ..OwnPieces::default()
        }
    }

    /// Uses `activation` where no other was given.
    pub fn or_activation(mut self, activation: Option<KeptClosure>) -> Self {
        self.activation = self.activation.or_else(|| activation.map(activation_of));
        self
    }

    /// As the arithmetic takes them.
    pub fn custom(&self) -> Custom<'_> {
        Custom {
            activation: self
                .activation
                .as_deref()
                .map(|function| CustomActivation(function)),
            penalty: self.penalty.as_deref().map(|function| function as _),
            loss: self.loss.as_deref().map(|function| function as _),
        }
    }
}

fn activation_of(closure: KeptClosure) -> ActivationFn {
    Box::new(move |pre: &Tensor| tensor("activation", closure.call((handle(pre),))?))
}

fn handle(tensor: &Tensor) -> TensorHandle {
    TensorHandle::new(tensor.shallow_clone())
}

/// What a closure gave, which has to be a tensor.
fn tensor(name: &str, value: Dynamic) -> Result<Tensor> {
    let kind = kind_of(&value);
    let tensor = value
        .try_cast::<TensorHandle>()
        .ok_or_else(|| Error::input(format!("`{name}` has to give a tensor, but gave {}", a(&kind))))?;
    Ok(tensor.tensor().shallow_clone())
}
