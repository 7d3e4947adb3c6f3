//! A blocking HTTP/1.1 client that sends exactly what it is told and shows exactly what came back.

mod body;
mod connection;
mod request;
mod response;

pub use body::Body;
pub use connection::Connection;
pub use request::Request;
pub use response::{Head, Response};
