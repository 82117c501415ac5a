//! Shifts and conversions: what Rhai answers with some other number is an error here.

use std::any::TypeId;

use rhai::{Dynamic, FuncRegistration, LexError, Module, RhaiFunc, Shared, Token};

use super::order::INTEGERS_END;
use crate::error::Error;
use crate::script::failure::{Raise, RhaiResultOf};

/// The shifts, whose built-in forms give 0 for `1 << 64` and shift the other way for `1 << -1`.
pub(super) const SHIFTS: [&str; 2] = ["<<", ">>"];
/// How strongly they bind in the language.
pub(super) const SHIFT_PRECEDENCE: u8 = 210;

/// Puts shifts and conversions into `module`.
pub(super) fn register(module: &mut Module) {
    for name in SHIFTS {
        let function = move |arguments: &mut [&mut Dynamic]| -> RhaiResultOf<Dynamic> {
            let (Ok(number), Ok(by)) = (arguments[0].as_int(), arguments[1].as_int()) else {
                return Ok(Dynamic::UNIT);
            };
            shift(name, number, by).map(Dynamic::from_int).raise()
        };
        FuncRegistration::new(name).set_into_module_raw(
            module,
            [TypeId::of::<i64>(); 2],
            RhaiFunc::Method {
                func: Shared::new(
                    move |_: Option<rhai::NativeCallContext>, arguments: &mut [&mut Dynamic]| {
                        function(arguments)
                    },
                ),
                has_context: false,
                is_pure: true,
                is_volatile: false,
            },
        );
    }
    FuncRegistration::new("to_int")
        .with_params_info(["x: float", "int"])
        .with_comments([
            "/// Returns the number without its fraction: 2.9 gives 2, -2.9 gives -2. An error for NaN, infinities and whatever is",
            "/// beyond the range of `int`, from -2^63 to 2^63 - 1.",
        ])
        .set_into_module(module, |x: f64| to_int(x).raise());
    FuncRegistration::new("int")
        .with_params_info(["x: float", "int"])
        .with_comments(["/// Returns the number without its fraction, as an int: what `to_int` does."])
        .set_into_module(module, |x: f64| to_int(x).raise());
    FuncRegistration::new("round")
        .with_params_info(["x: float", "decimals: int", "float"])
        .with_comments([
            "/// Returns the number rounded to so many places behind the point, halves away from 0.",
        ])
        .set_into_module(module, |x: f64, decimals: i64| rounded(x, decimals).raise());
    of_ints(module);
}

/// Functions that the language has of floats alone: an int is one too.
fn of_ints(module: &mut Module) {
    type OfOne = fn(f64) -> f64;
    let functions: [(&str, OfOne, &str); 4] = [
        ("sqrt", f64::sqrt, "/// Returns the square root of the number."),
        ("exp", f64::exp, "/// Returns e to the power of the number."),
        ("ln", f64::ln, "/// Returns the natural logarithm of the number."),
        (
            "log",
            f64::log10,
            "/// Returns the logarithm of the number to base 10; the natural one is `ln`.",
        ),
    ];
    for (name, function, docs) in functions {
        FuncRegistration::new(name)
            .with_params_info(["x: int", "float"])
            .with_comments([docs])
            .set_into_module(module, move |x: i64| function(x as f64));
    }
}

/// `x` rounded to so many places behind the point.
fn rounded(x: f64, decimals: i64) -> Result<f64, Error> {
    if !(0..=15).contains(&decimals) {
        return Err(Error::input(format!(
            "a float is rounded to 0 to 15 decimals, not to {decimals}"
        )));
    }
    let scale = 10f64.powi(decimals as i32);
    let scaled = x * scale;
    Ok(if scaled.is_finite() {
        scaled.round() / scale
    } else {
        x
    })
}

fn shift(name: &str, number: i64, by: i64) -> Result<i64, Error> {
    let Some(by) = u32::try_from(by).ok().filter(|by| *by < i64::BITS) else {
        return Err(Error::input(format!(
            "`{name}` shifts an int by 0 to 63 bits, not by {by}"
        )));
    };
    if name == ">>" {
        return Ok(number >> by);
    }
    let shifted = number << by;
    if shifted >> by == number {
        Ok(shifted)
    } else {
        Err(Error::input(format!("integer overflow: {number} << {by}")))
    }
}

/// `x` without its fraction.
fn to_int(x: f64) -> Result<i64, Error> {
    if x.is_nan() {
        return Err(Error::input("NaN is no whole number"));
    }
    if (-INTEGERS_END..INTEGERS_END).contains(&x) {
        Ok(x as i64)
    } else {
        Err(Error::input(format!(
            "{x} does not fit an int: ints go from -2^63 to 2^63 - 1"
        )))
    }
}

/// Refuses a whole number too large for an `int`, which the engine would read as a float.
pub fn checked_literal(token: Token) -> Token {
    match &token {
        Token::FloatConstant(number) if !number.1.contains(['.', 'e', 'E']) => {
            let text = &number.1;
            let problem =
                format!("{text} is no int: ints go from -2^63 to 2^63 - 1; as a float, write {text}.0");
            Token::LexError(Box::new(LexError::ImproperSymbol(text.to_string(), problem)))
        }
        _ => token,
    }
}
