//! Runs a script with variables of the program's own, and reads back what the script made of them.
//!
//!     cargo run -p saescript-embedded

#![allow(clippy::print_stdout, clippy::print_stderr)]

use saescript::rhai::{Array, Scope};
use saescript::script::TensorHandle;
use saescript::tensor::Tensor;
use saescript::{Error, Host, Result};

const SCRIPT: &str = r#"
    let kept = x.abs() > limit;                 // `x` and `limit` are the program's
    norms.push(x.norm().item());
    x = x * kept;
    print(`${kept.sum().item()} of ${x.numel()} numbers are kept`);
    #{ kept: kept.sum().item(), limit: limit }
"#;

/// Runs the script, and returns the numbers that it kept and the norms that it noted.
///
/// # Errors
/// What the script does wrong, with its place in the script.
pub fn run() -> Result<(Vec<f32>, Vec<f64>)> {
    let mut host = Host::builder()
        .output(|line| println!("the script says: {line}"))
        .build()?;

    let mut scope = Scope::new();
    scope.push(
        "x",
        TensorHandle::from(Tensor::from_slice(&[0.5f32, -2.0, 0.1, 3.0])),
    );
    scope.push("norms", Array::new());
    scope.push_constant("limit", 0.4);
    let result = host.eval_with_scope("own script", SCRIPT, &mut scope)?;
    println!("it returns {result}");

    let absent = |name: &str| Error::run(format!("the script left no `{name}` of its kind"));
    let x: TensorHandle = scope.get_value("x").ok_or_else(|| absent("x"))?;
    let norms: Array = scope.get_value("norms").ok_or_else(|| absent("norms"))?;
    let x = Vec::<f32>::try_from(x.tensor()).map_err(|error| Error::run(error.to_string()))?;
    Ok((
        x,
        norms
            .into_iter()
            .filter_map(|norm| norm.as_float().ok())
            .collect(),
    ))
}

/// Prints what came of it, or the error as the program `saescript` shows it.
pub fn main() {
    match run() {
        Ok((x, norms)) => println!("x is now {x:?}, its norm was {norms:.2?}"),
        Err(error) => eprintln!("{}", saescript::report::diagnostic::render(&error, false)),
    }
}
