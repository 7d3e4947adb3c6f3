//! The real program against HTTP requests of every kind, and against real Nix.
//!
//! The modules `conformance_*` hold the numbered checks of `docs/protocol.md`, each in a test that
//! begins with its number.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a surprise must fail the test; what is skipped is said"
)]

mod bad_requests;
mod certificates;
mod certificates_nginx;
mod client_addresses;
mod client_limits;
mod clients_copy;
mod clients_garbage;
mod clients_inspect;
mod clients_live;
mod clients_nginx;
mod clients_resume;
mod clients_stores;
mod clients_substitute;
mod clients_transport;
mod compressed;
mod compressed_clients;
mod compressed_nginx;
mod conformance_cache_info;
mod conformance_database;
mod conformance_misc;
mod conformance_misses;
mod conformance_nar;
mod conformance_narinfo;
mod conformance_ranges;
mod conformance_signatures;
mod conformance_streaming;
mod coverage;
mod damaged_configuration;
mod damaged_store;
mod debug_information;
mod exposure;
mod kept_connections;
mod layers;
mod metrics_listener;
mod oidc;
mod prewarmed;
mod private;
mod private_answers;
mod private_clients;
mod private_files;
mod private_nginx;
mod private_paths;
mod private_secrecy;
mod reload;
mod route_table;
mod scale_closure;
mod scale_connections;
mod scale_identity;
mod scale_memory;
mod served_files;
mod shutdown;
mod slow_clients;
mod socket_activation;
mod support;
mod systemd_notify;
mod tls;
mod twins;
mod unix_socket;
mod views;
