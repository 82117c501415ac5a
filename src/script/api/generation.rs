//! Continuing texts and tokens: `generate`.

use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, Module};

use super::hooks::changed;
use super::model::LanguageModelHandle;
use super::prompts::{Reading, one_or_all, texts_of};
use super::tensor::TensorHandle;
use crate::error::Result;
use crate::model::{GenerationConfig, Prompts};
use crate::script::arguments::Arguments;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;
use crate::script::state::State;
use crate::tensor::Tensor;

/// Puts the methods into `module`.
pub fn register(module: &mut Module) {
    combine_with_exported_module!(module, "model_generation", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

/// What `generate` returns.
#[derive(Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Made {
    /// Texts for texts, tokens for tokens.
    Input,
    /// Texts.
    Str,
    /// Token ids.
    Tokens,
}

/// A call of `generate`, read from its options.
struct Generation {
    reading: Reading,
    hooks: Map,
    changes: Array,
    made: Made,
    config: GenerationConfig,
}

impl Generation {
    fn new(model: &LanguageModelHandle, options: Map) -> Result<Self> {
        let mut arguments = Arguments::new("LanguageModel", "generate", options);
        let hooks: Option<Map> = arguments.optional("hooks", "a map of closures")?;
        let changes: Option<Array> = arguments.optional("changes", "a list of changes of latents")?;
        Ok(Generation {
            reading: Reading::take(model, &mut arguments)?,
            hooks: hooks.unwrap_or_default(),
            changes: changes.unwrap_or_default(),
            made: arguments.data("return_type")?.unwrap_or(Made::Input),
            config: arguments.into_config()?,
        })
    }

    /// `prompts` with the tokens that the model writes after them.
    fn tokens(
        &self,
        context: &NativeCallContext,
        model: &LanguageModelHandle,
        prompts: &Prompts,
    ) -> RhaiResultOf<Tensor> {
        let state = State::of(context);
        changed(context, &self.hooks, &self.changes, |edits| {
            model
                .model()
                .generate(prompts, &self.config, edits, state.context())
        })
    }

    /// The ids of one text with what the model writes after it.
    fn ids(
        &self,
        context: &NativeCallContext,
        model: &LanguageModelHandle,
        text: &Dynamic,
    ) -> RhaiResultOf<Vec<i64>> {
        let prompts = self.reading.prompts(model, text).raise()?;
        let made = self.tokens(context, model, &prompts)?;
        made.f_flatten(0, -1).and_then(Vec::<i64>::try_from).raise()
    }

    /// Continues `input`. Several texts are continued each by itself, so that the lengths of the others change nothing.
    fn run(
        &self,
        context: &NativeCallContext,
        model: &LanguageModelHandle,
        input: &Dynamic,
    ) -> RhaiResultOf<Dynamic> {
        let several = input
            .read_lock::<Array>()
            .is_some_and(|array| array.first().is_some_and(Dynamic::is_string));
        if !several && !input.is_string() {
            let prompts = self.reading.prompts(model, input).raise()?;
            let tokens = self.tokens(context, model, &prompts)?;
            return match self.made {
                Made::Str => texts_of(model, &Vec::<Vec<i64>>::try_from(&tokens).raise()?)
                    .map(one_or_all)
                    .raise(),
                Made::Input | Made::Tokens => Ok(Dynamic::from(TensorHandle::new(tokens))),
            };
        }
        let texts = match input.read_lock::<Array>() {
            Some(array) => array.clone(),
            None => vec![input.clone()],
        };
        let rows = texts
            .iter()
            .map(|text| self.ids(context, model, text))
            .collect::<Result<Vec<_>, _>>()?;
        if let Made::Tokens = self.made {
            let padded = self.reading.padded(model, &rows).raise()?;
            return Ok(Dynamic::from(TensorHandle::new(padded.tokens)));
        }
        let bos = model.model().tokenizer().bos_token_id();
        let shown: Vec<Vec<i64>> = rows
            .iter()
            .map(|ids| ids.strip_prefix(bos.as_slice()).unwrap_or(ids).to_vec())
            .collect();
        let mut made = texts_of(model, &shown).raise()?;
        Ok(if several { made.into() } else { made.remove(0) })
    }
}

#[export_module(manifest)]
mod functions {
    /// Continues a text, an array of texts, or token ids `[batch, seq]` with the settings of `GenerationConfig`'s defaults.
    #[rhai_fn(name = "generate", return_raw, pure, volatile)]
    pub fn generate_plainly(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        input: Dynamic,
    ) -> RhaiResultOf<Dynamic> {
        generate(context, model, input, Map::new())
    }

    /// Continues a text, and returns it with what the model writes after it:
    /// `model.generate("Once", #{ max_new_tokens: 20, temperature: 0.7, top_k: 50, seed: 1 })`. Several texts in an array
    /// are continued each by itself, so that the lengths of the others change nothing; for token ids `[batch, seq]` it
    /// returns prompt and new tokens.
    ///
    /// Options are those of `GenerationConfig`, `return_type` ("input", as given; "str" or "tokens"), `prepend_bos`,
    /// `padding_side`, and `hooks` and `changes` as in `run_with_hooks`.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn generate(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        input: Dynamic,
        options: Map,
    ) -> RhaiResultOf<Dynamic> {
        let generation = Generation::new(model, options).raise()?;
        generation.run(&context, model, &input)
    }
}
