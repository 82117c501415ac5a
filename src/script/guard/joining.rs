//! `+` and `+=` of strings, arrays and blobs, which double what they are given to again and again.

use rhai::{Array, Blob, FuncRegistration, ImmutableString, Module};

use super::SetGuarded;
use super::values::SLOT;
use crate::memory;
use crate::script::failure::{Raise, RhaiResultOf};

/// Puts the operators into `module`.
pub(super) fn register(module: &mut Module) {
    append_to_text(module);
    let operator = |name: &str| FuncRegistration::new(name).in_global_namespace();
    operator("+=").set_guarded(module, |array: &mut Array, more: Array| {
        extend(array, more, SLOT, "an array")
    });
    operator("+").set_guarded(module, |mut array: Array, more: Array| {
        extend(&mut array, more, SLOT, "an array").map(|()| array)
    });
    operator("+=").set_guarded(module, |blob: &mut Blob, more: Blob| {
        extend(blob, more, 1, "a blob")
    });
    operator("+").set_guarded(module, |mut blob: Blob, more: Blob| {
        extend(&mut blob, more, 1, "a blob").map(|()| blob)
    });
}

fn append_to_text(module: &mut Module) {
    let operator = |name: &str| FuncRegistration::new(name).in_global_namespace();
    operator("+=").set_guarded(module, |text: &mut ImmutableString, more: ImmutableString| {
        admit_text(text, &more).map(|()| *text += more)
    });
    operator("+").set_guarded(module, |text: ImmutableString, more: ImmutableString| {
        admit_text(&text, &more).map(|()| text + more)
    });
}

fn admit_text(text: &str, more: &str) -> RhaiResultOf<()> {
    let bytes = text.len() + more.len();
    memory::admit_value(bytes as u64, "a string").raise()
}

/// Appends; `size` is the bytes of an item itself.
fn extend<T>(items: &mut Vec<T>, more: Vec<T>, size: u64, what: &str) -> RhaiResultOf<()> {
    let count = items.len() + more.len();
    memory::admit_value(size * count as u64, &format!("{what} of {count} elements")).raise()?;
    items.extend(more);
    Ok(())
}
