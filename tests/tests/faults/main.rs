//! The hub on surroundings that fail: full disks, torn writes, files that change while they are
//! read, partners that take without saying so, clocks that jump.
//!
//! The hub runs inside the test, so that its file system, clock and database limits can be swapped.

mod clock;
mod database_full;
mod disk;
mod rig;
mod source_files;
