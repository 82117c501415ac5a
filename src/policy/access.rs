//! The kinds of access.

/// What a script may want of the world outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Files and folders, read.
    Read,
    /// Files and folders, written, made and replaced.
    Write,
    /// Requests to servers.
    Net,
    /// Variables of the environment.
    Env,
}

impl Access {
    /// Returns the flag of the command line that grants it.
    pub fn flag(self) -> &'static str {
        match self {
            Access::Read => "--allow-read",
            Access::Write => "--allow-write",
            Access::Net => "--allow-net",
            Access::Env => "--allow-env",
        }
    }

    /// Returns its key under `[permissions]` in a manifest.
    pub fn key(self) -> &'static str {
        match self {
            Access::Read => "read",
            Access::Write => "write",
            Access::Net => "net",
            Access::Env => "env",
        }
    }

    /// Returns what is done, to complete "may not …".
    pub fn verb(self) -> &'static str {
        match self {
            Access::Read => "read",
            Access::Write => "write",
            Access::Net => "send requests to",
            Access::Env => "read the environment variable",
        }
    }
}
