//! Everything that scripts see: one file an object, combined into one package.

#![allow(clippy::unwrap_used)] // in what #[export_module] makes of each function, after the engine checked the types

mod analysis;
mod analysis_handle;
mod analyzer;
mod batch;
mod batches;
mod cached;
mod callbacks;
mod collections;
mod constants;
mod convert;
mod dataset;
mod datasets;
mod errors;
mod factory;
mod files;
mod fit;
mod fit_calls;
mod generation;
mod hooks;
mod initializer;
mod interventions;
mod latent;
mod latent_set;
mod loggers;
mod loss;
mod loss_map;
mod model;
mod model_weights;
mod optim;
mod output;
mod own_pieces;
mod plots;
mod prompts;
mod ranges;
mod runner;
mod sae;
mod sae_handle;
mod sae_pass;
mod sae_weights;
mod stream;
mod tensor;
mod texts;
mod times;
mod tokenizer;
mod tokens;
mod torch;
mod trainer;
mod trainer_state;
mod wandb;
mod watchers;
mod writer;

use rhai::def_package;
use rhai::plugin::*;

pub use constants::{Constant, constants};
pub use model::LanguageModelHandle;
pub use output::ExitCode;
pub use tensor::{Pending, TensorHandle, check_call, documented};

use super::class::{CLASSES, Constructor};
use super::numbers;
use crate::script::guard;

def_package! {
    /// All of saescript's objects, functions and modules.
    pub SaescriptPackage(module) {
        module.set_custom_type::<i64>("int").set_custom_type::<f64>("float");
        for class in CLASSES {
            class.register_into(module, CLASSES);
        }
        for constructor in Constructor::all() {
            constructor.register_into(module, CLASSES);
        }
        numbers::register(module);
        collections::register(module);
        tensor::register(module);
        dataset::register(module);
        model::register(module);
        model_weights::register(module);
        factory::register(module);
        stream::register(module);
        sae::register(module);
        sae_weights::register(module);
        loss::register(module);
        optim::register(module);
        convert::register(module);
        initializer::register(module);
        trainer::register(module);
        trainer_state::register(module);
        fit_calls::register(module);
        hooks::register(module);
        generation::register(module);
        interventions::register(module);
        tokens::register(module);
        tokenizer::register(module);
        writer::register(module);
        runner::register(module);
        analyzer::register(module);
        analysis::register(module);
        latent::register(module);
        latent_set::register(module);
        wandb::register(module);
        loggers::register(module);
        errors::register(module);
        files::register(module);
        plots::register(module);
        texts::register(module);
        ranges::register(module);
        times::register(module);
        combine_with_exported_module!(module, "output", output::functions);
        guard::protect(module, &output::functions::RHAI_MANIFEST);
    } |> |engine| {
        for (name, sub) in constants::modules() {
            engine.register_static_module(name, sub.into());
        }
    }
}
