//! Answers, and the headers that all of them have.

use std::borrow::Cow;

use axum::Json;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, REFERRER_POLICY};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::{Error, Fault};
use crate::serve::stores::Refusal;

/// What a page may load and run: this server's own files, and nothing else.
const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

const HEADERS: [(&str, &str); 5] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// Puts the headers on that every answer has.
pub(super) fn guarded(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// Returns an answer that says why there is none; `kind` is for the page to decide by.
pub(super) fn refused(status: StatusCode, kind: &str, error: &str, hint: &str) -> Response {
    (
        status,
        Json(json!({ "error": error, "hint": hint, "kind": kind })),
    )
        .into_response()
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Refusal::Rewritten => refused(
                StatusCode::CONFLICT,
                "rewritten",
                "The store was written anew since this page was opened.",
                "Nothing was changed. What the page shows is of the store as it was.",
            ),
            Refusal::Error(error) => of_error(&error),
        }
    }
}

fn of_error(error: &Error) -> Response {
    let status = match error.fault() {
        Fault::Input => StatusCode::BAD_REQUEST,
        Fault::Run | Fault::Interrupted => StatusCode::INTERNAL_SERVER_ERROR,
    };
    refused(
        status,
        "error",
        &sentence(error.message()),
        &error.hints().join("; "),
    )
}

/// Returns what the program says as pages say it: a capital letter, a full stop.
fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let Some(first) = letters.next() else {
        return String::new();
    };
    let first: String = first.to_uppercase().collect();
    let stop = if message.ends_with(['.', '?', '!']) {
        ""
    } else {
        "."
    };
    format!("{first}{}{stop}", letters.as_str())
}

/// Returns the answer that is a file of the pages.
pub(super) fn file(bytes: Cow<'static, [u8]>, kind: &'static str) -> Response {
    ([(CONTENT_TYPE, kind)], bytes).into_response()
}
