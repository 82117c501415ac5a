//! What a manifest says of permissions: what a project's scripts may do besides what all may, what a library asks for, and
//! what a project grants to its libraries.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::naming::check_name;
use crate::error::{Error, Result};
use crate::policy::{Rights, Server};

/// `[permissions]` of a manifest. In a project: what its scripts may do besides. In a library: what it asks for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Permissions {
    /// Files and folders to read, with all below them, relative to the manifest's folder; true: all.
    pub read: Granted,
    /// Files and folders to write, likewise.
    pub write: Granted,
    /// Servers that requests may go to: `host`, `host:port`, `s3://bucket`; true: all.
    pub net: Granted,
    /// Variables of the environment; a name that ends with `*` stands for all that begin so. True: all.
    pub env: Granted,
    /// What a project grants to its libraries, by name; no library gets more than it asks for.
    pub libraries: BTreeMap<String, Grants>,
}

/// What a project grants to a library.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Grants {
    /// Files and folders to read, with all below them, relative to the project's folder; true: all that it asks for.
    pub read: Granted,
    /// Files and folders to write, likewise.
    pub write: Granted,
    /// Servers that requests may go to; true: all that it asks for.
    pub net: Granted,
    /// Variables of the environment; true: all that it asks for.
    pub env: Granted,
}

/// A list, or true for everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a list of texts, true or false")]
pub enum Granted {
    /// Everything, or nothing.
    All(bool),
    /// These.
    Some(Vec<String>),
}

impl Default for Granted {
    fn default() -> Self {
        Granted::All(false)
    }
}

impl Granted {
    /// Returns whether everything is granted.
    fn is_all(&self) -> bool {
        *self == Granted::All(true)
    }

    /// Returns the single texts, each as `read` understands it.
    fn listed<T>(&self, key: &str, read: impl Fn(&str) -> Result<T>) -> Result<Vec<T>> {
        let Granted::Some(texts) = self else {
            return Ok(Vec::new());
        };
        let one = |(index, text): (usize, &String)| {
            let read = if text.trim().is_empty() {
                Err(Error::input("must not be empty"))
            } else {
                read(text)
            };
            read.map_err(|error| error.under(format!("[{index}]")).under(key))
        };
        texts.iter().enumerate().map(one).collect()
    }
}

impl Grants {
    /// Returns the rights; paths are relative to `root`.
    ///
    /// # Errors
    /// A server that is none, an empty text; the key path is relative to the table.
    pub fn rights(&self, root: &Path) -> Result<Rights> {
        let mut rights = Rights::default();
        let path = |text: &str| Ok(root.join(text));
        for path in self.read.listed("read", path)? {
            rights.read.add(&path);
        }
        for path in self.write.listed("write", path)? {
            rights.write.add(&path);
        }
        for server in self.net.listed("net", Server::parse)? {
            rights.net.add(server);
        }
        for name in self.env.listed("env", |text| Ok(text.to_string()))? {
            rights.env.add(name);
        }
        if self.read.is_all() {
            rights.read.add_everything();
        }
        if self.write.is_all() {
            rights.write.add_everything();
        }
        if self.net.is_all() {
            rights.net.add_everything();
        }
        if self.env.is_all() {
            rights.env.add_everything();
        }
        Ok(rights)
    }
}

impl Permissions {
    /// Returns what stands in the table itself, for a project's scripts or as a library's wishes.
    pub fn own(&self) -> Grants {
        Grants {
            read: self.read.clone(),
            write: self.write.clone(),
            net: self.net.clone(),
            env: self.env.clone(),
        }
    }

    /// Returns what is granted to the library `name`.
    pub fn of_library(&self, name: &str) -> Grants {
        self.libraries.get(name).cloned().unwrap_or_default()
    }

    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// With the key path within the table.
    pub(super) fn validate(&self) -> Result<()> {
        self.own().rights(Path::new("/"))?;
        for (name, grants) in &self.libraries {
            check_name(name)
                .and_then(|()| grants.rights(Path::new("/")).map(drop))
                .map_err(|error| error.under(name).under("libraries"))?;
        }
        Ok(())
    }
}
