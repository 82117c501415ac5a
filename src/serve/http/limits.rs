//! How much one may ask for, and how long one may take.

use std::time::Duration;

/// The longest body of a request, in bytes.
pub(super) const BODY: usize = 1 << 20;

/// The longest head of a request, in bytes.
pub(super) const HEAD: usize = 32 << 10;

/// How long a head may take to come; also how long a connection may be idle.
pub(super) const HEAD_TIME: Duration = Duration::from_secs(5);

/// How long a body may take to come and be answered.
pub(super) const ANSWER_TIME: Duration = Duration::from_secs(120);

/// How long a body may take to come.
pub(super) const BODY_TIME: Duration = Duration::from_secs(20);

/// How long one connection may last; browsers open another without a word.
pub(super) const CONNECTION_TIME: Duration = Duration::from_secs(600);

/// The most connections at once.
pub(super) const CONNECTIONS: usize = 128;
