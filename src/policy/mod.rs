//! What scripts may reach outside of themselves: which files they may read and write, which servers they may ask, which
//! variables of the environment they may see.
//!
//! A [`Policy`] is asked before a script's text becomes a path, an address or a variable's name. It knows nothing of
//! scripts: who asks, and where, is told by the layer above. Paths are compared after every link in them was followed,
//! and [`acting()`] has the file that was opened compared once more, so that a link which changes between the question and
//! the use opens nothing.
//!
//! ```text
//! access    the kinds of access, and how each is granted
//! paths     where a path leads, and sets of folders
//! hosts     servers and object stores
//! rights    what is granted of every kind
//! secrets   what nobody may read: tokens, and the files they are kept in
//! refusal   what a refusal says
//! acting    for whom a thread opens files
//! ```

mod access;
mod acting;
mod hosts;
mod paths;
mod refusal;
mod rights;
mod secrets;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use self::access::Access;
pub use self::acting::{acting, carried, confirm, confirm_replacing, on_own_behalf, settled};
pub use self::hosts::{Hosts, Server};
pub use self::paths::{Folders, resolved};
pub use self::refusal::Holder;
pub use self::rights::{Names, Rights};
pub use self::secrets::Secrets;
use crate::error::Result;

/// What somebody answers who is asked for a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This once.
    Once,
    /// From now on.
    Always,
    /// No.
    Never,
}

/// Asks a person: the kind of access, what it is wanted for, and whose script wants it.
pub type Prompt = dyn Fn(Access, &str, &Holder) -> Answer + Send + Sync;

/// What a script, or a library, may reach. Copies are the same policy, also for what is granted later.
#[derive(Clone)]
pub struct Policy(Arc<Inner>);

struct Inner {
    /// All of them have to allow it: those of a library, and those of the scripts that use it.
    layers: Vec<Arc<Layer>>,
    secrets: Secrets,
    prompt: Option<Box<Prompt>>,
}

/// What one holder was granted.
struct Layer {
    holder: Holder,
    /// `None`: everything.
    rights: Option<Mutex<Rights>>,
}

impl Layer {
    fn allows(&self, allowed: impl FnOnce(&Rights) -> bool) -> bool {
        self.rights
            .as_ref()
            .is_none_or(|rights| allowed(&rights.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn locked(&self) -> Option<MutexGuard<'_, Rights>> {
        let rights = self.rights.as_ref()?;
        Some(rights.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holders: Vec<&Holder> = self.0.layers.iter().map(|layer| &layer.holder).collect();
        write!(formatter, "Policy({holders:?})")
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::unlimited(Secrets::default())
    }
}

impl Policy {
    /// Returns the policy of somebody who may do what the user may, but for reading `secrets`.
    pub fn unlimited(secrets: Secrets) -> Self {
        Self::of(None, secrets, None)
    }

    /// Returns the policy of a script that has `rights` only. Where it has not, `prompt` is asked, if there is one.
    pub fn limited(rights: Rights, secrets: Secrets, prompt: Option<Box<Prompt>>) -> Self {
        Self::of(Some(rights), secrets, prompt)
    }

    fn of(rights: Option<Rights>, secrets: Secrets, prompt: Option<Box<Prompt>>) -> Self {
        let layer = Layer {
            holder: Holder::Script,
            rights: rights.map(Mutex::new),
        };
        Policy(Arc::new(Inner {
            layers: vec![Arc::new(layer)],
            secrets,
            prompt,
        }))
    }

    /// Returns the policy of a library that this policy's scripts use: it may do what it asks for and the project grants
    /// it, and never what the scripts may not.
    pub fn of_library(&self, name: &str, asked: Rights, granted: Rights) -> Self {
        let base = self.0.layers.last().and_then(|layer| layer.locked());
        let (own, guarded) = base.map_or_else(Default::default, |base| (base.own.clone(), base.guarded));
        let layer = |holder, rights: Rights| {
            Arc::new(Layer {
                holder,
                rights: Some(Mutex::new(rights.with_those_of_the_program(&own, guarded))),
            })
        };
        let mut layers = vec![
            layer(Holder::Asking(name.to_string()), asked),
            layer(Holder::Granted(name.to_string()), granted),
        ];
        layers.extend(self.0.layers.iter().cloned());
        Policy(Arc::new(Inner {
            layers,
            secrets: self.0.secrets.clone(),
            prompt: None,
        }))
    }

    /// Returns the policy that allows what both allow.
    pub fn and(&self, other: &Policy) -> Self {
        let more = other.0.layers.iter().filter(|layer| {
            let mut own = self.0.layers.iter();
            !own.any(|known| Arc::ptr_eq(known, layer))
        });
        Policy(Arc::new(Inner {
            layers: self.0.layers.iter().chain(more).cloned().collect(),
            secrets: self.0.secrets.clone(),
            prompt: None,
        }))
    }

    /// Returns whether everything is allowed but secrets.
    pub fn is_unlimited(&self) -> bool {
        self.0.layers.iter().all(|layer| layer.rights.is_none())
    }

    /// Refuses a folder among the temporary files to scripts that were not granted one.
    ///
    /// # Errors
    /// They were not; says which flag allows it.
    pub fn ask_for_temporary_folder(&self) -> Result<()> {
        let folder = std::env::temp_dir();
        if self
            .0
            .layers
            .iter()
            .all(|layer| layer.allows(|rights| rights.temporary))
        {
            return Ok(());
        }
        self.ask_path(Access::Write, &folder)
    }

    /// Grants more to the scripts themselves, e.g. a folder that was made for them.
    pub fn grant(&self, grant: impl FnOnce(&mut Rights)) {
        if let Some(mut rights) = self.0.layers.last().and_then(|layer| layer.locked()) {
            grant(&mut rights);
        }
    }

    /// Lets the file or folder at `path` be read or written.
    ///
    /// # Errors
    /// It may not be; says which flag allows it.
    pub fn ask_path(&self, access: Access, path: &Path) -> Result<()> {
        let leads_to = resolved(path);
        if self.0.secrets.holds_file(&leads_to) {
            return Err(refusal::of_secret_file(access, path));
        }
        let allowed = |rights: &Rights| rights.allows_path(access, &leads_to);
        self.ask(access, &leads_to.display().to_string(), allowed, |rights| {
            rights.grant_path(access, leads_to.clone())
        })
        .map_err(|holder| refusal::of_path(&holder, access, path, &leads_to))
    }

    /// Returns whether what lies at `leads_to`, a path without links, may be read or written: no one is asked.
    pub fn allows_opened(&self, access: Access, leads_to: &Path) -> bool {
        let allowed = |rights: &Rights| rights.allows_opened(access, leads_to);
        !self.0.secrets.holds_file(leads_to) && self.0.layers.iter().all(|layer| layer.allows(allowed))
    }

    /// Lets requests be sent to `server`.
    ///
    /// # Errors
    /// None may be; says which flag allows it.
    pub fn ask_server(&self, server: &Server) -> Result<()> {
        let allowed = |rights: &Rights| rights.net.holds(server);
        self.ask(Access::Net, &server.to_string(), allowed, |rights| {
            rights.net.add(server.clone())
        })
        .map_err(|holder| refusal::of_server(&holder, server))
    }

    /// Lets the environment variable `name` be read.
    ///
    /// # Errors
    /// It may not be; says which flag allows it, or that it is a token.
    pub fn ask_variable(&self, name: &str) -> Result<()> {
        if self.0.secrets.holds_variable(name) {
            return Err(refusal::of_secret_variable(name));
        }
        let allowed = |rights: &Rights| rights.env.holds(name);
        self.ask(Access::Env, name, allowed, |rights| {
            rights.env.add(name.to_string())
        })
        .map_err(|holder| refusal::of_variable(&holder, name))
    }

    /// Asks every layer; the first that refuses, unless a person allows it after all.
    fn ask(
        &self,
        access: Access,
        what: &str,
        allowed: impl Fn(&Rights) -> bool,
        grant: impl FnOnce(&mut Rights),
    ) -> Result<(), Holder> {
        let refusing = self.0.layers.iter().find(|layer| !layer.allows(&allowed));
        let Some(layer) = refusing else {
            return Ok(());
        };
        let answer = self
            .0
            .prompt
            .as_ref()
            .map_or(Answer::Never, |prompt| prompt(access, what, &layer.holder));
        if answer == Answer::Never {
            return Err(layer.holder.clone());
        }
        if let Some(mut rights) = layer.locked() {
            // What was allowed once is opened by others than who asked: for them it is kept as well.
            match answer {
                Answer::Always => grant(&mut rights),
                _ => rights.allow_once(access, Path::new(what)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
