//! What a hub tells of itself, held against what was sent to it and what its partners got:
//! `/metrics`, `/api/v1/endpoints`, and `meterhub endpoints`.

mod access;
mod counts;
mod exposition;
mod health;
mod removed;
mod rig;
mod scraping;
