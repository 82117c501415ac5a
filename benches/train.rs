//! How fast a training step is, next to the encoder's product alone.
//!
//!     scripts/bench train [--case NAME] [--device cpu|cuda] [--engine auto|autograd|native] [--rounds 9] [--threads 1]
//!         [--l0 N] [--json] [--sweep] [--compare PEER]
//!
//! Measured is `Trainer::step`, all of it: losses, gradients, optimiser, metrics. The unit is libtorch's own product in
//! float32 of a batch with the encoder, `(batch, d_model) · (d_model, d_sae)` into memory that is there already. Steps and
//! units alternate; compared are medians, and the least, of the processor's time, all threads together, so that other work
//! on the machine matters little. On a GPU the clock is compared, and the unit is done there; 32 steps are measured as one.
//!
//! Batches have structure (`benches/training/data.rs`), dictionaries are as at the beginning of a training: tied, with
//! decoder rows of norm 0.5, or of 1 in `jumprelu-unit`. The peak of the memory is that of steps, without the batches that are not in use; its bound is
//! four times the parameters (themselves, gradient, two moments), the encoder in 16 bits, three batches and 256 MiB.
//! `live` and `cached` include their batches, by a model of Pythia-160m's shape and from a cache. `walkthrough` is the training
//! of examples/train_pythia160m.rhai: a model in float16, whose texts are as long as they are, a dictionary in float32.
//!
//! `--sweep` takes the top-k case over batch sizes, numbers of latents and k instead. `--json` prints a line of JSON for each
//! case. `SAESCRIPT_KERNELS=avx2` has our own kernels work as on a processor without AVX-512.
//!
//! `--l0` has other numbers of latents on: at the beginning of the cases that say how many are, or as what a number selects.
//!
//! `--compare` has the trainer of another library make its steps in turn, on the same batches, in a process of its own, where
//! it can train the same and is installed (`scripts/peers NAME`): sae-lens, eai-sparsify, dictionary-learning or
//! llamascopium.

mod support;
mod training;

use saescript::tensor::runtime;
use saescript::{Error, Result};

use support::Options;
use training::cases::{self, Case};
use training::measure::{Plan, measure};

fn main() -> Result<()> {
    let options = Options::with_flags(
        &[
            ("case", "all"),
            ("device", "cpu"),
            ("engine", "auto"),
            ("rounds", "9"),
            ("threads", "1"),
            ("l0", ""),
            ("compare", ""),
        ],
        &["json", "sweep"],
    )?;
    runtime::start();
    runtime::set_threads(options.number("threads")?)?;
    let plan = Plan {
        engine: options.text("engine"),
        place: options.parsed("device")?,
        rounds: options.number("rounds")?,
        compare: options.text("compare"),
    };
    for mut case in chosen(&options)? {
        if !options.text("l0").is_empty() {
            let l0 = options.number("l0")?;
            match &mut case.l0 {
                Some(at_first) => *at_first = l0,
                None => case.k = l0,
            }
        }
        let measured = measure(case, &plan)?;
        if options.is_set("json") {
            measured.print_json(plan.compare);
        } else {
            measured.print(plan.compare);
        }
    }
    Ok(())
}

fn chosen(options: &Options) -> Result<Vec<Case>> {
    if options.is_set("sweep") {
        return Ok(cases::sweep());
    }
    let all = cases::all();
    let name = options.text("case");
    if name == "all" {
        return Ok(all);
    }
    let names: Vec<String> = all.iter().map(|case| case.name.clone()).collect();
    match all.into_iter().find(|case| case.name == name) {
        Some(case) => Ok(vec![case]),
        None => Err(Error::unknown("case", name, &names)),
    }
}
