//! Comparing a generation with what its folder was begun with: all indices below it, of every hook point and shard.

use std::fs;
use std::path::{Path, PathBuf};

use super::target::TOKENS_KEY;
use crate::activations::cache::chunk_name::sub_folders;
use crate::activations::cache::index::{self, Header, Index};
use crate::config::Value;
use crate::error::{Error, Result};
use crate::fingerprint::{Allowances, Comparison, Fingerprint, Names};

/// The key of the number of shards in a fingerprint.
const SHARDS_KEY: &str = "n_shards";

/// Compares `fingerprint` with every index in the folders of `root`.
///
/// # Errors
/// Differences that are not allowed; a cache that does not say all that decided it.
pub(super) fn compare(
    root: &Path,
    fingerprint: &Fingerprint,
    allowed: &Allowances,
    names: &Names,
) -> Result<Comparison> {
    allowed.check_names(fingerprint, &Fingerprint::default(), names)?;
    let what = format!("the cache `{}`", root.display());
    let mut all = Comparison::default();
    let mut seen = Vec::new();
    for header in headers(root)? {
        let Some(was) = Fingerprint::from_value(&header.settings) else {
            return Err(Error::input(format!(
                "{what} was written by an earlier version, which did not note all that decided it"
            ))
            .hint("choose another folder; what is there can be read and trained on as before"));
        };
        if seen.contains(&was) {
            continue;
        }
        let one = allowed.compare(&what, &was, &as_divided(&was, fingerprint), names)?;
        if let Some(change) = one.allowed.iter().find(|change| decides_form(&change.key)) {
            return Err(Error::input(format!(
                "`{}` decides the form of the chunks, and {what} cannot hold chunks of two forms",
                names.shown(&change.key)
            ))
            .hint("choose another folder"));
        }
        all.allowed.extend(one.allowed);
        let fresh = one
            .remarks
            .into_iter()
            .filter(|remark| !all.remarks.contains(remark));
        let fresh: Vec<String> = fresh.collect();
        all.remarks.extend(fresh);
        seen.push(was);
    }
    Ok(all)
}

/// `is`, where it makes the same tokens as `was` in another number of shards: that each shard then makes another number of
/// them is no difference of its own.
fn as_divided(was: &Fingerprint, is: &Fingerprint) -> Fingerprint {
    let number = |of: &Fingerprint, key: &str| of.get(key).and_then(Value::as_u64);
    let parts = |of: &Fingerprint| Some((number(of, TOKENS_KEY)?, number(of, SHARDS_KEY)?));
    let mut divided = is.clone();
    if let (Some((tokens, shards)), Some((tokens_now, shards_now))) = (parts(was), parts(is)) {
        // A total that makes both parts, each rounded up.
        let least = |tokens: u64, shards: u64| tokens.saturating_sub(1).saturating_mul(shards) + 1;
        let most = |tokens: u64, shards: u64| tokens.saturating_mul(shards);
        let overlaps = least(tokens, shards) <= most(tokens_now, shards_now)
            && least(tokens_now, shards_now) <= most(tokens, shards);
        if shards != shards_now && overlaps {
            divided.set(TOKENS_KEY, tokens.into());
        }
    }
    divided
}

/// Settings whose change gives chunks that do not fit those there are.
fn decides_form(key: &str) -> bool {
    const FORM: [&str; 5] = ["dtype", "override_dtype", "target", "hook_points", "packed"];
    key.rsplit('.').next().is_some_and(|last| FORM.contains(&last))
}

/// The first lines of all indices in the folders of `root`.
fn headers(root: &Path) -> Result<Vec<Header>> {
    if !root.is_dir() {
        return Ok(Vec::new());
    }
    let mut headers = Vec::new();
    for name in sub_folders(root)? {
        for path in indices_in(&root.join(name))? {
            headers.extend(Index::header(&path)?);
        }
    }
    Ok(headers)
}

fn indices_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let listing = fs::read_dir(folder).map_err(|error| Error::io("read", folder, error))?;
    let mut indices = Vec::new();
    for entry in listing {
        let path = entry.map_err(|error| Error::io("read", folder, error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(&index::name_of(None)) {
            indices.push(path);
        }
    }
    indices.sort();
    Ok(indices)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(tokens: u64, shards: u64) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        fingerprint.set(TOKENS_KEY, tokens.into());
        fingerprint.set(SHARDS_KEY, shards.into());
        fingerprint
    }

    #[test]
    fn the_same_tokens_in_other_shards_differ_in_the_shards_only() {
        let refused = |was: Fingerprint, is: Fingerprint| {
            let compared =
                Allowances::default().compare("the cache", &was, &as_divided(&was, &is), &Names::default());
            compared.map(drop).map_err(|error| error.message().to_string())
        };
        let one = refused(made(1000, 1), made(334, 3)).expect_err("other shards");
        assert!(
            one.contains("`n_shards` was 1 and is 3 now") && !one.contains("tokens"),
            "{one}"
        );
        let both = refused(made(1000, 1), made(400, 3)).expect_err("other tokens too");
        assert!(both.contains("total_generating_tokens"), "{both}");
        assert!(refused(made(500, 2), made(500, 2)).is_ok());
        assert!(refused(made(500, 2), made(501, 2)).is_err());
    }
}
