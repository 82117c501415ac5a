//! What numbers mean in scripts: comparisons by IEEE 754, conversions and shifts that say when they cannot be right.
//!
//! Rhai's own comparisons of floats are relative to an epsilon: `1e-17 == 0.0` is true there, `2.0 < inf` false, and
//! `nan != nan` false. They are built into the engine and come before any registered function; only turning off all of
//! its built-in operators (`set_fast_operators(false)`) lets a registered `==` through, which makes every addition about
//! as slow as a call. So the six comparisons (and the two shifts) are taken out of the language and put back as custom
//! operators of the same names and precedences: the parser and the optimizer know nothing of their meaning any more, and
//! whoever compares (operators, op chains, folding of literals, array and map functions, function pointers) ends
//! up in the functions registered here. Arithmetic stays built in.
//!
//! ```text
//! order       which of two values comes first, exactly; equality in depth
//! operators   `<` … `!=`, `min` and `max`, for every pair of types
//! arithmetic  shifts, `to_int`, literals: what would be wrong in silence is an error
//! ```

mod arithmetic;
mod operators;
mod order;

use rhai::{Engine, Module};

pub use arithmetic::checked_literal;
pub use order::{INTEGERS_END, equal, total_order};

/// Registers what the operators do.
pub fn register(module: &mut Module) {
    operators::register(module);
    arithmetic::register(module);
}

/// Takes the comparisons and shifts from the engine and gives them back as custom operators.
pub fn install(engine: &mut Engine) {
    let names = operators::COMPARISONS
        .iter()
        .map(|comparison| (comparison.name, comparison.precedence));
    for (name, precedence) in names.chain(arithmetic::SHIFTS.map(|name| (name, arithmetic::SHIFT_PRECEDENCE)))
    {
        engine.disable_symbol(name);
        let registered = engine.register_custom_operator(name, precedence);
        debug_assert!(registered.is_ok(), "{name} was disabled before");
    }
    // A symbol that the language reserves and has no use for: the product of matrices binds as a product does.
    const PRODUCT: u8 = 180;
    let registered = engine.register_custom_operator("@", PRODUCT);
    debug_assert!(registered.is_ok(), "the symbol is free");
    // Their compound forms cannot be custom operators; `x = x << n` says the same.
    for name in ["<<=", ">>="] {
        engine.disable_symbol(name);
    }
}
