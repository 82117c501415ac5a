//! `Initializer`: weights with which training begins well.

use std::cell::RefCell;
use std::rc::Rc;

use rhai::plugin::*;
use rhai::{Array, Dynamic, FnPtr, Map, Module};

use super::model::LanguageModelHandle;
use super::own_pieces::OwnPieces;
use super::sae::SparseAutoEncoderHandle;
use super::stream::ActivationStreamHandle;
use crate::activations::BatchStream;
use crate::config::Checked;
use crate::dictionary::SAEConfig;
use crate::error::Result;
use crate::script::arguments::Arguments;
use crate::script::class::ConfigHandle;
use crate::script::closure::KeptClosure;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;
use crate::script::state::State;
use crate::tensor::Tensor;
use crate::train::{Initializer, InitializerConfig, InitializerInputs, MlpFn};

/// An initialiser that scripts hold.
#[derive(Clone)]
pub struct InitializerHandle(Rc<Held>);

struct Held {
    initializer: Initializer,
    /// What the last grid search tried: norms and losses.
    tried: RefCell<Vec<(f64, f64)>>,
}

/// Puts the initialiser object into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<InitializerHandle>(
        "Initializer",
        &["/// Chooses the weights of fresh dictionaries."],
    );
    combine_with_exported_module!(module, "initializer", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

/// What an initialisation may look at.
#[derive(Default)]
struct Given {
    stream: Option<ActivationStreamHandle>,
    model: Option<LanguageModelHandle>,
    activation: Option<KeptClosure>,
}

fn initialize(
    initializer: &InitializerHandle,
    context: &NativeCallContext,
    config: &SAEConfig,
    given: Given,
) -> Result<SparseAutoEncoderHandle> {
    let state = State::of(context);
    let layer = initializer.0.initializer.cfg.model_layer;
    let mlp = given
        .model
        .zip(layer)
        .map(|(model, layer)| move |x: &Tensor| model.model().apply_mlp(layer as usize, x));
    let pieces = OwnPieces::of_activation(given.activation.clone());
    let with = |stream: Option<&mut dyn BatchStream>| {
        let inputs = InitializerInputs {
            // Shortens the trait object's lifetime to that of the model's.
            stream: match stream {
                Some(stream) => Some(&mut *stream),
                None => None,
            },
            activation_norm: None,
            mlp: mlp.as_ref().map(|mlp| mlp as MlpFn<'_>),
            activation: pieces.custom().activation,
            tried: Some(&initializer.0.tried),
        };
        initializer
            .0
            .initializer
            .initialize_sae_from_config(config, inputs, state.context())
    };
    let sae = match given.stream {
        None => with(None),
        Some(stream) => stream.with(|stream| with(Some(stream))),
    };
    let sae = SparseAutoEncoderHandle::new(sae?);
    if let Some(closure) = given.activation {
        sae.keep_activation(closure);
    }
    Ok(sae)
}

fn initialize_named(
    initializer: &InitializerHandle,
    context: &NativeCallContext,
    config: Option<Checked<SAEConfig>>,
    options: Map,
) -> Result<SparseAutoEncoderHandle> {
    let mut arguments = Arguments::new("Initializer", "initialize_sae_from_config", options);
    let config = match config {
        Some(config) => config,
        None => arguments
            .required::<ConfigHandle<SAEConfig>>("cfg", "an SAEConfig")?
            .get(),
    };
    let activation: Option<FnPtr> = arguments.optional("activation", "a closure `|h| …`")?;
    let given = Given {
        stream: arguments.optional("activation_stream", "an ActivationStream")?,
        model: arguments.optional("model", "a language model")?,
        activation: activation.map(|closure| KeptClosure::new(context, closure)),
    };
    arguments.finish()?;
    initialize(initializer, context, &config, given)
}

#[export_module(manifest)]
mod functions {
    /// Makes an initialiser, which chooses the weights of fresh dictionaries as the settings say.
    #[rhai_fn(name = "Initializer", return_raw)]
    pub fn new_initializer(config: ConfigHandle<InitializerConfig>) -> RhaiResultOf<InitializerHandle> {
        Initializer::new(config.get())
            .map(|initializer| {
                InitializerHandle(Rc::new(Held {
                    initializer,
                    tried: RefCell::default(),
                }))
            })
            .raise()
    }

    /// Returns a dictionary with chosen weights. Looks at activations of the stream where the settings need them:
    /// 8 batches for the average norm, and one for the rest. These are not seen again by the training. A configuration
    /// that names trained weights keeps those and gets only what they lack, the average norms.
    #[rhai_fn(name = "initialize_sae_from_config", return_raw, pure, volatile)]
    pub fn initialize_with_stream(
        context: NativeCallContext,
        initializer: &mut InitializerHandle,
        config: ConfigHandle<SAEConfig>,
        activation_stream: ActivationStreamHandle,
    ) -> RhaiResultOf<SparseAutoEncoderHandle> {
        let given = Given {
            stream: Some(activation_stream),
            ..Given::default()
        };
        initialize(initializer, &context, &config.get(), given).raise()
    }

    /// Makes a dictionary with `#{ activation_stream: stream }`, `model` for `initialize_tc_with_mlp`, and for a
    /// dictionary with `act_fn` "custom" its `activation: |h| …`, from pre-activations to activations, both
    /// `(…, d_sae)`: the search for the decoder norm uses it, and the dictionary keeps it. The search compares
    /// reconstructions alone, so that it takes no penalty and no loss.
    #[rhai_fn(name = "initialize_sae_from_config", return_raw, pure, volatile)]
    pub fn initialize_with_options(
        context: NativeCallContext,
        initializer: &mut InitializerHandle,
        config: ConfigHandle<SAEConfig>,
        options: Map,
    ) -> RhaiResultOf<SparseAutoEncoderHandle> {
        initialize_named(initializer, &context, Some(config.get()), options).raise()
    }

    /// Makes a dictionary with `#{ cfg: sae_cfg, activation_stream: stream }` and the other names.
    #[rhai_fn(name = "initialize_sae_from_config", return_raw, pure, volatile)]
    pub fn initialize_all_named(
        context: NativeCallContext,
        initializer: &mut InitializerHandle,
        options: Map,
    ) -> RhaiResultOf<SparseAutoEncoderHandle> {
        initialize_named(initializer, &context, None, options).raise()
    }

    /// Makes a dictionary without looking at activations; what needs them is refused: dataset-wise normalisation, the
    /// search for the decoder norm, biases and subspaces that are measured.
    #[rhai_fn(name = "initialize_sae_from_config", return_raw, pure, volatile)]
    pub fn initialize_alone(
        context: NativeCallContext,
        initializer: &mut InitializerHandle,
        config: ConfigHandle<SAEConfig>,
    ) -> RhaiResultOf<SparseAutoEncoderHandle> {
        initialize(initializer, &context, &config.get(), Given::default()).raise()
    }

    /// Returns what the last grid search for the decoder norm tried (`grid_search_init_norm`), in order: an array of
    /// `#{ norm, loss }`, the reconstruction losses. Empty where none was made.
    #[rhai_fn(pure)]
    pub fn grid_search_losses(initializer: &mut InitializerHandle) -> Array {
        let tried = initializer.0.tried.borrow();
        let map = |(norm, loss): &(f64, f64)| {
            Dynamic::from(Map::from_iter([
                ("norm".into(), (*norm).into()),
                ("loss".into(), (*loss).into()),
            ]))
        };
        tried.iter().map(map).collect()
    }

    /// Returns a copy of the settings.
    #[rhai_fn(get = "cfg", pure)]
    pub fn cfg(initializer: &mut InitializerHandle) -> ConfigHandle<InitializerConfig> {
        ConfigHandle::new(initializer.0.initializer.cfg.clone())
    }

    /// Returns what it is, in words.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_text(initializer: &mut InitializerHandle) -> String {
        format!(
            "Initializer(grid_search_init_norm: {})",
            initializer.0.initializer.cfg.grid_search_init_norm
        )
    }
}
