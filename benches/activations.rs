//! How fast activations are generated and read from a cache, next to what cannot be avoided.
//!
//!     scripts/bench activations [--part all|tokens|generation|reading|training] [--device cpu|cuda] [--rounds 5]
//!         [--threads 1] [--dtype float32|float16|bfloat16] [--texts DATASET] [--tokenizer DIR]
//!         [--tokens 40_000] [--context 256] [--model-batch 16] [--stream-batch 4096] [--workers 4]
//!         [--rows 400_000] [--width 512] [--buffer 65_536] [--batch 4096] [--folder DIR]
//!
//! `tokens`: the same texts read and tokenised, and no more: what feeds the model, by the clock and by the processor's time.
//!
//! `generation`: texts (of examples/corpus, if not said) through a random model in the shape of Pythia-160m up to the
//! middle, with reading, tokenising, filtering, padding and shuffling, into memory and onto a disk, against bare forward
//! passes over as many tokens without padding. The unit is that of `scripts/bench train`: libtorch's own product in float32 of
//! 4,096 rows with an encoder of 768 → 6,144. Compared is the processor's time, all threads together; on a GPU the clock.
//!
//! `reading`: a cache of `--rows` float32 rows, made first, read with all rows and chunks shuffled, against reading the
//! same files from front to end, by one thread, into as much memory as the batches take that are under way; all from the
//! page cache, as long as it holds them. What goes through one small buffer instead never leaves the processor's own
//! cache, and is shown as the upper end. The peak of the process's own memory (mapped files apart) depends on `--buffer`
//! and `--batch`, not on the cache. Run the whole, once it is built, in a control group with less memory than the
//! cache to see that it needs no more:
//!
//!     systemd-run --scope -p MemoryMax=400M scripts/bench activations --part reading --rounds 1 \
//!         --rows 2_000_000 --batch 1024 --buffer 16_384 --folder DIR
//!
//! `training`: the part of the time that a top-k dictionary of 8 × width latents waits for batches of that cache.
//!
//! Rounds of what is compared alternate; medians are shown.

mod generating;
mod support;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use saescript::activations::{
    ActivationFactory, ActivationFactoryConfig, ActivationStream, ActivationWriter, BatchStream, Inputs,
};
use saescript::config::{checked, from_value};
use saescript::dictionary::{SAEConfig, SparseAutoEncoder};
use saescript::event::RunContext;
use saescript::tensor::{Device, runtime};
use saescript::train::{Trainer, TrainerConfig};
use saescript::{Error, Result};
use serde_json::json;

use generating::{generation, tokens};
use support::{Options, RandomRows, line, median, timed};

const HOOK: &str = "blocks.6.hook_resid_post";
/// Batches of a cache that are under way, and the one that is used.
const BATCHES: usize = 9;

fn main() -> Result<()> {
    let options = Options::read(&[
        ("part", "all"),
        ("device", "cpu"),
        ("rounds", "5"),
        ("threads", "1"),
        ("dtype", "float32"),
        ("texts", ""),
        ("tokenizer", ""),
        ("tokens", "40_000"),
        ("context", "256"),
        ("model-batch", "16"),
        ("stream-batch", "4096"),
        ("workers", "4"),
        ("rows", "400_000"),
        ("width", "512"),
        ("buffer", "65_536"),
        ("batch", "4096"),
        ("folder", ""),
    ])?;
    runtime::start();
    runtime::set_threads(options.number("threads")?)?;
    let part = options.text("part").to_string();
    let wanted = |name: &str| part == "all" || part == name;
    const PARTS: [&str; 5] = ["all", "tokens", "generation", "reading", "training"];
    if !PARTS.contains(&part.as_str()) {
        return Err(Error::unknown("part", &part, &PARTS));
    }
    if wanted("tokens") {
        tokens(&options)?;
    }
    if wanted("generation") {
        generation(&options)?;
    }
    if wanted("reading") || wanted("training") {
        let temporary = tempfile::tempdir().map_err(|error| Error::run(error.to_string()))?;
        let folder = match options.text("folder") {
            "" => temporary.path().to_path_buf(),
            folder => PathBuf::from(folder),
        };
        let cache = Cache::write(&options, &folder)?;
        if wanted("reading") {
            cache.reading(&options)?;
        }
        if wanted("training") {
            cache.training(&options)?;
        }
    }
    Ok(())
}

// ---- cached ----

/// A cache on disk.
struct Cache {
    folder: PathBuf,
    width: i64,
    bytes: u64,
}

impl Cache {
    fn write(options: &Options, folder: &Path) -> Result<Self> {
        let width = options.number("width")?;
        let writer = ActivationWriter::new(checked(json!({
            "hook_points": [HOOK], "cache_dir": folder, "n_samples_per_chunk": 8192,
        }))?)?;
        let mut rows = RandomRows {
            hook: HOOK.into(),
            left: options.number("rows")?,
            width,
            batch: 8192,
        };
        let written = writer.process(&mut rows, &RunContext::default())?;
        let bytes = chunks(folder)?.iter().map(|(_, bytes)| bytes).sum();
        line(&format!(
            "cache: {} chunks, {:.2} GB, rows of {width} float32",
            written.chunks,
            bytes as f64 / 1e9
        ));
        Ok(Cache {
            folder: folder.to_path_buf(),
            width,
            bytes,
        })
    }

    fn stream(&self, options: &Options) -> Result<ActivationStream> {
        let config: ActivationFactoryConfig = from_value(json!({
            "sources": [{"type": "activations", "name": "cache", "path": self.folder, "chunk_shuffle_seed": 1,
                         "passes": null, "device": options.text("device")}],
            "target": "activations-1d",
            "hook_points": [HOOK],
            "batch_size": options.number("batch")?,
            "buffer_size": options.number("buffer")?,
            "buffer_shuffle": {"perm_seed": 42},
        }))?;
        ActivationFactory::new(config)?.process(Inputs::default(), &RunContext::default())
    }

    fn reading(&self, options: &Options) -> Result<()> {
        let (mut piped, mut plain, mut shuffled) = (Vec::new(), Vec::new(), Vec::new());
        let mut peak = 0;
        let batches = options.number("rows")? / options.number("batch")?;
        let mut one = vec![vec![0; 256 << 10]];
        let mut many = vec![vec![0; (self.width * options.number("batch")?) as usize * 4]; BATCHES];
        // Each chunk is compared with its checksum when it is first read: that is the pass that warms up.
        let mut stream = self.stream(options)?;
        for round in 0..options.number("rounds")? + 1 {
            let through_one = timed(Device::Cpu, || self.read_plainly(&mut one))?;
            let front_to_end = timed(Device::Cpu, || self.read_plainly(&mut many))?;
            let rows_shuffled = timed(Device::Cpu, || {
                for batch in 0..batches {
                    stream.next_batch()?;
                    if batch % 16 == 0 {
                        peak = peak.max(own_memory());
                    }
                }
                Ok(())
            })?;
            if round > 0 {
                piped.push(through_one);
                plain.push(front_to_end);
                shuffled.push(rows_shuffled);
            }
        }
        let rate = |time: Duration| self.bytes as f64 / time.as_secs_f64() / 1e9;
        let (piped, plain, shuffled) = (rate(median(piped)), rate(median(plain)), rate(median(shuffled)));
        line(&format!(
            "{:<44}{piped:>12.2} GB/s",
            "  the files, through a small buffer"
        ));
        line(&format!(
            "{:<44}{plain:>12.2} GB/s",
            "  the files, into buffers like the batches"
        ));
        line(&format!(
            "{:<44}{shuffled:>12.2} GB/s  {:.0}% of the latter",
            format!("  all rows shuffled, buffer of {}", options.text("buffer")),
            100.0 * shuffled / plain
        ));
        line(&format!(
            "{:<44}{:>12.0} MB, besides mapped files",
            "  the process's memory at most",
            peak as f64 / 1e6
        ));
        Ok(())
    }

    /// All files from front to end, piece by piece into the `buffers` in turn.
    fn read_plainly(&self, buffers: &mut [Vec<u8>]) -> Result<()> {
        let mut turn = 0;
        for (path, _) in chunks(&self.folder)? {
            let failed = |error| Error::io("read", &path, error);
            let mut file = File::open(&path).map_err(failed)?;
            loop {
                let buffer = &mut buffers[turn];
                if file.read(buffer).map_err(failed)? == 0 {
                    break;
                }
                turn = (turn + 1) % buffers.len();
            }
        }
        Ok(())
    }

    fn training(&self, options: &Options) -> Result<()> {
        let batch = options.number("batch")?;
        let sae: SAEConfig = from_value(json!({
            "hook_point_in": HOOK, "hook_point_out": HOOK, "d_model": self.width, "expansion_factor": 8,
            "act_fn": "topk", "top_k": 32, "device": options.text("device"), "norm_activation": "token-wise",
        }))?;
        let mut sae = SparseAutoEncoder::new(sae)?;
        let config: TrainerConfig = from_value(json!({
            "amp_dtype": "float32", "lr_warm_up_steps": 0.1, "total_training_tokens": 1000 * batch,
        }))?;
        let mut trainer = Trainer::new(config)?;
        let mut stream = self.stream(options)?;
        let mut begin = None;
        let mut waited = Duration::ZERO;
        // Two steps to warm up; the first batch fills the buffer.
        for step in 0..12 {
            let before = Instant::now();
            let Some(rows) = stream.next_batch()? else {
                break;
            };
            if step >= 2 {
                begin.get_or_insert(before);
                waited += before.elapsed();
            }
            trainer.step(&mut sae, &rows)?;
        }
        let elapsed = begin.map_or(Duration::ZERO, |begin| begin.elapsed());
        line(&format!(
            "training on it: top-k, {} latents, batches of {batch}: {:.0} ms a step, of which {:.1}% waiting",
            8 * self.width,
            elapsed.as_secs_f64() * 100.0,
            100.0 * waited.as_secs_f64() / elapsed.as_secs_f64()
        ));
        Ok(())
    }
}

/// The chunk files of the cache and their sizes.
fn chunks(folder: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let folder = folder.join(HOOK);
    let failed = |error| Error::io("read", &folder, error);
    let mut chunks = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "safetensors")
        {
            let bytes = path.metadata().map_err(failed)?.len();
            chunks.push((path, bytes));
        }
    }
    chunks.sort();
    Ok(chunks)
}

/// Bytes of memory that are the process's own, without mapped files; 0 where the system does not tell.
fn own_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
