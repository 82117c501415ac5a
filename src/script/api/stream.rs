//! `ActivationStream`: `for batch in stream`, `stream.next()`, `stream.stats()`.

use std::any::TypeId;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use rhai::plugin::*;
use rhai::{Array, Dynamic, FnPtr, Map, Module};

use super::batch;
use crate::activations::{ActivationStream, Batch, BatchMap, BatchStream, StreamMemory};
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::script::closure::KeptClosure;
use crate::script::failure::{Raise, RhaiResultOf, raise};
use crate::script::guard;

/// A stream that scripts hold; copies of the handle take from the same stream.
#[derive(Clone)]
pub struct ActivationStreamHandle(Rc<RefCell<Source>>);

/// Where a script's batches come from.
enum Source {
    /// A factory.
    Factory(Box<ActivationStream>),
    /// An array of batches that the script made.
    Made(std::vec::IntoIter<Batch>),
}

impl ActivationStreamHandle {
    /// Returns a handle on a factory's stream.
    pub fn new(stream: ActivationStream) -> Self {
        ActivationStreamHandle(Rc::new(RefCell::new(Source::Factory(Box::new(stream)))))
    }

    /// Returns a stream of batches that the script made.
    ///
    /// # Errors
    /// Something in the list is no batch.
    pub fn of_batches(batches: &Array) -> Result<Self> {
        let read = |(index, value): (usize, &Dynamic)| {
            batch::from_dynamic(value).map_err(|error| error.under(format!("[{index}]")))
        };
        let batches: Vec<Batch> = batches.iter().enumerate().map(read).collect::<Result<_>>()?;
        Ok(ActivationStreamHandle(Rc::new(RefCell::new(Source::Made(
            batches.into_iter(),
        )))))
    }

    /// Gives the stream to `action`, for as long as that needs it.
    ///
    /// # Errors
    /// A callback of that very call tries to take from it too.
    pub fn with<T>(&self, action: impl FnOnce(&mut dyn BatchStream) -> Result<T>) -> Result<T> {
        let mut source = self.0.try_borrow_mut().map_err(|_| {
            Error::input("the stream is being read by the call that is running")
                .hint("a callback cannot take batches from the stream that it watches")
        })?;
        action(&mut *source)
    }

    fn next_map(&self) -> Result<Option<Map>> {
        self.with(|stream| Ok(stream.next_batch()?.map(batch::to_map)))
    }
}

/// What is taken from it is gone for all who hold it.
impl BatchStream for ActivationStreamHandle {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        self.with(|stream| stream.next_batch())
    }

    fn memory(&self) -> StreamMemory {
        self.with(|stream| Ok(stream.memory())).unwrap_or_default()
    }

    fn fingerprint(&self) -> Result<Fingerprint> {
        self.with(|stream| stream.fingerprint())
    }
}

impl BatchStream for Source {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        match self {
            Source::Factory(stream) => stream.next_batch(),
            Source::Made(batches) => Ok(batches.next()),
        }
    }

    fn batch_size(&self) -> Option<usize> {
        match self {
            Source::Factory(stream) => stream.batch_size(),
            Source::Made(batches) => {
                let first = batches.as_slice().first()?.activations.values().next()?;
                first.size().first().map(|rows| *rows as usize)
            }
        }
    }

    fn memory(&self) -> StreamMemory {
        match self {
            Source::Factory(stream) => stream.memory(),
            Source::Made(_) => StreamMemory::default(),
        }
    }

    fn fingerprint(&self) -> Result<Fingerprint> {
        match self {
            Source::Factory(stream) => stream.fingerprint(),
            Source::Made(_) => {
                let mut fingerprint = Fingerprint::new();
                fingerprint.set_unverified("activation_stream", "an array of batches that a script made");
                Ok(fingerprint)
            }
        }
    }

    fn is_resumable(&self) -> bool {
        match self {
            Source::Factory(stream) => stream.is_resumable(),
            Source::Made(_) => false,
        }
    }

    fn save_state(&mut self, folder: &Path) -> Result<()> {
        match self {
            Source::Factory(stream) => stream.save_state(folder),
            Source::Made(_) => Err(Error::input(
                "a stream made from an array of batches cannot be saved",
            )),
        }
    }

    fn restore_state(&mut self, folder: &Path) -> Result<()> {
        match self {
            Source::Factory(stream) => stream.restore_state(folder),
            Source::Made(_) => Err(Error::input(
                "a stream made from an array of batches cannot be continued",
            )),
        }
    }
}

/// Sends batches through a script's closure.
pub fn batch_map(closure: KeptClosure) -> BatchMap {
    Box::new(move |batch| {
        let given = batch::to_map(batch);
        let made = closure.call((given.clone(),))?;
        if made.is_unit() {
            batch::from_map(&given)
        } else {
            batch::from_dynamic(&made)
        }
        .map_err(|error| error.context("what a `map` closure returned as the batch"))
    })
}

/// Puts the stream object into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<ActivationStreamHandle>(
        "ActivationStream",
        &["/// Batches of activations, each handed out once. A batch is a map with a tensor for each hook point and \
           `tokens`, `mask`, `attention_mask`, and `meta` in 2D."],
    );
    combine_with_exported_module!(module, "stream", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
    module.set_iter_result(TypeId::of::<ActivationStreamHandle>(), |stream| {
        let stream = stream.cast::<ActivationStreamHandle>();
        let mut failed = false;
        Box::new(std::iter::from_fn(move || {
            if failed {
                return None;
            }
            let next = stream.next_map().map_err(raise).transpose()?;
            failed = next.is_err();
            Some(next.map(Dynamic::from))
        }))
    });
}

#[export_module(manifest)]
mod functions {
    /// Returns the next batch, or `()` at the end: a map from hook point to activations, `(batch, d_model)` or
    /// `(batch, seq, d_model)`, with `tokens`, `mask`, `attention_mask` and `meta` where there are such.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn next(stream: &mut ActivationStreamHandle) -> RhaiResultOf<Dynamic> {
        stream
            .next_map()
            .map(|batch| batch.map_or(Dynamic::UNIT, Dynamic::from))
            .raise()
    }

    /// Returns a stream of batches that the script made, each a map as a factory's stream gives.
    #[rhai_fn(name = "ActivationStream", return_raw)]
    pub fn from_batches(batches: Array) -> RhaiResultOf<ActivationStreamHandle> {
        ActivationStreamHandle::of_batches(&batches).raise()
    }

    /// Returns what the stream has done so far, as a map: `batches`, `rows`, `sequences`, `tokens` and the `padding`
    /// that went through the model with them; `bad_records` that were skipped; `tokens_per_second` of making them and
    /// `rows_per_second` of handing them out; where the time went,
    /// as `seconds` since the first batch was asked for, of which `seconds_waiting` for batches and `seconds_mapping`
    /// in closures, and, meanwhile on the stream's own thread, `seconds_reading`, `seconds_in_model`,
    /// `seconds_gathering`; and how full it is now: `buffered_rows`, `queued` of `queue_capacity` groups of records,
    /// `batches_ready` of `batches_ahead`.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn stats(stream: &mut ActivationStreamHandle) -> RhaiResultOf<Map> {
        let Source::Factory(stream) = &*stream.0.borrow() else {
            return Err(raise(Error::input("only a factory's stream keeps statistics")));
        };
        let stats = stream.stats();
        let whole = |number: u64| Dynamic::from(number as i64);
        let count = |number: usize| whole(number as u64);
        Ok([
            ("batches", whole(stats.batches)),
            ("rows", whole(stats.rows)),
            ("sequences", whole(stats.sequences)),
            ("tokens", whole(stats.tokens)),
            ("padding", whole(stats.padding)),
            ("bad_records", whole(stats.bad_records)),
            ("tokens_per_second", stats.tokens_per_second().into()),
            ("rows_per_second", stats.rows_per_second().into()),
            ("seconds", stats.elapsed.as_secs_f64().into()),
            ("seconds_waiting", stats.waiting.as_secs_f64().into()),
            ("seconds_mapping", stats.mapping.as_secs_f64().into()),
            ("seconds_reading", stats.reading.as_secs_f64().into()),
            ("seconds_in_model", stats.model.as_secs_f64().into()),
            ("seconds_gathering", stats.gathering.as_secs_f64().into()),
            ("buffered_rows", count(stats.buffered_rows)),
            ("queued", count(stats.queued)),
            ("queue_capacity", count(stats.queue_capacity)),
            ("batches_ready", count(stats.batches_ready)),
            ("batches_ahead", count(stats.batches_ahead)),
        ]
        .into_iter()
        .map(|(name, value)| (name.into(), value))
        .collect())
    }

    /// Has every batch go through a closure before it is handed out: `stream.map(|batch| …)`. The closure is given the
    /// batch as a map of tensors and returns the batch to hand out, or `()` to hand out what it was given. Several are
    /// applied in the order given. Returns the stream.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn map(
        context: NativeCallContext,
        stream: &mut ActivationStreamHandle,
        closure: FnPtr,
    ) -> RhaiResultOf<ActivationStreamHandle> {
        let Source::Factory(source) = &mut *stream.0.borrow_mut() else {
            return Err(raise(
                Error::input("only a factory's stream takes closures")
                    .hint("change the batches in the array with the array's own `map`"),
            ));
        };
        let closure = KeptClosure::new(&context, closure);
        let text = closure.source_text();
        source.map(batch_map(closure), text);
        Ok(stream.clone())
    }

    /// Returns what it is, in words.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_text(stream: &mut ActivationStreamHandle) -> String {
        match &*stream.0.borrow() {
            Source::Factory(stream) => {
                let rows = stream
                    .batch_size()
                    .map_or(String::new(), |rows| format!("batch_size: {rows}, "));
                format!(
                    "ActivationStream({rows}batches so far: {})",
                    stream.stats().batches
                )
            }
            Source::Made(batches) => format!("ActivationStream(batches left: {})", batches.len()),
        }
    }
}
