//! What can be asked for. To add something, a row in [`router`] and its function are enough.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Query, Request, State};
use axum::http::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::answer::{file, guarded, refused};
use super::hosts::AllowedHosts;
use super::limits;
use super::sessions::Sessions;
use crate::error::Error;
use crate::guard::caught;
use crate::serve::front;
use crate::serve::reading::Reading;
use crate::serve::stores::{OpenStores, Page, Refusal};
use crate::serve::view::{changes, columns, found, latent, overview, rows};

/// What all requests share.
pub(super) struct Shared {
    pub(super) stores: OpenStores,
    pub(super) sessions: Sessions,
    pub(super) hosts: AllowedHosts,
    pub(super) reading: Reading,
    /// Called when a used link was opened again.
    pub(super) on_used_link: Box<dyn Fn() + Send + Sync>,
}

type All = Arc<Shared>;

/// Which store and analysis a request is about, and what else it asks.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    store: usize,
    analysis: Option<String>,
    version: Option<String>,
    latent: Option<u32>,
    whole: Option<u8>,
    latents: Option<String>,
    words: Option<String>,
}

/// Returns everything that can be asked for, under a name that the server answers to.
pub(super) fn router(shared: All) -> Router {
    let api = Router::new()
        .route("/meta", get(meta))
        .route("/columns", get(numbers))
        .route("/latent", get(one))
        .route("/rows", get(some))
        .route("/search", get(search))
        .route("/bookmarks", get(bookmarks))
        .route("/label", post(label))
        .route("/bookmark", post(bookmark))
        .route("/text", post(text))
        .route_layer(middleware::from_fn_with_state(shared.clone(), session));
    Router::new()
        .nest("/api", api)
        .route("/api/enter", post(enter))
        .fallback(pages)
        .layer(middleware::from_fn_with_state(shared.clone(), hosts))
        .with_state(shared)
}

/// Refuses what is for others or from others, and what takes too long.
async fn hosts(State(shared): State<All>, request: Request, next: Next) -> Response {
    let answer = match shared.hosts.refusal(request.headers()) {
        Some(why) => refused(StatusCode::FORBIDDEN, "hosts", why, ""),
        None => match timeout(limits::ANSWER_TIME, next.run(request)).await {
            Ok(answer) => answer,
            Err(_) => refused(
                StatusCode::SERVICE_UNAVAILABLE,
                "slow",
                "The answer took too long.",
                "Try again.",
            ),
        },
    };
    guarded(answer)
}

/// Lets browsers pass that came by a link; what changes something also needs the page's token.
async fn session(State(shared): State<All>, request: Request, next: Next) -> Response {
    match stopped(&shared.sessions, request.method(), request.headers()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

fn has_session(sessions: &Sessions, headers: &HeaderMap) -> bool {
    let cookies = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    cookies.into_iter().any(|cookies| sessions.has(cookies))
}

fn stopped(sessions: &Sessions, method: &Method, headers: &HeaderMap) -> Option<Response> {
    if !has_session(sessions, headers) {
        return Some(refused(
            StatusCode::UNAUTHORIZED,
            "session",
            "This browser has not come by a link of the running `saescript view`.",
            "Open the address that the terminal shows.",
        ));
    }
    let token = headers
        .get("x-saescript-token")
        .and_then(|value| value.to_str().ok());
    let may = *method != Method::POST || sessions.may_write(token.unwrap_or_default());
    (!may).then(|| {
        refused(
            StatusCode::FORBIDDEN,
            "token",
            "The request lacks the page's token.",
            "Load the page anew.",
        )
    })
}

/// Serves the files of the pages, which are no secret.
async fn pages(request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    let found = if matches!(path, "" | "index.html") {
        front::page()
    } else {
        front::file(path)
    };
    match (request.method(), found) {
        (&Method::GET | &Method::HEAD, Some((bytes, kind))) => file(bytes, kind),
        _ => refused(
            StatusCode::NOT_FOUND,
            "missing",
            "There is nothing at this address.",
            "The pages begin at `/`.",
        ),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    token: String,
}

async fn enter(State(shared): State<All>, headers: HeaderMap, body: Body) -> Response {
    let entry: Entry = match sent(&headers, body).await {
        Ok(entry) => entry,
        Err(refusal) => return refusal,
    };
    match shared.sessions.enter(&entry.token) {
        Ok(Some(cookie)) => ([(SET_COOKIE, cookie)], Json(Value::Null)).into_response(),
        // The same browser may come by its link again, as from its history.
        Ok(None) if has_session(&shared.sessions, &headers) => Json(Value::Null).into_response(),
        Ok(None) => {
            (shared.on_used_link)();
            refused(
                StatusCode::UNAUTHORIZED,
                "session",
                "This link was used already: each opens one browser.",
                "The terminal shows a new one.",
            )
        }
        Err(error) => Refusal::from(error).into_response(),
    }
}

/// Returns what was sent, which is JSON and says so: forms of other pages cannot.
async fn sent<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, Response> {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if kind.split(';').next().unwrap_or_default().trim() != "application/json" {
        return Err(refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "body",
            "The body of the request has to be JSON.",
            "",
        ));
    }
    let read = timeout(limits::BODY_TIME, axum::body::to_bytes(body, limits::BODY)).await;
    let bytes: Bytes = match read {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            return Err(refused(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body",
                "The body of the request is too long, or broke off.",
                "",
            ));
        }
        Err(_elapsed) => {
            return Err(refused(
                StatusCode::REQUEST_TIMEOUT,
                "slow",
                "The body of the request did not come.",
                "",
            ));
        }
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        refused(
            StatusCode::BAD_REQUEST,
            "body",
            &format!("The body of the request is not what was expected: {error}."),
            "",
        )
    })
}

/// Does `work` on a thread of its own, and answers with what it makes.
async fn answer_by<T: IntoResponse + Send + 'static>(
    shared: All,
    asked: Asking,
    work: impl FnOnce(&Shared, &Asked) -> Result<T, Refusal> + Send + 'static,
) -> Response {
    let Query(asked) = match asked {
        Ok(asked) => asked,
        Err(error) => return refused(StatusCode::BAD_REQUEST, "address", &error.body_text(), ""),
    };
    match spawn_blocking(move || work(&shared, &asked)).await {
        Ok(Ok(answer)) => answer.into_response(),
        Ok(Err(refusal)) => refusal.into_response(),
        Err(_) => Refusal::from(Error::run("the request could not be answered")).into_response(),
    }
}

/// Looks into the store that is asked for.
fn looked<T>(
    shared: &Shared,
    asked: &Asked,
    work: impl FnOnce(Page<'_>) -> crate::error::Result<T>,
) -> Result<T, Refusal> {
    let analysis = asked.analysis.as_deref().filter(|name| !name.is_empty());
    // Foreign code that panics on a strange file costs one answer, and not the server.
    let guarded = |page: Page<'_>| caught("the viewer", || work(page));
    shared
        .stores
        .read(asked.store, analysis, asked.version.as_deref(), guarded)
}

/// Reads from the store on a thread of its own, and answers with what `work` makes.
async fn answer<T: IntoResponse + Send + 'static>(
    shared: All,
    asked: Asking,
    work: impl FnOnce(Page<'_>, &Asked, &Shared) -> crate::error::Result<T> + Send + 'static,
) -> Response {
    answer_by(shared, asked, |shared, asked| {
        looked(shared, asked, |page| work(page, asked, shared))
    })
    .await
}

type Asking = Result<Query<Asked>, axum::extract::rejection::QueryRejection>;

async fn meta(State(shared): State<All>, asked: Asking) -> Response {
    answer(shared, asked, |page, asked, shared| {
        let view = overview::overview(&page, asked.store, shared.stores.names())?;
        let mut value = serde_json::to_value(view).unwrap_or_default();
        value["write_token"] = shared.sessions.write_token().into();
        value["no_text"] = shared
            .reading
            .missing(&overview::named(page.opened.store())?)
            .into();
        Ok(Json(value))
    })
    .await
}

async fn numbers(State(shared): State<All>, asked: Asking) -> Response {
    answer(shared, asked, |page, _, _| {
        let bytes = all_columns(page)?;
        Ok(([(CONTENT_TYPE, "application/octet-stream")], bytes.to_vec()))
    })
    .await
}

fn all_columns(page: Page<'_>) -> Result<Arc<Vec<u8>>, Error> {
    let Page {
        opened,
        analysis,
        version,
    } = page;
    opened.columns(&version, |store| columns::numbers(store, &analysis))
}

/// Reads what the first page asks for, while the browser starts. What goes wrong is told when it is asked for.
pub(super) fn read_ahead(shared: &Shared) {
    let _ = shared.stores.read(0, None, None, all_columns);
}

async fn one(State(shared): State<All>, asked: Asking) -> Response {
    answer(shared, asked, |mut page, asked, _| {
        let number = asked
            .latent
            .ok_or_else(|| Error::input("the request names no latent"))?;
        Ok(Json(latent::latent(&mut page, number, asked.whole.is_some())?))
    })
    .await
}

async fn some(State(shared): State<All>, asked: Asking) -> Response {
    answer(shared, asked, |mut page, asked, _| {
        let numbers = asked
            .latents
            .as_deref()
            .unwrap_or_default()
            .split(',')
            .filter(|number| !number.is_empty());
        let numbers: Result<Vec<u32>, _> = numbers.map(str::parse).collect();
        let numbers = numbers.map_err(|_| Error::input("`latents` has something that is no number"))?;
        Ok(Json(rows::rows(&mut page, &numbers)?))
    })
    .await
}

async fn search(State(shared): State<All>, asked: Asking) -> Response {
    answer(shared, asked, |page, asked, _| {
        Ok(Json(found::search(
            &page,
            asked.words.as_deref().unwrap_or_default(),
        )?))
    })
    .await
}

async fn bookmarks(State(shared): State<All>, asked: Asking) -> Response {
    answer(shared, asked, |page, _, _| {
        Ok(Json(found::bookmarks(page.opened.store())?))
    })
    .await
}

async fn label(State(shared): State<All>, asked: Asking, headers: HeaderMap, body: Body) -> Response {
    match sent(&headers, body).await {
        Ok(new) => {
            answer(shared, asked, move |mut page, _, _| {
                Ok(Json(changes::set_label(&mut page, &new)?))
            })
            .await
        }
        Err(refusal) => refusal,
    }
}

async fn bookmark(State(shared): State<All>, asked: Asking, headers: HeaderMap, body: Body) -> Response {
    match sent(&headers, body).await {
        Ok(new) => {
            answer(shared, asked, move |mut page, _, _| {
                Ok(Json(changes::set_bookmark(&mut page, &new)?))
            })
            .await
        }
        Err(refusal) => refusal,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewText {
    text: String,
}

/// The store is let go while the model reads, so that other pages go on.
async fn text(State(shared): State<All>, asked: Asking, headers: HeaderMap, body: Body) -> Response {
    let new: NewText = match sent(&headers, body).await {
        Ok(new) => new,
        Err(refusal) => return refusal,
    };
    answer_by(shared, asked, move |shared, asked| {
        let (named, words) = looked(shared, asked, |page| {
            Ok((overview::named(page.opened.store())?, page.opened.vocabulary()?))
        })?;
        let read = caught("reading the text", || {
            shared.reading.read(&named, &words, &new.text)
        })?;
        let labels = looked(shared, asked, |page| found::labels_of(page.opened.store(), &read))?;
        Ok(Json(json!({ "read": read, "labels": labels })))
    })
    .await
}
