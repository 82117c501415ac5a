//! Who asks an object store, and where it is: the environment and the files of Amazon's own programs.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;

use rusty_s3::Credentials;

use crate::error::{Error, Result};

/// Amazon's default.
const REGION: &str = "us-east-1";

/// Returns where keys of object stores are kept: variables of the environment, and files.
pub fn key_places() -> (Vec<&'static str>, Vec<PathBuf>) {
    let files = [
        file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        file("AWS_CONFIG_FILE", "config"),
    ];
    let variables = vec!["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
    (variables, files.into_iter().flatten().collect())
}

/// All that is needed to ask an object store.
pub(super) struct Settings {
    /// `None`: requests are not signed.
    pub keys: Option<Keys>,
    pub region: String,
    /// The address of another store than Amazon's.
    pub endpoint: Option<String>,
}

/// Keys, and where they were found, so that a refusal can name the place.
#[derive(Clone)]
pub(super) struct Keys {
    pub credentials: Credentials,
    /// `AWS_ACCESS_KEY_ID`, or a profile in a file.
    pub source: String,
}

/// A profile's settings in both files.
type Profile = BTreeMap<String, String>;

impl Settings {
    /// Returns what the environment and the files say.
    ///
    /// # Errors
    /// A profile that does not exist, or whose keys come from elsewhere; a file that cannot be read.
    pub(super) fn find() -> Result<Self> {
        let name = variable("AWS_PROFILE").or_else(|| variable("AWS_DEFAULT_PROFILE"));
        let profile = profile(name.as_deref())?;
        let of_profile = |key: &str| profile.get(key).cloned();
        Ok(Settings {
            keys: keys(name.as_deref(), &profile)?,
            region: variable("AWS_REGION")
                .or_else(|| variable("AWS_DEFAULT_REGION"))
                .or_else(|| of_profile("region"))
                .unwrap_or_else(|| REGION.into()),
            endpoint: variable("AWS_ENDPOINT_URL_S3")
                .or_else(|| variable("AWS_ENDPOINT_URL"))
                .or_else(|| of_profile("endpoint_url")),
        })
    }
}

fn keys(name: Option<&str>, profile: &Profile) -> Result<Option<Keys>> {
    if let (Some(key), Some(secret)) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
        return Ok(Some(Keys {
            credentials: credentials(key, secret, variable("AWS_SESSION_TOKEN")),
            source: "AWS_ACCESS_KEY_ID".into(),
        }));
    }
    let shown = name.unwrap_or("default");
    let of_profile = |key: &str| profile.get(key).cloned();
    if let (Some(key), Some(secret)) = (
        of_profile("aws_access_key_id"),
        of_profile("aws_secret_access_key"),
    ) {
        return Ok(Some(Keys {
            credentials: credentials(key, secret, of_profile("aws_session_token")),
            source: format!("the profile `{shown}`"),
        }));
    }
    let elsewhere = ["sso_session", "sso_start_url", "role_arn", "credential_process"];
    match elsewhere.iter().find(|key| profile.contains_key(**key)) {
        Some(key) => Err(Error::input(format!(
            "the profile `{shown}` gets its keys from elsewhere (`{key}`), which is not done here"
        ))
        .hint(format!(
            "put them into the environment first: eval \"$(aws configure export-credentials --profile {shown} \
             --format env)\""
        ))),
        None => Ok(None),
    }
}

fn credentials(key: String, secret: String, token: Option<String>) -> Credentials {
    match token {
        Some(token) => Credentials::new_with_token(key, secret, token),
        None => Credentials::new(key, secret),
    }
}

/// The settings of a profile from both files; of `default` if none is named.
fn profile(name: Option<&str>) -> Result<Profile> {
    let files = [
        (file("AWS_CONFIG_FILE", "config"), "profile "),
        (file("AWS_SHARED_CREDENTIALS_FILE", "credentials"), ""),
    ];
    let mut found = false;
    let mut settings = Profile::new();
    for (path, prefix) in files {
        let Some(path) = path else { continue };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::io("read", &path, error)),
        };
        if let Some(section) = section(&text, prefix, name.unwrap_or("default")) {
            found = true;
            settings.extend(section);
        }
    }
    match name {
        Some(name) if !found => Err(Error::input(format!(
            "there is no profile `{name}` in ~/.aws/config or ~/.aws/credentials"
        ))
        .hint("check AWS_PROFILE")),
        _ => Ok(settings),
    }
}

/// The settings under `[name]` or `[prefix name]`; `None` without such a heading.
fn section(text: &str, prefix: &str, name: &str) -> Option<Profile> {
    let mut inside = false;
    let mut settings: Option<Profile> = None;
    for line in text.lines() {
        let bare = line.trim();
        if let Some(heading) = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let heading = heading.trim();
            inside = heading == name || heading.strip_prefix(prefix).map(str::trim) == Some(name);
            if inside {
                settings.get_or_insert_default();
            }
        } else if let Some((key, value)) = bare.split_once('=')
            && inside
            // What is indented belongs to a setting in several parts.
            && !line.starts_with([' ', '\t'])
            && !bare.starts_with(['#', ';'])
        {
            let settings = settings.get_or_insert_default();
            settings.insert(key.trim().to_lowercase(), value.trim().to_string());
        }
    }
    settings
}

fn file(variable_name: &str, name: &str) -> Option<PathBuf> {
    match variable(variable_name) {
        Some(path) => Some(path.into()),
        None => Some(env::home_dir()?.join(".aws").join(name)),
    }
}

/// A variable that is set and not blank.
fn variable(name: &str) -> Option<String> {
    let value = env::var(name).ok()?.trim().to_string();
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_read_as_amazons_programs_write_them() {
        let text = "[default]\nregion = eu-west-1\n\n[profile lab]\n# a remark\nregion=us-west-2\ns3 =\n  region = no\n";
        let region = |name| section(text, "profile ", name).and_then(|found| found.get("region").cloned());
        assert_eq!(region("default").as_deref(), Some("eu-west-1"));
        assert_eq!(region("lab").as_deref(), Some("us-west-2"));
        assert!(section(text, "profile ", "other").is_none());
        let text = "[lab]\naws_access_key_id = AK=1\naws_secret_access_key = s/+=\n";
        let lab = section(text, "", "lab").expect("there");
        assert_eq!(lab["aws_access_key_id"], "AK=1");
        let keys = keys(Some("lab"), &lab).expect("read").expect("there");
        assert_eq!(keys.credentials.secret(), "s/+=");
        assert_eq!(keys.source, "the profile `lab`");
    }

    #[test]
    fn keys_from_elsewhere_are_asked_for() {
        let text = "[profile lab]\nsso_session = work\n";
        let lab = section(text, "profile ", "lab").expect("there");
        let error = keys(Some("lab"), &lab).err().expect("refused");
        assert!(error.to_string().contains("export-credentials"), "{error}");
    }
}
