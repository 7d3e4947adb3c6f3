//! Credentials of a bucket from the files that AWS tools share.
//!
//! Environment variables, web identity and instance roles are the library's business; it does not read files.

use std::{
    collections::HashMap,
    env, fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use object_store::{CredentialProvider, aws::AwsCredential};
use tokio::{sync::Mutex, task::spawn_blocking};

use super::ObjectError;

/// How long credentials are used before their files are read again: secrets managers exchange them, and tell no one.
const MAX_CREDENTIAL_AGE: Duration = Duration::from_secs(5);

/// The settings of a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) key_id: Option<String>,
    pub(super) secret: Option<String>,
    pub(super) session_token: Option<String>,
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<String>,
}

impl Profile {
    /// The key of this profile, if it has one.
    fn credential(&self) -> Option<AwsCredential> {
        Some(AwsCredential {
            key_id: self.key_id.clone()?,
            secret_key: self.secret.clone()?,
            token: self.session_token.clone(),
        })
    }
}

/// The key of a profile, which follows its files. One that cannot be read any more stays in use.
pub(super) struct ProfileCredentials {
    named: Option<String>,
    current: Mutex<(Instant, Arc<AwsCredential>)>,
}

impl ProfileCredentials {
    /// The key of a profile that was just read. `None`: it has no key.
    pub(super) fn new(named: Option<&str>, profile: &Profile) -> Option<Self> {
        let credential = Arc::new(profile.credential()?);
        Some(Self {
            named: named.map(str::to_owned),
            current: Mutex::new((Instant::now(), credential)),
        })
    }
}

#[async_trait]
impl CredentialProvider for ProfileCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut current = self.current.lock().await;
        let (read, credential) = &mut *current;
        if read.elapsed() >= MAX_CREDENTIAL_AGE {
            *read = Instant::now();
            let named = self.named.clone();
            match spawn_blocking(move || profile(named.as_deref())).await {
                Ok(Ok(profile)) => {
                    if let Some(new) = profile.credential().filter(|new| *new != **credential) {
                        tracing::info!("the bucket is used with new credentials");
                        *credential = Arc::new(new);
                    }
                }
                Ok(Err(error)) => tracing::debug!("the credentials stay in use: {error}"),
                Err(_) => {}
            }
        }
        Ok(Arc::clone(credential))
    }
}

impl fmt::Debug for ProfileCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProfileCredentials")
    }
}

/// Reads a profile from the credentials and configuration files.
///
/// `named` is that of the URL; `AWS_PROFILE` and `default` follow. A file that is not there says nothing; a profile
/// that the URL names must be in one of them.
///
/// # Errors
/// When a file cannot be read, or a named profile is in none.
pub(super) fn profile(named: Option<&str>) -> Result<Profile, ObjectError> {
    let variable = env::var("AWS_PROFILE").ok().filter(|name| !name.is_empty());
    let name = named.or(variable.as_deref()).unwrap_or("default");
    let credentials = read(&file("AWS_SHARED_CREDENTIALS_FILE", "credentials"))?;
    let config = read(&file("AWS_CONFIG_FILE", "config"))?;
    let in_config = if name == "default" { name.to_owned() } else { format!("profile {name}") };
    let sections = [section(&config, &in_config), section(&credentials, name)];
    if named.is_some() && sections.iter().all(HashMap::is_empty) {
        return Err(ObjectError::Configuration(format!(
            "the profile {name} of the storage URL is neither in {} nor in {}",
            file("AWS_SHARED_CREDENTIALS_FILE", "credentials").display(),
            file("AWS_CONFIG_FILE", "config").display()
        )));
    }
    let all: HashMap<_, _> = sections.into_iter().flatten().collect();
    let value = |key: &str| all.get(key).cloned();
    Ok(Profile {
        key_id: value("aws_access_key_id"),
        secret: value("aws_secret_access_key"),
        session_token: value("aws_session_token"),
        region: value("region"),
        endpoint: value("endpoint_url"),
    })
}

fn file(variable: &str, name: &str) -> PathBuf {
    env::var_os(variable).filter(|path| !path.is_empty()).map_or_else(
        || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".aws").join(name),
        PathBuf::from,
    )
}

fn read(path: &Path) -> Result<String, ObjectError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(ObjectError::Directory {
            doing: "read credentials from",
            path: path.to_owned(),
            source,
        }),
    }
}

/// The assignments below `[name]`.
fn section(text: &str, name: &str) -> HashMap<String, String> {
    let mut is_inside = false;
    let mut values = HashMap::new();
    for line in text.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            is_inside = header.split_whitespace().eq(name.split_whitespace());
        } else if is_inside
            && !line.starts_with(['#', ';'])
            && let Some((key, value)) = line.split_once('=')
        {
            values.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_ends_where_the_next_one_begins() {
        let text =
            "# c\n[default]\naws_access_key_id = A\n\n[ profile  ci ]\nregion=eu-1\n# region = x\n";
        assert_eq!(section(text, "default").get("aws_access_key_id").unwrap(), "A");
        assert_eq!(section(text, "default").len(), 1);
        assert_eq!(section(text, "profile ci").get("region").unwrap(), "eu-1");
        assert!(section(text, "ci").is_empty());
    }
}
