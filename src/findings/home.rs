//! Whether a store was made here. What comes from elsewhere is looked at before it is trusted.

use sha2::{Digest, Sha256};

/// The fact in which a store says where it was made.
pub(super) const KEY: &str = "made.here";

/// Returns a name for this user on this machine, from which neither can be told.
pub(super) fn here() -> String {
    let machine = ["/etc/machine-id", "/var/lib/dbus/machine-id"]
        .into_iter()
        .find_map(|path| std::fs::read_to_string(path).ok())
        .filter(|id| !id.trim().is_empty());
    let machine = machine.unwrap_or_else(|| {
        let names = rustix::system::uname();
        names.nodename().to_string_lossy().into_owned()
    });
    let user = rustix::process::getuid().as_raw();
    let digest = Sha256::digest(format!("saescript store, {}, {user}", machine.trim()));
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
