//! Requests.

/// A request as it goes over the wire: no header is added but `Host`, nothing is normalised.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    host: String,
    version: &'static str,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// A request with any method and any target.
    pub fn new(method: impl Into<String>, target: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            target: target.into(),
            host: "cache.test".to_owned(),
            version: "1.1",
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A `GET`.
    pub fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    /// A `HEAD`.
    pub fn head(target: impl Into<String>) -> Self {
        Self::new("HEAD", target)
    }

    /// Sends it to another host name than `cache.test`.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// Sends it with HTTP/1.0.
    #[must_use]
    pub const fn old(mut self) -> Self {
        self.version = "1.0";
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a body and its `Content-Length`.
    #[must_use]
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let mut request = self.header("Content-Length", body.len().to_string());
        request.body = body;
        request
    }

    /// Adds a body in chunks of these sizes.
    #[must_use]
    pub fn chunks(self, sizes: &[usize]) -> Self {
        let mut request = self.header("Transfer-Encoding", "chunked");
        for &size in sizes {
            request.body.extend(format!("{size:x}\r\n{}\r\n", "x".repeat(size)).into_bytes());
        }
        request.body.extend_from_slice(b"0\r\n\r\n");
        request
    }

    /// Whether the answer has no body, with any headers.
    pub(super) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// The bytes on the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!(
            "{} {} HTTP/{}\r\nHost: {}\r\n",
            self.method, self.target, self.version, self.host
        );
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}
