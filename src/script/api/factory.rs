//! `ActivationFactory`: from a model and data sets to a stream of activations.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use rhai::plugin::*;
use rhai::{Array, Dynamic, FnPtr, ImmutableString, Map, Module};

use super::dataset::DatasetHandle;
use super::model::LanguageModelHandle;
use super::stream::{ActivationStreamHandle, batch_map};
use crate::activations::{ActivationFactory, ActivationFactoryConfig, ActivationStream, Inputs};
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::script::arguments::Arguments;
use crate::script::class::ConfigHandle;
use crate::script::closure::KeptClosure;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;
use crate::script::state::State;
use crate::text::Dataset;

/// A factory that scripts hold.
#[derive(Clone)]
pub struct ActivationFactoryHandle(Rc<Inner>);

struct Inner {
    factory: ActivationFactory,
    /// What every stream's batches go through.
    maps: RefCell<Vec<KeptClosure>>,
}

/// Puts the factory object into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<ActivationFactoryHandle>(
        "ActivationFactory",
        &["/// Runs a model over data sets, filters, batches and shuffles its activations."],
    );
    combine_with_exported_module!(module, "factory", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

/// `#{ wiki: dataset }`; as in Python, a data set may also be the first of a pair.
fn datasets_of(map: &Map) -> Result<BTreeMap<String, Dataset>> {
    let one = |value: &Dynamic| -> Option<Dataset> {
        if let Some(pair) = value.read_lock::<Array>() {
            return pair
                .first()?
                .read_lock::<DatasetHandle>()
                .map(|handle| handle.dataset().clone());
        }
        value
            .read_lock::<DatasetHandle>()
            .map(|handle| handle.dataset().clone())
    };
    map.iter()
        .map(|(name, value)| match one(value) {
            Some(dataset) => Ok((name.to_string(), dataset)),
            None => {
                Err(Error::input("expected a data set from `datasets::load_dataset`").under(name.as_str()))
            }
        })
        .collect()
}

impl ActivationFactoryHandle {
    /// Starts a stream from `inputs`, whose batches go through the factory's closures.
    ///
    /// # Errors
    /// As [`ActivationFactory::process`].
    pub fn stream(&self, inputs: Inputs, context: &RunContext) -> Result<ActivationStream> {
        let mut stream = self.0.factory.process(inputs, context)?;
        for closure in self.0.maps.borrow().iter() {
            stream.map(batch_map(closure.clone()), closure.source_text());
        }
        Ok(stream)
    }
}

/// Takes what streams are made from: `model`, `model_name`, `datasets`.
///
/// # Errors
/// Something else under one of these names.
pub fn inputs_of(arguments: &mut Arguments) -> Result<Inputs> {
    let model = arguments.optional::<LanguageModelHandle>("model", "a language model")?;
    let model_name = arguments.data::<String>("model_name")?;
    let datasets = arguments.optional::<Map>("datasets", "a map from source names to data sets")?;
    Ok(Inputs {
        model: model.map(|model| model.for_activations()),
        model_name,
        datasets: datasets_of(&datasets.unwrap_or_default()).map_err(|error| error.under("datasets"))?,
        ..Inputs::default()
    })
}

fn process(
    factory: &ActivationFactoryHandle,
    context: &NativeCallContext,
    options: Map,
) -> Result<ActivationStreamHandle> {
    let mut arguments = Arguments::new("ActivationFactory", "process", options);
    let inputs = inputs_of(&mut arguments)?;
    arguments.finish()?;
    let stream = factory.stream(inputs, State::of(context).context())?;
    Ok(ActivationStreamHandle::new(stream))
}

#[export_module(manifest)]
mod functions {
    /// Makes a factory, whose streams run a model over data sets, filter, batch and shuffle its activations, or read
    /// cached ones.
    #[rhai_fn(name = "ActivationFactory", return_raw)]
    pub fn new_factory(
        config: ConfigHandle<ActivationFactoryConfig>,
    ) -> RhaiResultOf<ActivationFactoryHandle> {
        ActivationFactory::new(config.get())
            .map(|factory| {
                ActivationFactoryHandle(Rc::new(Inner {
                    factory,
                    maps: RefCell::default(),
                }))
            })
            .raise()
    }

    /// Has every batch of this factory's streams go through a closure: `factory.map(|batch| …)`. The closure is given
    /// the batch as a map of tensors, `batch["blocks.3.hook_resid_post"]`, `batch.tokens`, …, and returns the batch to
    /// hand out, or `()` to hand out what it was given. Several are applied in the order given, in streams started
    /// afterwards. Returns the factory.
    #[rhai_fn(pure, volatile)]
    pub fn map(
        context: NativeCallContext,
        factory: &mut ActivationFactoryHandle,
        closure: FnPtr,
    ) -> ActivationFactoryHandle {
        let closure = KeptClosure::new(&context, closure);
        factory.0.maps.borrow_mut().push(closure);
        factory.clone()
    }

    /// Starts a stream from `#{ model: model, model_name: "pythia-160m", datasets: #{ wiki: dataset } }`. Nothing is
    /// computed before the first batch is asked for.
    #[rhai_fn(name = "process", return_raw, pure, volatile)]
    pub fn process_named(
        context: NativeCallContext,
        factory: &mut ActivationFactoryHandle,
        options: Map,
    ) -> RhaiResultOf<ActivationStreamHandle> {
        process(factory, &context, options).raise()
    }

    /// Starts a stream of cached activations, which needs neither model nor data sets.
    #[rhai_fn(name = "process", return_raw, pure, volatile)]
    pub fn process_cached(
        context: NativeCallContext,
        factory: &mut ActivationFactoryHandle,
    ) -> RhaiResultOf<ActivationStreamHandle> {
        process(factory, &context, Map::new()).raise()
    }

    /// Starts a stream: the model, its name for `meta`, and a map from source names to data sets.
    #[rhai_fn(name = "process", return_raw, pure, volatile)]
    pub fn process_positional(
        context: NativeCallContext,
        factory: &mut ActivationFactoryHandle,
        model: LanguageModelHandle,
        model_name: ImmutableString,
        datasets: Map,
    ) -> RhaiResultOf<ActivationStreamHandle> {
        let mut options = Map::new();
        options.insert("model".into(), Dynamic::from(model));
        options.insert("model_name".into(), model_name.into());
        options.insert("datasets".into(), datasets.into());
        process(factory, &context, options).raise()
    }

    /// Returns a copy of the configuration that it was made with.
    #[rhai_fn(get = "cfg", pure)]
    pub fn cfg(factory: &mut ActivationFactoryHandle) -> ConfigHandle<ActivationFactoryConfig> {
        ConfigHandle::new(factory.0.factory.config().clone())
    }

    /// Returns what it is, in words.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_text(factory: &mut ActivationFactoryHandle) -> String {
        let config = factory.0.factory.config();
        format!(
            "ActivationFactory(target: {:?}, hook_points: {:?})",
            config.target.name(),
            config.hook_points
        )
    }
}
