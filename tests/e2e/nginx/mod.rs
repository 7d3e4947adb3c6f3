//! A real nginx in front of the server.

mod certificates;
mod compressed;
mod private;
mod pushing;
mod uncompressed;
