//! How fast matrix products are: in float32 by libtorch and by the library that is chosen here (`SAESCRIPT_PRODUCT` names
//! another), and in half precision by the processor's own instructions and through float32.
//!
//!     scripts/bench products [--batch 4096] [--d-model 768] [--d-sae 6144] [--rounds 5]
//!
//! Measured is an encoder's product, `(batch, d_model) · (d_model, d_sae)` of float32, as training with `amp_dtype` does
//! it: both sides rounded to the dtype, multiplied, and returned to float32. "own" is libtorch's product in the dtype,
//! "ours" the one that a dictionary uses here, and beside them stands the plain product in float32. Where "own" has no
//! instructions it takes minutes: it is then measured on 1/32 of the batch, and the time multiplied.
//! `ONEDNN_MAX_CPU_ISA=AVX2` makes a newer processor work as one without AVX-512.

#![allow(clippy::print_stdout)] // the measurements

mod support;

use std::time::Duration;

use saescript::Result;
use saescript::tensor::{Device, Kind, Tensor, product, runtime};

use support::{Options, median, timed};

/// Part of the batch on which slow products are measured.
const PART: i64 = 32;

fn main() -> Result<()> {
    let options = Options::read(&[
        ("batch", "4096"),
        ("d-model", "768"),
        ("d-sae", "6144"),
        ("rounds", "5"),
    ])?;
    runtime::start();
    let (batch, d_model) = (options.number("batch")?, options.number("d-model")?);
    let d_sae = options.number("d-sae")?;
    let rounds = options.number("rounds")?;
    let float = (Kind::Float, Device::Cpu);
    let x = Tensor::f_randn([batch, d_model], float)?;
    let weight = Tensor::f_randn([d_model, d_sae], float)?;
    println!(
        "({batch}, {d_model}) · ({d_model}, {d_sae}), {} threads",
        tch::get_num_threads()
    );
    let plain = measured(rounds, || Ok(x.f_matmul(&weight)?))?;
    println!("float32   own      {:9.1} ms", milliseconds(plain));
    let ours = measured(rounds, || Ok(product::matmul(&x, &weight)?))?;
    println!(
        "float32   ours     {:9.1} ms (by {})",
        milliseconds(ours),
        product::backend()?
    );
    for (name, kind) in [("bfloat16", Kind::BFloat16), ("float16", Kind::Half)] {
        let amp = |x: &Tensor, multiply: fn(&Tensor, &Tensor) -> Product| -> Result<Tensor> {
            let result = multiply(&x.f_to_kind(kind)?, &weight.f_to_kind(kind)?)?;
            Ok(result.f_to_kind(Kind::Float)?)
        };
        let slow = product::instead_of(kind, Device::Cpu).is_some();
        let own = if slow {
            measured(1, || amp(&x.f_narrow(0, 0, batch / PART)?, own_product))? * PART as u32
        } else {
            measured(rounds, || amp(&x, own_product))?
        };
        let ours = measured(rounds, || amp(&x, product::matmul))?;
        println!("{name:<9} own      {:9.1} ms", milliseconds(own));
        println!(
            "{name:<9} ours     {:9.1} ms{}",
            milliseconds(ours),
            if slow { " (in float32)" } else { "" }
        );
    }
    Ok(())
}

type Product = std::result::Result<Tensor, tch::TchError>;

fn own_product(a: &Tensor, b: &Tensor) -> Product {
    a.f_matmul(b)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The median of `rounds`, after one that warms up.
fn measured(rounds: i64, work: impl Fn() -> Result<Tensor>) -> Result<Duration> {
    let mut times = Vec::new();
    for round in 0..=rounds {
        let time = timed(Device::Cpu, || work().map(drop))?;
        if round > 0 {
            times.push(time);
        }
    }
    Ok(median(times))
}
