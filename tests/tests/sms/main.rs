//! A whole hub that sends texts: over SMPP to the simulated message centre of
//! `deploy/test-services`, by Kannel, and by mail at last.

mod fall_over;
mod kill;
mod remembered;
mod rig;
