//! HTTP answers: status, headers, conditions, ranges and bodies.

mod answer;
pub(crate) mod blob;
pub(crate) mod body;
mod caching;
mod entity;
mod error;
pub(crate) mod preserialized;
pub(crate) mod publish_error;
pub(crate) mod send_budget;

pub(crate) use self::{
    answer::{
        Answer, NOT_FOUND, direct, for_method, for_one_client, method_not_allowed, no_push_address,
        not_found, plain, push_address, shortened, unavailable, with_share,
    },
    caching::Caching,
    entity::{Entity, Part, etag},
    error::error_response,
};
