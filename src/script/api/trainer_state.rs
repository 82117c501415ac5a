//! What a training keeps besides the dictionary: the learning rate, the optimiser's moments, dead latents.

use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, Module};

use super::tensor::TensorHandle;
use super::trainer::TrainerHandle;
use crate::error::{Error, Result};
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;
use crate::tensor::{Kind, Tensor};
use crate::train::DeadTracker;

/// Puts the methods into `module`.
pub fn register(module: &mut Module) {
    combine_with_exported_module!(module, "trainer_state", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

fn not_begun() -> Error {
    Error::input("the training has not begun: its first step makes what it keeps")
        .hint("call `step` or `fit` first, or go on from a checkpoint")
}

/// What `work` makes of the counts of the latents' silence.
fn of_dead<T>(trainer: &TrainerHandle, work: impl FnOnce(&DeadTracker) -> Result<T>) -> Result<T> {
    let run = trainer.get_mut()?;
    work(run.trainer.dead().ok_or_else(not_begun)?)
}

fn optimizer_state(trainer: &TrainerHandle) -> Result<Map> {
    let run = trainer.get_mut()?;
    let states = run.trainer.optimizer_states().ok_or_else(not_begun)?;
    let one = |kind: &str, tensor: &Tensor| -> Result<(rhai::Identifier, Dynamic)> {
        Ok((
            kind.into(),
            Dynamic::from(TensorHandle::new(tensor.f_alias_copy()?)),
        ))
    };
    let mut all = Map::new();
    for state in states {
        let kept = state.kinds.iter().zip(&state.tensors);
        let mut map = kept
            .map(|(kind, tensor)| one(kind, tensor))
            .collect::<Result<Map>>()?;
        map.insert("step".into(), (state.moves()? as i64).into());
        all.insert(state.name.into(), map.into());
    }
    Ok(all)
}

#[export_module(manifest)]
mod functions {
    /// Returns the learning rate of the next step, or `()` before the first batch has told how many steps there are.
    #[rhai_fn(get = "lr", return_raw, pure, volatile)]
    pub fn lr(trainer: &mut TrainerHandle) -> RhaiResultOf<Dynamic> {
        let lr = trainer.get_mut().raise()?.trainer.lr();
        Ok(lr.map_or(Dynamic::UNIT, Dynamic::from))
    }

    /// Returns what the optimiser remembers of each parameter: a map from its name to a map of copies of its moments, for
    /// Adam `exp_avg` and `exp_avg_sq` in the parameter's shape, and `step`, how often it was moved.
    #[rhai_fn(name = "optimizer_state", return_raw, pure, volatile)]
    pub fn state_of_optimizer(trainer: &mut TrainerHandle) -> RhaiResultOf<Map> {
        optimizer_state(trainer).raise()
    }

    /// Returns which latents are dead now, bool `(d_sae)`: those that have not fired for `dead_threshold` tokens. It is what
    /// `compute_loss` takes as `is_dead`.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn is_dead(trainer: &mut TrainerHandle) -> RhaiResultOf<TensorHandle> {
        of_dead(trainer, DeadTracker::is_dead)
            .map(TensorHandle::new)
            .raise()
    }

    /// Returns the numbers of the latents that are dead now, an array of ints.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn dead_latents(trainer: &mut TrainerHandle) -> RhaiResultOf<Array> {
        let numbers = of_dead(trainer, |dead| {
            Ok(dead.is_dead()?.f_nonzero()?.f_flatten(0, -1)?)
        })
        .raise()?;
        let numbers = Vec::<i64>::try_from(numbers).raise()?;
        Ok(numbers.into_iter().map(Dynamic::from).collect())
    }

    /// Returns the number of tokens since each latent last fired, int64 `(d_sae)`.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn tokens_since_fired(trainer: &mut TrainerHandle) -> RhaiResultOf<TensorHandle> {
        let copy = |dead: &DeadTracker| Ok(dead.tokens_since().f_to_kind(Kind::Int64)?.f_alias_copy()?);
        of_dead(trainer, copy).map(TensorHandle::new).raise()
    }
}
