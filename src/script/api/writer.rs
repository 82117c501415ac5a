//! `ActivationWriter`: activation streams onto the disk.

use std::rc::Rc;

use rhai::plugin::*;
use rhai::{Map, Module};

use super::stream::ActivationStreamHandle;
use crate::activations::{ActivationWriter, ActivationWriterConfig, Written};
use crate::script::arguments::Arguments;
use crate::script::class::ConfigHandle;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;
use crate::script::state::State;

/// A writer that scripts hold.
#[derive(Clone)]
pub struct ActivationWriterHandle(Rc<ActivationWriter>);

/// Puts the writer object into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<ActivationWriterHandle>(
        "ActivationWriter",
        &["/// Writes activation streams to disk, from where factories read them again."],
    );
    combine_with_exported_module!(module, "writer", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

/// Returns what a generation came to, as scripts see it.
pub fn written_map(written: Written) -> Map {
    [
        ("chunks", written.chunks),
        ("tokens", written.tokens),
        ("bytes", written.bytes),
        ("kept", written.kept),
    ]
    .into_iter()
    .map(|(name, number)| (name.into(), (number as i64).into()))
    .collect()
}

#[export_module(manifest)]
mod functions {
    /// Makes a writer, which writes activation streams to disk, from where factories read them again.
    #[rhai_fn(name = "ActivationWriter", return_raw)]
    pub fn new_writer(config: ConfigHandle<ActivationWriterConfig>) -> RhaiResultOf<ActivationWriterHandle> {
        ActivationWriter::new(config.get())
            .map(|writer| ActivationWriterHandle(Rc::new(writer)))
            .raise()
    }

    /// Writes the stream until it ends or there are enough tokens; goes on where an earlier call was interrupted.
    /// Returns `#{ chunks, tokens, bytes, kept }`.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn process(
        context: NativeCallContext,
        writer: &mut ActivationWriterHandle,
        activations: ActivationStreamHandle,
    ) -> RhaiResultOf<Map> {
        let state = State::of(&context);
        activations
            .with(|stream| writer.0.process(stream, state.context()))
            .map(written_map)
            .raise()
    }

    /// Writes the stream with `#{ allow_change: ["model.dtype"] }`: settings that may differ from those that the folder
    /// was begun with.
    #[rhai_fn(name = "process", return_raw, pure, volatile)]
    pub fn process_with(
        context: NativeCallContext,
        writer: &mut ActivationWriterHandle,
        activations: ActivationStreamHandle,
        options: Map,
    ) -> RhaiResultOf<Map> {
        let mut arguments = Arguments::new("ActivationWriter", "process", options);
        let allowed = arguments.allowances().raise()?;
        arguments.finish().raise()?;
        let state = State::of(&context);
        let writer = ActivationWriter::clone(&writer.0).allowing(allowed);
        activations
            .with(|stream| writer.process(stream, state.context()))
            .map(written_map)
            .raise()
    }

    /// Returns a copy of the settings.
    #[rhai_fn(get = "cfg", pure)]
    pub fn cfg(writer: &mut ActivationWriterHandle) -> ConfigHandle<ActivationWriterConfig> {
        ConfigHandle::new(writer.0.config().clone())
    }

    /// Returns where it writes, in words.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_text(writer: &mut ActivationWriterHandle) -> String {
        format!("ActivationWriter(cache_dir: {:?})", writer.0.config().cache_dir)
    }
}
