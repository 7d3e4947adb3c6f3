//! The headers that decide how long a request is, and whether it is a simple one.

/// The headers that matter here.
pub(super) struct Headers<'a> {
    pub(super) host: Option<&'a [u8]>,
    pub(super) authorization: Option<&'a [u8]>,
    pub(super) forwarded_for: Option<&'a [u8]>,
    pub(super) length: Option<u64>,
    pub(super) is_chunked: bool,
    pub(super) is_web_socket: bool,
    /// Whether the answer could depend on a header that is not here.
    pub(super) has_others: bool,
}

impl<'a> Headers<'a> {
    /// `None`: no request may have such headers.
    pub(super) fn read(list: &[httparse::Header<'a>]) -> Option<Self> {
        let mut headers = Self::none();
        for header in list {
            headers.add(header)?;
        }
        Some(headers)
    }

    /// No header at all.
    pub(super) const fn none() -> Self {
        Self {
            host: None,
            authorization: None,
            forwarded_for: None,
            length: None,
            is_chunked: false,
            is_web_socket: false,
            has_others: false,
        }
    }

    /// Adds a header. `None`: no request may have it as well.
    pub(super) fn add(&mut self, header: &httparse::Header<'a>) -> Option<()> {
        let (name, value) = (header.name, header.value);
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match name.len() {
            4 if is("host") => return put(&mut self.host, value),
            13 if is("authorization") => {
                self.has_others |= put(&mut self.authorization, value).is_none();
            }
            15 if is("x-forwarded-for") => {
                self.has_others |= put(&mut self.forwarded_for, value).is_none();
            }
            14 if is("content-length") => return put(&mut self.length, content_length(value)?),
            17 if is("transfer-encoding") => {
                let is_another = self.is_chunked;
                self.is_chunked = value.trim_ascii().eq_ignore_ascii_case(b"chunked");
                return (self.is_chunked && !is_another).then_some(());
            }
            7 if is("upgrade") => {
                self.has_others = true;
                self.is_web_socket |= value.trim_ascii().eq_ignore_ascii_case(b"websocket");
            }
            _ => self.has_others |= !is_irrelevant(name, value),
        }
        Some(())
    }
}

/// Sets a field that may be there once. `None`: it was there.
fn put<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

fn content_length(value: &[u8]) -> Option<u64> {
    let value = str::from_utf8(value).ok()?.trim();
    (!value.starts_with('+')).then(|| value.parse().ok()).flatten()
}

/// Whether a header changes no answer.
fn is_irrelevant(name: &str, value: &[u8]) -> bool {
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    match name.len() {
        6 => is("accept"),
        9 => is("x-real-ip"),
        10 => is("user-agent") || is("connection") && value.eq_ignore_ascii_case(b"keep-alive"),
        15 => is("accept-encoding") || is("accept-language"),
        16 => is("x-forwarded-host"),
        // nginx says this of a client without a certificate.
        17 => is("x-forwarded-proto") || is("x-ssl-client-s-dn") && value.is_empty(),
        19 => is("x-ssl-client-verify") && matches!(value, b"" | b"NONE"),
        _ => false,
    }
}
