//! What goes from texts to batches of activations: the tokens alone, and all of it.

use std::time::Duration;

use saescript::activations::{ActivationStream, ActivationWriter, BatchStream};
use saescript::config::checked;
use saescript::event::RunContext;
use saescript::tensor::{DType, Device, DeviceSpec, Kind, Tensor};
use saescript::{Error, Result};
use serde_json::json;

use crate::HOOK;
use crate::support::{
    Options, PYTHIA_160M, Reading, Shape, Texts, Unit, line, median, processor_time, spent, timed,
};

/// A model that is as good as none: its tokenizer is what counts.
const TINY: Shape = Shape {
    d_model: 8,
    d_mlp: 8,
    heads: 1,
    layers: 1,
    d_vocab: 8,
};

/// Texts read and tokenised, and no more.
pub fn tokens(options: &Options) -> Result<()> {
    let texts = Texts {
        dataset: options.text("texts"),
        tokenizer: options.text("tokenizer"),
    };
    let reading = Reading::of(TINY, DeviceSpec::Cpu, DType::FLOAT32, &texts)?;
    let (mut clocks, mut processors, mut read) = (Vec::new(), Vec::new(), 0);
    for round in 0..options.number("rounds")? + 1 {
        let mut stream = reading.stream(json!({
            "target": "tokens",
            "hook_points": [],
            "batch_size": options.number("model-batch")?,
            "context_size": options.number("context")?,
            "model_batch_size": options.number("model-batch")?,
            "num_workers": options.number("workers")?,
        }))?;
        let before = processor_time();
        let clock = timed(Device::Cpu, || drain(&mut stream, options))?;
        let processor = processor_time().saturating_sub(before);
        read = stream.stats().tokens;
        if round > 0 {
            clocks.push(clock);
            processors.push(processor);
        }
    }
    let rate = |time: Duration| read as f64 / time.as_secs_f64();
    line(&format!(
        "tokens: {:.0} a second by {} workers, {:.0} a second of the processor",
        rate(median(clocks)),
        options.text("workers"),
        rate(median(processors)),
    ));
    Ok(())
}

/// What is timed: each in every round, in turn.
#[derive(Default)]
struct Generated {
    unit: Vec<Duration>,
    bare: Vec<Duration>,
    streamed: Vec<Duration>,
    written: Vec<Duration>,
}

/// Texts through a model, into memory and onto a disk.
pub fn generation(options: &Options) -> Result<()> {
    let place: DeviceSpec = options.parsed("device")?;
    let device = place.resolve()?;
    let (context_size, model_batch) = (options.number("context")?, options.number("model-batch")?);
    let texts = Texts {
        dataset: options.text("texts"),
        tokenizer: options.text("tokenizer"),
    };
    let reading = Reading::of(PYTHIA_160M, place, options.parsed("dtype")?, &texts)?;
    let whole = Tensor::f_randint(2048, [model_batch, context_size], (Kind::Int64, Device::Cpu))?;
    let unit = Unit::new(4096, PYTHIA_160M.d_model, 8 * PYTHIA_160M.d_model, device)?;
    let hook = [HOOK.to_string()];
    let mut times = Generated::default();
    let (mut tokens, mut padding) = (0, 0);
    for round in 0..options.number("rounds")? + 1 {
        let mut stream = text_stream(options, &reading)?;
        let streamed = spent(device, || drain(&mut stream, options))?;
        (tokens, padding) = (stream.stats().tokens, stream.stats().padding);
        drop(stream);
        let passes = (tokens as f64 / (model_batch * context_size) as f64).ceil();
        let bare = spent(device, || {
            (0..passes as usize).try_for_each(|_| reading.model.capture(&whole, &hook).map(drop))
        })?;
        let (written, of) = write(options, &reading, device)?;
        let once = spent(device, || unit.run())?;
        if round > 0 {
            let per_token = |time: Duration, tokens: f64| time.div_f64(tokens);
            times.streamed.push(per_token(streamed, tokens as f64));
            times
                .bare
                .push(per_token(bare, passes * (model_batch * context_size) as f64));
            times.written.push(per_token(written, of as f64));
            times.unit.push(once);
        }
    }
    times.print(options, padding as f64 / (tokens + padding) as f64);
    Ok(())
}

/// Takes batches until so many tokens have gone through the model.
fn drain(stream: &mut ActivationStream, options: &Options) -> Result<()> {
    let wanted = options.number("tokens")? as u64;
    while stream.stats().tokens < wanted && stream.next_batch()?.is_some() {}
    Ok(())
}

/// Writes a cache of so many tokens; returns what that took, and how many tokens went through the model.
fn write(options: &Options, reading: &Reading, device: Device) -> Result<(Duration, u64)> {
    let folder = tempfile::tempdir().map_err(|error| Error::run(error.to_string()))?;
    let writer = ActivationWriter::new(checked(json!({
        "hook_points": [HOOK], "cache_dir": folder.path(), "n_samples_per_chunk": 8192,
        "total_generating_tokens": options.number("tokens")?,
    }))?)?;
    let mut stream = text_stream(options, reading)?;
    let took = spent(device, || {
        writer.process(&mut stream, &RunContext::default()).map(drop)
    })?;
    Ok((took, stream.stats().tokens))
}

impl Generated {
    fn print(self, options: &Options, padding: f64) {
        line(&format!(
            "generation: Pythia-160m's shape to {HOOK}, {} × {} tokens, {} on {}, {} threads, {:.1}% padding",
            options.text("model-batch"),
            options.text("context"),
            options.text("dtype"),
            options.text("device"),
            tch::get_num_threads(),
            100.0 * padding
        ));
        let unit = median(self.unit);
        line(&format!(
            "  one unit: {:.1} ms of the processor",
            unit.as_secs_f64() * 1e3
        ));
        for (name, times) in [
            ("  bare forward pass, no padding", self.bare),
            ("  texts to shuffled batches", self.streamed),
            ("  texts to a cache on disk", self.written),
        ] {
            let each = median(times).mul_f64(4096.0);
            line(&format!(
                "{name:<44}{:>8.2} units, {:>8.1} ms for 4,096 tokens",
                each.as_secs_f64() / unit.as_secs_f64(),
                each.as_secs_f64() * 1e3
            ));
        }
    }
}

fn text_stream(options: &Options, reading: &Reading) -> Result<ActivationStream> {
    let batch = options.number("stream-batch")?;
    reading.stream(json!({
        "target": "activations-1d",
        "hook_points": [HOOK],
        "batch_size": batch,
        "buffer_size": 4 * batch,
        "context_size": options.number("context")?,
        "model_batch_size": options.number("model-batch")?,
        "num_workers": options.number("workers")?,
        "buffer_shuffle": {"perm_seed": 42},
    }))
}
