//! Script values ↔ plain data, with the configurations of every class.

use rhai::{Dynamic, Map};

use super::class::CLASSES;
use super::plain;
pub use super::plain::from_value;
use crate::config::Value;
use crate::error::Result;

/// Returns the plain data from a script value: numbers, strings, `()`, arrays, maps, configurations and dtypes.
///
/// # Errors
/// Closures, tensors, other objects, numbers that are not finite, and values nested too deeply; the error carries the
/// key path.
pub fn to_value(value: &Dynamic) -> Result<Value> {
    plain::to_value(value, CLASSES)
}

/// Returns plain data from a script map.
///
/// # Errors
/// As [`to_value`].
pub fn map_to_value(map: &Map) -> Result<Value> {
    plain::map_to_value(map, CLASSES)
}

/// Returns whether `value` is made of the language's own kinds only, with no configuration or dtype that stands for
/// plain data.
pub fn is_plain(value: &Dynamic) -> bool {
    plain::is_plain(value, CLASSES)
}

/// Returns what a value is, for messages, where no engine is at hand to ask.
pub fn kind_of(value: &Dynamic) -> String {
    plain::kind_of(value, CLASSES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(script: &str) -> Dynamic {
        rhai::Engine::new().eval(script).expect("the script is valid")
    }

    #[test]
    fn data_survives_the_round_trip() {
        let value = evaluate(r#"#{ a: 1, b: 2.5, c: "x", d: [true, ()], e: #{ f: -3 } }"#);
        let plain = to_value(&value).expect("plain data");
        assert_eq!(plain["e"]["f"], -3);
        assert!(plain["b"].is_f64());
        assert_eq!(to_value(&from_value(&plain)).expect("plain data"), plain);
    }

    #[test]
    fn what_no_file_could_hold_is_refused_with_its_path() {
        let closure = to_value(&evaluate("#{ a: #{ b: [1, |x| x] } }")).expect_err("a closure");
        assert_eq!(closure.key_path(), "a.b[1]");
        assert!(closure.message().contains("closure"), "{closure}");
        let deep = to_value(&evaluate("let a = 1; for i in 0..101 { a = [a]; } a")).expect_err("deep");
        assert!(deep.message().contains("100 levels"), "{deep}");
        let infinite = to_value(&evaluate("#{ lr: 1.0 / 0.0 }")).expect_err("infinity");
        assert_eq!(infinite.key_path(), "lr");
    }
}
