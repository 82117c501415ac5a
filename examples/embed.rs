//! Embeds the script host in a program of its own: a native function, an object, and a result that is read back.
//!
//!     cargo run --example embed

#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;

use saescript::script::rhai::Map;
use saescript::script::{Raise, RhaiResultOf, TensorHandle, raise, to_value};
use saescript::tensor::Kind;
use saescript::{Error, Host, Result, config};
use serde::Deserialize;

/// What the program gives to the script: an object with a method of its own.
#[derive(Clone, Default)]
struct Notebook {
    notes: BTreeMap<String, f64>,
}

impl Notebook {
    /// Writes a number down under a name; an error points at the call in the script.
    fn note(&mut self, name: &str, value: f64) -> RhaiResultOf<()> {
        if self.notes.contains_key(name) {
            return Err(raise(Error::input(format!("there is a note `{name}` already"))));
        }
        self.notes.insert(name.into(), value);
        Ok(())
    }
}

/// The part of the entries that are not 0, as a native function on the script's tensors.
fn density(x: TensorHandle) -> RhaiResultOf<f64> {
    let x = x.tensor();
    let others = x
        .f_ne(0.0)
        .and_then(|others| others.f_sum(Kind::Double))
        .raise()?;
    let count = others.f_double_value(&[]).raise()?;
    Ok(count / x.numel().max(1) as f64)
}

const SCRIPT: &str = r#"
    let notebook = Notebook();
    let sae = SparseAutoEncoder(SAEConfig(#{
        hook_point_in: "blocks.0.hook_resid_post", hook_point_out: "blocks.0.hook_resid_post",
        d_model: 16, expansion_factor: 4, act_fn: "topk", top_k: 4, dtype: torch::float32, device: "cpu",
    }));
    for rows in [8, 32] {
        let latents = sae.encode(torch::ones([rows, 16]));
        notebook.note(`density of ${rows} rows`, density(latents));
    }
    #{ summary: #{ d_model: sae.cfg.d_model, k: sae.cfg.top_k }, notebook: notebook }
"#;

/// What the script tells of the dictionary, read as any type that serde knows.
#[derive(Debug, Deserialize)]
pub struct Summary {
    /// The width of the activations.
    pub d_model: u64,
    /// How many latents fire.
    pub k: u64,
}

/// Runs the script and reads its result back: plain data, and the notes that the program's own object holds.
///
/// # Errors
/// What the script does wrong, with its place in the script.
pub fn run() -> Result<(Summary, BTreeMap<String, f64>)> {
    let mut host = Host::builder()
        .output(|line| println!("the script says: {line}"))
        .build()?;
    let engine = host.engine_mut();
    engine.register_type_with_name::<Notebook>("Notebook");
    engine.register_fn("Notebook", Notebook::default);
    engine.register_fn("note", Notebook::note);
    engine.register_fn("density", density);

    let result = host.eval("embedded script", SCRIPT)?;
    let mut result: Map = result
        .try_cast()
        .ok_or_else(|| Error::run("the script returns no map"))?;
    let notebook = result
        .remove("notebook")
        .and_then(|value| value.try_cast::<Notebook>())
        .ok_or_else(|| Error::run("the script returns no notebook"))?;
    let summary = result.remove("summary").unwrap_or_default();
    Ok((config::parse(to_value(&summary)?)?, notebook.notes))
}

/// Prints what the script found out.
pub fn main() -> Result<()> {
    let (summary, notes) = run()?;
    println!("{summary:?}");
    for (name, value) in notes {
        println!("{name}: {value}");
    }
    Ok(())
}
