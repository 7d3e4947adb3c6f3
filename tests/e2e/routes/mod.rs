//! Which routes there are, and which paths of the store they show to whom.

mod debug_information;
mod exposure;
mod sample_path;
mod served_files;
mod table;
mod views;
