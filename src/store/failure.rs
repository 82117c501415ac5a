//! What a web server or an object store says no with, in words.

use super::place::Where;
use crate::error::Error;
use crate::transfer::{Refusal, Trouble};

/// Returns whether it is only that there is no such file.
pub(super) fn is_missing(refusal: &Refusal) -> bool {
    matches!(refusal.status, 404 | 410) && code(refusal) != Some("NoSuchBucket")
}

/// Puts into words the trouble with `what`, the location of a file or folder.
pub(super) fn explain(place: &Where, what: &str, trouble: Trouble) -> Error {
    match trouble {
        Trouble::Local(error) => error,
        Trouble::Refused(refusal) if refusal.wait().is_some() => waiting(&refusal, what),
        Trouble::Refused(refusal) => match place {
            Where::Server { .. } => by_server(&refusal, what),
            Where::Bucket(place) => by_store(
                &refusal,
                what,
                place.keys.as_ref().map(|keys| keys.source.as_str()),
            ),
        },
        Trouble::Broken(why) => Error::run(format!("cannot fetch `{what}`: {why}"))
            .hint("check the network and the address, then try again"),
        Trouble::Foreign => Error::run(format!(
            "`{what}`: the server does not answer like an object store"
        ))
        .hint("check AWS_ENDPOINT_URL; a proxy or a log-in page of the network may have answered instead"),
        Trouble::Corrupt(why) => Error::run(format!("`{what}` cannot be fetched whole: {why}"))
            .hint("nothing of it was used; it may be being replaced at this moment: try again later"),
    }
}

fn waiting(refusal: &Refusal, what: &str) -> Error {
    let wait = refusal.wait().unwrap_or_default().as_secs();
    Error::run(format!(
        "cannot fetch `{what}`: the server answers {} and asks to wait {wait} s",
        refusal.status
    ))
    .hint("try again later, with fewer `num_workers`")
}

fn by_server(refusal: &Refusal, what: &str) -> Error {
    match refusal.status {
        401 | 403 => Error::input(format!("the server refuses `{what}` ({})", refusal.status)).hint(
            "check that it may be read by everyone; an address may carry a key (https://host/path?key=…), and an \
             object store is asked with your keys as s3://bucket/path",
        ),
        404 | 410 => missing(what),
        status => odd(status, what),
    }
}

fn by_store(refusal: &Refusal, what: &str, keys: Option<&str>) -> Error {
    let code = code(refusal);
    let region = refusal
        .header("x-amz-bucket-region")
        .or_else(|| tagged(&refusal.body, "Region"));
    match (refusal.status, code, keys) {
        (404, Some("NoSuchBucket"), _) => Error::input(format!("there is no such bucket: `{what}`"))
            .hint("check the spelling, and AWS_ENDPOINT_URL if it is not in Amazon's store"),
        (404 | 410, ..) => missing(what),
        (300..=399, ..)
        | (400, Some("AuthorizationHeaderMalformed" | "IllegalLocationConstraintException"), _) => {
            let error = Error::input(format!("the bucket of `{what}` is in another region"));
            match region {
                Some(region) => error.hint(format!("set AWS_REGION={region}")),
                None => error.hint("set AWS_REGION to the bucket's region"),
            }
        }
        (_, Some("RequestTimeTooSkewed"), _) => Error::input(format!(
            "the object store refuses `{what}`: this machine's clock is wrong"
        ))
        .hint("set the clock"),
        (
            400 | 401 | 403,
            Some(code @ ("SignatureDoesNotMatch" | "InvalidAccessKeyId" | "ExpiredToken" | "InvalidToken")),
            Some(keys),
        ) => Error::input(format!(
            "the object store does not accept the keys from {keys}: {code}"
        ))
        .hint("they may be expired, mistyped, or of another store than AWS_ENDPOINT_URL names"),
        (401 | 403, _, Some(keys)) => Error::input(format!("the keys from {keys} may not read `{what}`"))
            .hint("reading takes the permissions s3:GetObject and s3:ListBucket"),
        (401 | 403, _, None) => Error::input(format!("the object store refuses `{what}` without keys"))
            .hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"),
        (status, ..) => odd(status, what),
    }
}

fn missing(what: &str) -> Error {
    Error::input(format!("there is nothing at `{what}`")).hint("check the spelling")
}

fn odd(status: u16, what: &str) -> Error {
    Error::run(format!("the server answered {status} for `{what}`")).hint("try again later")
}

/// An object store's own name for what is wrong, e.g. `NoSuchKey`.
fn code(refusal: &Refusal) -> Option<&str> {
    tagged(&refusal.body, "Code")
}

/// The text between `<tag>` and `</tag>`.
fn tagged<'a>(text: &'a str, tag: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{tag}>"))?;
    Some(rest.split_once(&format!("</{tag}>"))?.0)
}
