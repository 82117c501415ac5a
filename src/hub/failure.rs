//! What went wrong between here and the hub, in words.

use hf_hub::api::sync::ApiError;

use crate::error::{Error, Result};

/// The HTTP status behind an error, if that is what it is.
pub(super) fn status(error: &ApiError) -> Option<u16> {
    match error {
        ApiError::RequestError(request) => match **request {
            ureq::Error::StatusCode(code) => Some(code),
            _ => None,
        },
        ApiError::TooManyRetries(inner) => status(inner),
        _ => None,
    }
}

/// `None` when the repository exists but not the file; the error in words otherwise.
pub(super) fn explain<T>(error: &ApiError, id: &str, file: &str) -> Result<Option<T>> {
    let login = "set HF_TOKEN to a token with read access (https://huggingface.co/settings/tokens)";
    Err(match status(error) {
        Some(404) => return Ok(None),
        Some(401) => Error::input(format!(
            "the hub does not show `{id}`: it does not exist, or it needs a token"
        ))
        .hint(format!("check the spelling; if the repository is private or gated, {login}")),
        Some(403) => Error::input(format!("the hub refuses `{file}` of `{id}`: access has to be granted"))
            .hint(format!(
                "accept its terms at https://huggingface.co/{id} and {login}"
            )),
        Some(429) => Error::run(format!("the hub asks to wait: too many requests for `{id}`"))
            .hint("try again in a few minutes; with HF_TOKEN the limit is higher"),
        Some(code) => Error::run(format!("the hub answered {code} for `{file}` of `{id}`"))
            .hint("try again later; what was downloaded is kept and continued"),
        None => Error::run(format!("cannot download `{file}` of `{id}`: {error}")).hint(
            "check the network; what was downloaded is kept and continued. HF_HUB_OFFLINE=1 uses the cache only",
        ),
    })
}
