//! What whole-hub tests share, and tests of adapters may borrow.

pub mod cim;
pub mod config_folder;
pub mod conformance;
pub mod faults;
pub mod files_load;
pub mod http_load;
pub mod hub_process;
pub mod observe;
pub mod oracle;
pub mod post_office;
pub mod proxy;
pub mod rabbit;
pub mod random;
pub mod receiver;
pub mod services;
pub mod sftp_partner;
pub mod wait;
pub mod workload;
