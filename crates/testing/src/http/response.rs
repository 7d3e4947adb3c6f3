//! Answers.

/// Status line and headers of an answer.
#[derive(Clone, Debug)]
pub struct Head {
    /// The version of HTTP: `HTTP/1.1`.
    pub version: String,
    /// Status code.
    pub status: u16,
    /// Names and values in the order of arrival.
    pub headers: Vec<(String, String)>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status line and headers.
    pub head: Head,
    /// The body without its chunk framing; all that arrived, if it was aborted.
    pub body: Vec<u8>,
    /// Whether the body ended where it said it would.
    pub complete: bool,
}

impl Head {
    /// Reads status line and headers, each line ended by CRLF, without the empty line.
    pub(super) fn parse(text: &str) -> Self {
        let mut lines = text.split("\r\n");
        let status_line = lines.next().unwrap();
        let mut words = status_line.splitn(3, ' ');
        let version = words.next().unwrap().to_owned();
        assert!(version.starts_with("HTTP/1."), "{status_line:?}");
        let status = words.next().unwrap().parse().unwrap();
        let headers = lines.map(|line| {
            let (name, value) =
                line.split_once(':').unwrap_or_else(|| panic!("{line:?} is no header"));
            (name.to_owned(), value.trim().to_owned())
        });
        Self { version, status, headers: headers.collect() }
    }

    /// The value of a header that must not be there more than once.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let values = self.headers_named(name);
        assert!(values.len() < 2, "{name} is there more than once: {:?}", self.headers);
        values.first().copied()
    }

    /// Every value of a header.
    #[must_use]
    pub fn headers_named(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// `Content-Length`, if there is one.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.header("content-length").map(|value| value.parse().unwrap())
    }
}

impl Response {
    /// Status code.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.head.status
    }

    /// The value of a header that must not be there more than once.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body, if this is a whole answer with status 200.
    ///
    /// # Panics
    /// If it is not.
    pub fn ok(&self) -> &[u8] {
        assert_eq!(self.status(), 200, "{:?}\n{}", self.head, String::from_utf8_lossy(&self.body));
        assert!(self.complete, "the body was cut off after {} bytes", self.body.len());
        &self.body
    }
}
