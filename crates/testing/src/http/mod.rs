//! A blocking HTTP/1.1 client that sends the given bytes exactly and shows the answer exactly.

mod body;
mod connection;
mod request;
mod response;

pub use body::Body;
pub use connection::Connection;
pub use request::Request;
pub use response::{Head, Response};
