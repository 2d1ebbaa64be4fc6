//! Against a stand-in of ours for what mock-sap does not imitate: tokens that belong to the session of
//! their cookies, pages that the server cuts, pages for people, repetitions that are recognised. It speaks as
//! SAP's documentation says; that a real system does so is not shown by it.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod answers;
mod etags;
mod pages;
mod sessions;
mod system;
