//! The places that a tokenizer says its tokens have in the text, blanks with them.

use serde_json::Value;
use tokenizers::{PostProcessorWrapper, Tokenizer};

use super::failure::unusable;
use crate::error::Result;

/// Byte-level tokenizers leave the blank before a word out of its offsets; here every character belongs to a token.
pub(super) fn keep_blanks_in_offsets(inner: &mut Tokenizer) -> Result<()> {
    let Some(processor) = inner.get_post_processor() else {
        return Ok(());
    };
    let broken = |error: serde_json::Error| unusable(error.into());
    let mut value = serde_json::to_value(processor).map_err(broken)?;
    if untrim(&mut value) {
        let processor: PostProcessorWrapper = serde_json::from_value(value).map_err(broken)?;
        inner.with_post_processor(Some(processor));
    }
    Ok(())
}

/// Switches `trim_offsets` off wherever it is on; says whether it was anywhere.
fn untrim(value: &mut Value) -> bool {
    match value {
        Value::Object(map) => {
            let mut changed = false;
            for (key, value) in map {
                changed |= if key == "trim_offsets" && *value == Value::Bool(true) {
                    *value = Value::Bool(false);
                    true
                } else {
                    untrim(value)
                };
            }
            changed
        }
        Value::Array(list) => list
            .iter_mut()
            .fold(false, |changed, value| untrim(value) | changed),
        _ => false,
    }
}
