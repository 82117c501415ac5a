//! How fast dictionaries are analysed, next to what cannot be avoided, and what that takes.
//!
//!     scripts/bench analysis [--latents 6144,65536] [--k 50] [--tokens 16_384] [--context 256] [--batch 8] [--rounds 3]
//!         [--threads 1]
//!
//! Texts of examples/corpus go through a random model in the shape of Pythia-160m up to block 6, and a random top-k
//! dictionary of so many latents. *Bare* is a forward pass over as many tokens without padding, and the product with the
//! encoder, in float32. Each pass of an analysis is shown as a multiple of that; "written" is what comes after the passes.
//! Rounds alternate; medians of the processor's time, all
//! threads together, are shown. Peak memory is the process's own, above what model and dictionary take.

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use saescript::activations::BatchStream;
use saescript::analysis::{AnalysisInputs, FeatureAnalyzer, FeatureAnalyzerConfig};
use saescript::config::from_value;
use saescript::dictionary::{SAEConfig, SparseAutoEncoder};
use saescript::event::{Control, Event, Observer, RunContext};
use saescript::findings::Store;
use saescript::fingerprint::{Allowances, Fingerprint};
use saescript::memory;
use saescript::tensor::{Device, DeviceSpec, Kind, Tensor, product, runtime};
use saescript::{Error, Result};
use serde_json::json;

use support::{Options, PYTHIA_160M, Reading, line, median, processor_time};

const HOOK: &str = "blocks.5.hook_resid_post";

fn main() -> Result<()> {
    let options = Options::read(&[
        ("latents", "6144,65536"),
        ("k", "50"),
        ("tokens", "16_384"),
        ("context", "256"),
        ("batch", "8"),
        ("rounds", "3"),
        ("threads", "1"),
    ])?;
    runtime::start();
    runtime::set_threads(options.number("threads")?)?;
    let reading = Reading::new(PYTHIA_160M, DeviceSpec::default())?;
    line(&format!(
        "Pythia-160m's shape to {HOOK}, {} × {} tokens, {} threads",
        options.text("batch"),
        options.text("context"),
        tch::get_num_threads()
    ));
    for latents in options.text("latents").split(',') {
        let latents = latents.trim().parse();
        let latents = latents.map_err(|_| Error::input("--latents needs whole numbers, e.g. 6144,65536"))?;
        measure(&options, &reading, latents)?;
    }
    Ok(())
}

/// Notes how long tasks take, and the most memory that is held.
#[derive(Default)]
struct Clock(Arc<Mutex<Noted>>);

#[derive(Default)]
struct Noted {
    passes: Vec<Duration>,
    started: Option<Duration>,
    peak: u64,
}

impl Observer for Clock {
    fn on(&mut self, event: &Event) -> Result<Control> {
        let mut noted = self.0.lock().map_err(|_| Error::run("a lock"))?;
        noted.peak = noted.peak.max(memory::used());
        match event {
            Event::TaskStarted { .. } => noted.started = Some(processor_time()),
            Event::TaskFinished => {
                let spent = noted.started.take().map(|start| processor_time() - start);
                noted.passes.extend(spent);
            }
            _ => {}
        }
        Ok(Control::Continue)
    }
}

fn measure(options: &Options, reading: &Reading, latents: i64) -> Result<()> {
    let (wanted, batch, context) = (
        options.number("tokens")?,
        options.number("batch")?,
        options.number("context")?,
    );
    let d_model = PYTHIA_160M.d_model;
    let cfg: SAEConfig = from_value(json!({
        "hook_point_in": HOOK, "hook_point_out": HOOK, "d_model": d_model, "d_sae": latents, "act_fn": "topk",
        "top_k": options.number("k")?, "norm_activation": "token-wise",
    }))?;
    let sae = SparseAutoEncoder::new(cfg)?;
    let whole = Tensor::f_randint(2048, [batch, context], (Kind::Int64, Device::Cpu))?;
    let hook = [HOOK.to_string()];
    let batches = (wanted + batch * context - 1) / (batch * context);
    let folder = tempfile::tempdir().map_err(|error| Error::run(error.to_string()))?;
    let (mut bare, mut first, mut second, mut written) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut peak, mut size) = (0, 0);
    for round in 0..options.number("rounds")? + 1 {
        let start = processor_time();
        for _ in 0..batches {
            let captured = reading.model.capture(&whole, &hook)?;
            let x = captured.values().next().ok_or_else(|| Error::run("nothing"))?;
            let _ = product::matmul(&x.f_flatten(0, 1)?, sae.parameter("W_E")?)?;
        }
        let base = processor_time() - start;
        let before = memory::used();
        let path = folder.path().join(format!("{round}.sqlite"));
        let (noted, whole_time) = analysed(options, reading, &sae, &path)?;
        size = std::fs::metadata(&path).map_or(0, |about| about.len());
        if round > 0 {
            bare.push(base);
            first.push(noted.passes[0]);
            second.push(noted.passes[1]);
            written.push(whole_time.saturating_sub(noted.passes.iter().sum()));
            peak = peak.max(noted.peak.saturating_sub(before));
        }
    }
    let tokens = (batches * batch * context) as f64;
    let base = median(bare);
    line(&format!("\n{latents} latents, k = {}", options.text("k")));
    let shown = |name: &str, time: Duration| {
        line(&format!(
            "  {name:<36}{:>10.0} tokens/s  {:.2}",
            tokens / time.as_secs_f64(),
            time.as_secs_f64() / base.as_secs_f64()
        ));
    };
    shown("bare forward and encoder product", base);
    shown("pass 1: counts", median(first));
    shown("pass 2: samples", median(second));
    line(&format!(
        "  {:<36}{:>10.1} s",
        "written",
        median(written).as_secs_f64()
    ));
    line(&format!("  {:<36}{:>10.0} MB", "peak memory", peak as f64 / 1e6));
    line(&format!("  {:<36}{:>10.0} MB", "store", size as f64 / 1e6));
    Ok(())
}

/// One analysis; what was noted of it, and how long it took.
fn analysed(
    options: &Options,
    reading: &Reading,
    sae: &SparseAutoEncoder,
    path: &std::path::Path,
) -> Result<(Noted, Duration)> {
    let factory = json!({
        "target": "activations-2d", "hook_points": [HOOK], "batch_size": options.number("batch")?,
        "model_batch_size": options.number("batch")?, "context_size": options.number("context")?, "packed": true,
    });
    let config: FeatureAnalyzerConfig =
        from_value(json!({"total_analyzing_tokens": options.number("tokens")?}))?;
    let clock = Clock::default();
    let noted = Arc::clone(&clock.0);
    let context = RunContext::default();
    context.events.add(Box::new(clock));
    let mut open = || Ok(Box::new(reading.stream(factory.clone())?) as Box<dyn BatchStream>);
    let store = Store::create(path, &BTreeMap::new())?;
    let start = processor_time();
    FeatureAnalyzer::new(config)?.analyze(
        &store,
        "default",
        AnalysisInputs {
            sae,
            open: &mut open,
            can_replay: true,
            amp: None,
            decided_by: Fingerprint::default(),
            runs_a_model: true,
            allow_change: Allowances::default(),
            replace: false,
            at_last: &mut || Ok(()),
        },
        &context,
    )?;
    let spent = processor_time() - start;
    let noted = std::mem::take(&mut *noted.lock().map_err(|_| Error::run("a lock"))?);
    Ok((noted, spent))
}
