//! Who may ask: browsers that came by a one-time link of this process.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use rustix::rand::{GetRandomFlags, getrandom};

use crate::error::{Error, Result};

/// Bytes of a secret.
const SECRET: usize = 24;

/// The most browsers at once; the links of a process are few.
const MOST: usize = 64;

/// The secrets of one server.
pub(super) struct Sessions {
    cookie: String,
    /// What a page has to send with whatever changes the store, besides its cookie.
    write_token: String,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    links: HashSet<String>,
    sessions: HashSet<String>,
}

impl Sessions {
    /// Returns the sessions of the server on `port`; cookies do not tell ports apart, so that their name does.
    ///
    /// # Errors
    /// The operating system has no random numbers.
    pub(super) fn new(port: u16) -> Result<Self> {
        Ok(Sessions {
            cookie: format!("saescript-{port}"),
            write_token: secret()?,
            known: Mutex::default(),
        })
    }

    /// Returns the token of a new link, which opens one browser.
    ///
    /// # Errors
    /// The operating system has no random numbers.
    pub(super) fn link(&self) -> Result<String> {
        let token = secret()?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.links.insert(token.clone());
        Ok(token)
    }

    /// Takes the token of a link; returns the cookie of the session that begins, or `None` if it is no token or was used.
    ///
    /// # Errors
    /// The operating system has no random numbers.
    pub(super) fn enter(&self, token: &str) -> Result<Option<String>> {
        let session = secret()?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(found) = known.links.iter().find(|link| same(link, token)).cloned() else {
            return Ok(None);
        };
        known.links.remove(&found);
        if known.sessions.len() >= MOST {
            known.sessions.clear();
        }
        known.sessions.insert(session.clone());
        Ok(Some(format!(
            "{}={session}; HttpOnly; SameSite=Strict; Path=/",
            self.cookie
        )))
    }

    /// Returns whether the cookies of a request have a session of this server.
    pub(super) fn has(&self, cookies: &str) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let own = cookies
            .split(';')
            .filter_map(|cookie| cookie.trim().split_once('='));
        let mut own = own.filter(|(name, _)| *name == self.cookie);
        own.any(|(_, value)| known.sessions.iter().any(|session| same(session, value)))
    }

    /// Returns what has to come with a change.
    pub(super) fn write_token(&self) -> &str {
        &self.write_token
    }

    /// Returns whether `token` may change the store.
    pub(super) fn may_write(&self, token: &str) -> bool {
        same(&self.write_token, token)
    }
}

/// Returns a secret that nobody guesses, in hexadecimal digits.
fn secret() -> Result<String> {
    let mut bytes = [0u8; SECRET];
    let filled = getrandom(&mut bytes, GetRandomFlags::empty());
    if filled != Ok(SECRET) {
        return Err(Error::run(
            "the operating system gives no random numbers for the link",
        ));
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Compares in a time that does not depend on where they differ.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len()
        && a.bytes()
            .zip(b.bytes())
            .fold(0, |differ, (a, b)| differ | (a ^ b))
            == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_opens_one_session() {
        let sessions = Sessions::new(1234).expect("made");
        let (one, other) = (sessions.link().expect("a link"), sessions.link().expect("a link"));
        assert_ne!(one, other);
        assert!(sessions.enter("").expect("asked").is_none());
        assert!(sessions.enter(&one[1..]).expect("asked").is_none());
        let cookie = sessions.enter(&one).expect("asked").expect("a session");
        assert!(sessions.enter(&one).expect("asked").is_none(), "used");
        let pair = cookie.split(';').next().expect("a pair");
        assert!(sessions.has(pair));
        assert!(sessions.has(&format!("a=b; {pair}; c=d")));
        assert!(!sessions.has(&pair.replace("1234", "1235")), "of another server");
        assert!(!sessions.has("saescript-1234="));
        assert!(sessions.enter(&other).expect("asked").is_some());
        assert!(!sessions.may_write(""));
        assert!(sessions.may_write(sessions.write_token()));
    }
}
