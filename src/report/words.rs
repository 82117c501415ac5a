//! Lines that several observers write alike.

use super::format;
use super::visible::visible;

/// `warning: …`, in yellow where there are colours.
pub(super) fn warning(text: &str) -> String {
    let style = anstyle::AnsiColor::Yellow.on_default().bold();
    format!("{style}warning{style:#}: {}", visible(text))
}

/// `saved weights to results/sae_weights.safetensors`.
pub(super) fn saved(what: &str, path: &std::path::Path) -> String {
    format!("saved {what} to {}", path.display())
}

/// `loss 123.5  explained variance 0.7331  L0 16.00`.
pub(super) fn numbers(shown: &[(&'static str, f64)]) -> String {
    let parts: Vec<String> = shown
        .iter()
        .map(|(name, value)| format!("{name} {}", format::metric(*value)))
        .collect();
    parts.join("  ")
}
