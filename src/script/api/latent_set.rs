//! `LatentSet`: some latents of an analysis, as a value.

use std::any::TypeId;
use std::collections::HashSet;
use std::rc::Rc;

use rhai::plugin::*;
use rhai::{Array, Dynamic, FnPtr, Module};

use super::analysis_handle::AnalysisHandle;
use super::callbacks::Callbacks;
use super::latent::LatentHandle;
use crate::error::{Error, Result, a};
use crate::script::bridge;
use crate::script::failure::{Raise, RhaiResultOf, raise};
use crate::script::guard;

/// Numbers of latents, each once, in an order.
#[derive(Clone)]
pub struct LatentSet {
    analysis: AnalysisHandle,
    latents: Rc<Vec<u32>>,
}

impl LatentSet {
    /// Returns the set of `latents` in their order.
    pub fn new(analysis: AnalysisHandle, mut latents: Vec<u32>) -> Self {
        let mut seen = HashSet::new();
        latents.retain(|latent| seen.insert(*latent));
        LatentSet {
            analysis,
            latents: Rc::new(latents),
        }
    }

    fn with(&self, latents: Vec<u32>) -> Self {
        Self::new(self.analysis.clone(), latents)
    }

    /// Returns their numbers, in order.
    pub fn numbers(&self) -> &[u32] {
        &self.latents
    }

    fn members(&self) -> HashSet<u32> {
        self.latents.iter().copied().collect()
    }

    /// Returns the latents for which `keep` is true.
    ///
    /// # Errors
    /// What the closure throws; it returns something else.
    pub fn filtered(&self, context: &NativeCallContext, keep: &FnPtr) -> RhaiResultOf<Self> {
        let callbacks = Callbacks::new(context);
        let kept = self.latents.iter().filter_map(|number| {
            let answer = || -> Result<bool> {
                let latent = LatentHandle::read(&self.analysis, *number)?;
                let answer = callbacks.call(keep, (latent,))?;
                answer.as_bool().map_err(|_| {
                    Error::input(format!(
                        "the closure of a filter returns true or false, but returned {}",
                        a(&bridge::kind_of(&answer))
                    ))
                })
            };
            match answer() {
                Ok(true) => Some(Ok(*number)),
                Ok(false) => None,
                Err(error) => Some(Err(error)),
            }
        });
        let kept: Result<Vec<u32>> = kept.collect();
        callbacks.finish(kept.map(|kept| self.with(kept)))
    }
}

/// Puts the object into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<LatentSet>(
        "LatentSet",
        &["/// Some latents of an analysis, each once, in an order; `for latent in set` gives each. `a | b`, `a & b` and \
           `a - b` join, intersect and subtract."],
    );
    combine_with_exported_module!(module, "latent_set", methods);
    guard::protect(module, &methods::RHAI_MANIFEST);
    module.set_iter_result(TypeId::of::<LatentSet>(), |set| {
        let set = set.cast::<LatentSet>();
        let latents = set.latents.as_ref().clone().into_iter();
        Box::new(latents.map(move |number| {
            LatentHandle::read(&set.analysis, number)
                .map(Dynamic::from)
                .map_err(raise)
        }))
    });
}

#[export_module(manifest)]
mod methods {
    /// Returns how many latents there are.
    #[rhai_fn(pure)]
    pub fn len(set: &mut LatentSet) -> i64 {
        set.latents.len() as i64
    }

    /// Returns whether there are none.
    #[rhai_fn(pure)]
    pub fn is_empty(set: &mut LatentSet) -> bool {
        set.latents.is_empty()
    }

    /// Returns their numbers.
    #[rhai_fn(pure)]
    pub fn indices(set: &mut LatentSet) -> Array {
        set.latents
            .iter()
            .map(|number| Dynamic::from(i64::from(*number)))
            .collect()
    }

    /// Returns whether the latent of that number is among them.
    #[rhai_fn(pure)]
    pub fn contains(set: &mut LatentSet, latent: i64) -> bool {
        set.latents.iter().any(|number| i64::from(*number) == latent)
    }

    /// Returns the latent at a place of the order, counted from 0; `-1` is the last.
    #[rhai_fn(index_get, return_raw, pure, volatile)]
    pub fn at(set: &mut LatentSet, index: i64) -> RhaiResultOf<LatentHandle> {
        let count = set.latents.len() as i64;
        let at = if index < 0 { index + count } else { index };
        let number = usize::try_from(at)
            .ok()
            .and_then(|at| set.latents.get(at))
            .copied();
        number
            .ok_or_else(|| Error::input(format!("there is no place {index} in a set of {count} latents")))
            .and_then(|number| LatentHandle::read(&set.analysis, number))
            .raise()
    }

    /// Returns the first `count` of them.
    #[rhai_fn(pure)]
    pub fn take(set: &mut LatentSet, count: i64) -> LatentSet {
        let count = usize::try_from(count).unwrap_or(0);
        set.with(set.latents.iter().copied().take(count).collect())
    }

    /// Returns those for which a closure is true.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn filter(context: NativeCallContext, set: &mut LatentSet, keep: FnPtr) -> RhaiResultOf<LatentSet> {
        set.filtered(&context, &keep)
    }

    /// Returns what a closure makes of each.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn map(context: NativeCallContext, set: &mut LatentSet, make: FnPtr) -> RhaiResultOf<Array> {
        let callbacks = Callbacks::new(&context);
        let made = set.latents.iter().map(|number| {
            let latent = LatentHandle::read(&set.analysis, *number)?;
            callbacks.call(&make, (latent,))
        });
        let made: Result<Array> = made.collect();
        callbacks.finish(made)
    }

    /// Returns them in the order of a closure's numbers, the largest first: `set.sort_by(|latent| latent.density)`.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn sort_by(context: NativeCallContext, set: &mut LatentSet, key: FnPtr) -> RhaiResultOf<LatentSet> {
        let callbacks = Callbacks::new(&context);
        let keyed = set.latents.iter().map(|number| {
            let latent = LatentHandle::read(&set.analysis, *number)?;
            let value = callbacks.call(&key, (latent,))?;
            let value = value
                .as_float()
                .ok()
                .or_else(|| value.as_int().ok().map(|value| value as f64));
            let value = value.ok_or_else(|| Error::input("the closure of `sort_by` returns a number"))?;
            Ok((value, *number))
        });
        let keyed: Result<Vec<(f64, u32)>> = keyed.collect();
        let sorted = keyed.map(|mut keyed| {
            keyed.sort_by(|a, b| b.0.total_cmp(&a.0));
            set.with(keyed.into_iter().map(|(_, number)| number).collect())
        });
        callbacks.finish(sorted)
    }

    /// Returns the latents of both.
    #[rhai_fn(name = "|", pure)]
    pub fn union(set: &mut LatentSet, other: LatentSet) -> LatentSet {
        let all = set.latents.iter().chain(other.latents.iter());
        set.with(all.copied().collect())
    }

    /// Returns the latents that both have.
    #[rhai_fn(name = "&", pure)]
    pub fn intersection(set: &mut LatentSet, other: LatentSet) -> LatentSet {
        let members = other.members();
        set.with(
            set.latents
                .iter()
                .copied()
                .filter(|latent| members.contains(latent))
                .collect(),
        )
    }

    /// Returns the latents that the other has not.
    #[rhai_fn(name = "-", pure)]
    pub fn difference(set: &mut LatentSet, other: LatentSet) -> LatentSet {
        let members = other.members();
        set.with(
            set.latents
                .iter()
                .copied()
                .filter(|latent| !members.contains(latent))
                .collect(),
        )
    }

    /// Returns their numbers, in words.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_text(set: &mut LatentSet) -> String {
        let shown: Vec<String> = set.latents.iter().take(20).map(u32::to_string).collect();
        let more = if set.latents.len() > 20 { ", …" } else { "" };
        format!(
            "LatentSet({} latents: {}{more})",
            set.latents.len(),
            shown.join(", ")
        )
    }
}
