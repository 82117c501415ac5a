//! Where `fit` gets its batches from: a factory's stream, a list, or a closure.

use rhai::{Array, Dynamic, FnPtr};

use super::batch;
use super::callbacks::Callbacks;
use super::stream::ActivationStreamHandle;
use crate::activations::{Batch, BatchStream};
use crate::error::{Error, Result, a};
use crate::script::bridge::kind_of;

/// What a script gave as `activation_stream`.
#[derive(Clone)]
pub enum Batches {
    /// A stream of a factory or of batches that the script made.
    Stream(ActivationStreamHandle),
    /// A closure that returns the next batch, or `()` when there are no more.
    Closure(FnPtr),
}

impl Batches {
    /// Reads what the script gave.
    ///
    /// # Errors
    /// It gives no batches.
    pub fn from_dynamic(value: Dynamic) -> Result<Self> {
        if let Some(stream) = value.clone().try_cast::<ActivationStreamHandle>() {
            return Ok(Batches::Stream(stream));
        }
        if let Some(closure) = value.clone().try_cast::<FnPtr>() {
            return Ok(Batches::Closure(closure));
        }
        let given = kind_of(&value);
        match value.try_cast::<Array>() {
            Some(batches) => ActivationStreamHandle::of_batches(&batches).map(Batches::Stream),
            None => Err(Error::input(format!(
                "expected an ActivationStream, an array of batches or a closure, but was given {}",
                a(&given)
            ))),
        }
    }

    /// Hands the stream to `action`; a closure is called through `callbacks`.
    ///
    /// # Errors
    /// Those of `action`, and a stream that is being read already.
    pub fn with<T>(
        &self,
        callbacks: &Callbacks<'_>,
        action: impl FnOnce(&mut dyn BatchStream) -> Result<T>,
    ) -> Result<T> {
        match self {
            Batches::Stream(stream) => stream.with(action),
            Batches::Closure(closure) => action(&mut Called { closure, callbacks }),
        }
    }
}

/// The batches that a closure returns.
struct Called<'a> {
    closure: &'a FnPtr,
    callbacks: &'a Callbacks<'a>,
}

impl BatchStream for Called<'_> {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        let returned = self.callbacks.call(self.closure, ())?;
        if returned.is_unit() {
            Ok(None)
        } else {
            batch::from_dynamic(&returned)
                .map(Some)
                .map_err(|error| error.context("what the closure returned as the next batch"))
        }
    }
}
