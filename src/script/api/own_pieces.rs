//! Pieces of a training's arithmetic that a script writes itself: its activation function, penalty or loss.

use rhai::{Array, Dynamic, FnPtr, Map, NativeCallContext};

use super::loss_map::loss_map;
use super::tensor::TensorHandle;
use crate::dictionary::{Custom, CustomActivation, LossTerms};
use crate::error::{Error, Result, a, counted};
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

/// The pieces' names, and how each is written.
const ACTIVATION: (&str, &str) = ("activation", "a closure `|h| …`");
const PENALTY: (&str, &str) = ("penalty", "a closure `|f, norms| …`");
const LOSS: (&str, &str) = ("loss", "a closure `|out| …`");

impl OwnPieces {
    /// Takes `activation`, `penalty` and `loss` out of the arguments of a call that trains one dictionary. The first is
    /// also given back as the closure that it is.
    ///
    /// # Errors
    /// One of them is no closure.
    pub fn take(
        context: &NativeCallContext,
        arguments: &mut Arguments,
    ) -> Result<(Self, Option<KeptClosure>)> {
        let mut closure = |(name, form): (&'static str, &str)| -> Result<Option<KeptClosure>> {
            let given: Option<FnPtr> = arguments.optional(name, form)?;
            Ok(given.map(|closure| KeptClosure::new(context, closure)))
        };
        let (activation, penalty, loss) = (closure(ACTIVATION)?, closure(PENALTY)?, closure(LOSS)?);
        Ok((Self::of(activation.clone(), penalty, loss), activation))
    }

    /// Takes them out of the arguments of a call that trains `count` dictionaries, as [`take`](Self::take) does: each
    /// is a list with one for each dictionary, `()` for none, or one closure for all.
    ///
    /// # Errors
    /// One of them is no closure; a list of another length.
    pub fn take_for_each(
        context: &NativeCallContext,
        arguments: &mut Arguments,
        count: usize,
    ) -> Result<Vec<(Self, Option<KeptClosure>)>> {
        let mut closures = |(name, form): (&'static str, &str)| match arguments.take(name) {
            None => Ok(vec![None; count]),
            Some(given) => for_each(context, &given, form, count).map_err(|error| error.under(name)),
        };
        let (activations, penalties, losses) = (closures(ACTIVATION)?, closures(PENALTY)?, closures(LOSS)?);
        let all = activations.into_iter().zip(penalties).zip(losses);
        Ok(all
            .map(|((activation, penalty), loss)| (Self::of(activation.clone(), penalty, loss), activation))
            .collect())
    }

    fn of(activation: Option<KeptClosure>, penalty: Option<KeptClosure>, loss: Option<KeptClosure>) -> Self {
        OwnPieces {
            activation: activation.map(activation_of),
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
        }
    }

    /// Returns the activation function alone, if the dictionary has one.
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

    /// Returns them as the arithmetic takes them.
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

/// Returns the closures that `given` stands for, one for each of `count` dictionaries.
fn for_each(
    context: &NativeCallContext,
    given: &Dynamic,
    form: &str,
    count: usize,
) -> Result<Vec<Option<KeptClosure>>> {
    let closure = |value: &Dynamic| {
        let closure = value.clone().try_cast::<FnPtr>()?;
        Some(KeptClosure::new(context, closure))
    };
    if let Some(one) = closure(given) {
        return Ok(vec![Some(one); count]);
    }
    let wrong = |value: &Dynamic, expected: &str| {
        Error::input(format!(
            "expected {expected}, but was given {}",
            a(&kind_of(value))
        ))
    };
    let Some(list) = given.read_lock::<Array>() else {
        return Err(wrong(
            given,
            &format!("{form} for all dictionaries, or a list with one for each"),
        ));
    };
    if list.len() != count {
        return Err(Error::input(format!(
            "the list has {} for {}",
            counted(list.len(), "entry"),
            counted(count, "dictionary")
        ))
        .hint("give one for each in the order of `sae`, and `()` where there is none"));
    }
    let one = |(index, value): (usize, &Dynamic)| match closure(value) {
        None if !value.is_unit() => {
            Err(wrong(value, &format!("{form}, or () for none")).under(format!("[{index}]")))
        }
        found => Ok(found),
    };
    list.iter().enumerate().map(one).collect()
}

fn activation_of(closure: KeptClosure) -> ActivationFn {
    Box::new(move |pre: &Tensor| tensor("activation", closure.call((handle(pre),))?))
}

fn handle(tensor: &Tensor) -> TensorHandle {
    TensorHandle::new(tensor.shallow_clone())
}

/// Returns what a closure gave, which has to be a tensor.
fn tensor(name: &str, value: Dynamic) -> Result<Tensor> {
    let kind = kind_of(&value);
    let tensor = value
        .try_cast::<TensorHandle>()
        .ok_or_else(|| Error::input(format!("`{name}` has to give a tensor, but gave {}", a(&kind))))?;
    Ok(tensor.tensor().shallow_clone())
}
