//! What pages are told of a store. Nothing here knows of servers: the same is written into pages that stand alone.

pub(super) mod changes;
pub(super) mod columns;
mod context;
pub(super) mod found;
pub(super) mod latent;
pub(super) mod overview;
pub(super) mod rows;
