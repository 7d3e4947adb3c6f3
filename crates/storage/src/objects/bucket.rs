//! Opening a bucket: credentials, region, endpoint, time-outs.

use std::{sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, ClientOptions, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey},
};

use super::{
    AddressingStyle, ObjectError, StorageName, StorageUrl,
    connector::RepeatingConnector,
    credentials::{ProfileCredentials, profile},
};

/// How long a connection to a bucket may take to come up.
const BUCKET_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a bucket may send nothing. There is no limit for the whole of a transfer: NARs are large.
const BUCKET_READ_TIMEOUT: Duration = Duration::from_secs(40);

/// How long a failed request is tried again: longer than a request that hangs takes to fail.
const RETRY_TIMEOUT: Duration = Duration::from_secs(150);

/// How often a failed request is tried again.
const MAX_RETRIES: usize = 4;

/// A bucket as it is asked.
pub(super) struct OpenBucket {
    pub(super) store: AmazonS3,
    pub(super) region: String,
    pub(super) name: StorageName,
}

/// The bucket that a URL names. It is not asked yet.
pub(super) fn bucket(url: &StorageUrl) -> Result<OpenBucket, ObjectError> {
    let StorageUrl::Bucket { bucket, prefix, region, endpoint, profile: named, addressing_style } =
        url
    else {
        return Err(ObjectError::Configuration(format!("{url} is no bucket")));
    };
    // The TLS of the HTTP client has no cryptography of its own; a second call changes nothing.
    _ = rustls::crypto::ring::default_provider().install_default();
    let profile = profile(named.as_deref())?;
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
    let is_in_environment = named.is_none() && std::env::var_os("AWS_ACCESS_KEY_ID").is_some();
    if !is_in_environment
        && let Some(credentials) = ProfileCredentials::new(named.as_deref(), &profile)
    {
        builder = builder.with_credentials(Arc::new(credentials));
    }
    let in_environment =
        ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| std::env::var(name).ok());
    let region = region.clone().or(in_environment).or(profile.region);
    let region = region.unwrap_or_else(|| "us-east-1".to_owned());
    builder = builder.with_region(&region);
    let endpoint = endpoint.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned());
    let endpoint = endpoint.or(profile.endpoint);
    let in_environment = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
    let server = endpoint.as_deref().or(in_environment.as_deref());
    let name = StorageName::of_bucket(bucket, prefix, server);
    let style = addressing_style.unwrap_or(if endpoint.is_some() {
        AddressingStyle::Path
    } else {
        AddressingStyle::Virtual
    });
    let is_virtual = style == AddressingStyle::Virtual;
    builder = builder.with_virtual_hosted_style_request(is_virtual);
    if let Some(endpoint) = endpoint {
        // The library puts the bucket into the host name of no endpoint but its own.
        let endpoint = match endpoint.split_once("://") {
            Some((scheme, rest)) if is_virtual => format!("{scheme}://{bucket}.{rest}"),
            _ => endpoint,
        };
        builder = builder.with_allow_http(endpoint.starts_with("http://")).with_endpoint(endpoint);
    }
    let client = ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(BUCKET_CONNECT_TIMEOUT)
        .with_read_timeout(BUCKET_READ_TIMEOUT);
    let client = match builder
        .get_config_value(&AmazonS3ConfigKey::Client(object_store::ClientConfigKey::AllowHttp))
    {
        Some(value) => client.with_allow_http(value == "true"),
        None => client,
    };
    let store = builder
        .with_client_options(client)
        .with_http_connector(RepeatingConnector)
        // Objects go one by one, and providers differ in how they take a list of them, or take none.
        .with_disable_bulk_delete(true)
        .with_retry(RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: MAX_RETRIES,
            retry_timeout: RETRY_TIMEOUT,
        })
        .build()
        .map_err(|error| ObjectError::Configuration(format!("the bucket {bucket}: {error}")))?;
    Ok(OpenBucket { store, region, name })
}
