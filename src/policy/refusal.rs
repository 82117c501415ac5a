//! What a refusal says: what was asked for, what it leads to, and the flag that allows it.

use std::path::Path;

use super::access::Access;
use super::hosts::Server;
use crate::error::{Error, Subject};

/// Whose rights do not go so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The script that runs, or its project.
    Script,
    /// A library, whose manifest does not ask for it.
    Asking(String),
    /// A library, to which the project does not grant it.
    Granted(String),
}

impl Holder {
    /// Returns who it is, to begin a sentence with.
    pub fn name(&self) -> String {
        match self {
            Holder::Script => "the script".into(),
            Holder::Asking(library) | Holder::Granted(library) => format!("the library `{library}`"),
        }
    }

    /// What to do so that it is allowed; `value` is as flags and manifests write it.
    fn advice(&self, access: Access, value: &str) -> String {
        let (flag, key) = (access.flag(), access.key());
        match self {
            Holder::Script => format!(
                "to allow it, run with `{flag}={value}` before the script's name, or put it under `[permissions]` of the \
                 project's saescript.toml: {key} = [\"{value}\"]"
            ),
            Holder::Asking(library) => format!(
                "a library may do what its manifest names: the saescript.toml of `{library}` needs, under \
                 `[permissions]`, {key} = [\"{value}\"]; or hand it a closure that does it"
            ),
            Holder::Granted(library) => format!(
                "to allow it, put under `[permissions.libraries.{library}]` of the project's saescript.toml: {key} = \
                 [\"{value}\"]; or hand it a closure that does it"
            ),
        }
    }
}

fn refused(holder: &Holder, access: Access, shown: &str, value: &str) -> Error {
    Error::input(format!("{} may not {} `{shown}`", holder.name(), access.verb()))
        .about(Subject::NotPermitted)
        .hint(holder.advice(access, value))
}

pub(super) fn of_path(holder: &Holder, access: Access, path: &Path, leads_to: &Path) -> Error {
    let (shown, value) = (path.display().to_string(), leads_to.display().to_string());
    let error = refused(holder, access, &shown, &value);
    if path.is_absolute() && path != leads_to {
        error.hint(format!("it leads to `{value}`"))
    } else {
        error
    }
}

pub(super) fn of_server(holder: &Holder, server: &Server) -> Error {
    let server = server.to_string();
    refused(holder, Access::Net, &server, &server)
}

pub(super) fn of_variable(holder: &Holder, name: &str) -> Error {
    refused(holder, Access::Env, name, name)
}

pub(super) fn of_secret_variable(name: &str) -> Error {
    Error::input(format!("no script may read `{name}`, which holds a secret"))
        .about(Subject::NotPermitted)
        .hint("the clients of this program use it by themselves, each for its own server")
}

pub(super) fn of_secret_file(access: Access, path: &Path) -> Error {
    Error::input(format!(
        "no script may {} `{}`, where secrets are kept",
        access.verb(),
        path.display()
    ))
    .about(Subject::NotPermitted)
    .hint("the clients of this program use them by themselves, each for its own server")
}
