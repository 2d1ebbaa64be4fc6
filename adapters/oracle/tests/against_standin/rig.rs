//! A stand-in and a folder with our secrets.

use std::sync::Arc;

use hub_core::files::OsFiles;
use hub_core::{AdapterContext, Sink, SinkConfig, SinkError};
use meterhub_tests::conformance;
use serde::de::DeserializeOwned;
use tempfile::TempDir;

use crate::standin::StandIn;

pub(crate) struct Rig {
    pub(crate) oracle: StandIn,
    pub(crate) context: AdapterContext,
    _base: TempDir,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        let base = tempfile::tempdir().unwrap();
        std::fs::write(base.path().join("right"), "right\n").unwrap();
        std::fs::write(base.path().join("wrong"), "wrong-password\n").unwrap();
        std::fs::write(base.path().join("token"), "c4llb4ck\n").unwrap();
        Self {
            oracle: StandIn::start().await,
            context: conformance::context("oracle", base.path(), Arc::new(OsFiles)),
            _base: base,
        }
    }

    /// A configuration of this server and these options.
    pub(crate) fn config<C: DeserializeOwned>(&self, password: &str, options: &str) -> C {
        toml::from_str(&format!("{}{options}", self.oracle.server(password))).unwrap()
    }

    pub(crate) async fn sink<C: SinkConfig>(&self, options: &str) -> Box<dyn Sink> {
        let config: C = self.config("right", options);
        config.check(&self.context).await.unwrap();
        config.connect(&self.context).await.unwrap()
    }
}

/// What an error is.
pub(crate) fn kind(error: &SinkError) -> &'static str {
    match error {
        SinkError::Unavailable { answered: true, .. } => "again",
        SinkError::Unavailable { .. } => "endpoint",
        SinkError::Busy { .. } => "busy",
        SinkError::Refused { .. } => "refused",
    }
}

/// What the kit asks of a receiver that is the stand-in; `taken` is the kind's own.
macro_rules! stand_in_receiver {
    ($config:ty, $options:expr, $taken:expr) => {
        #[async_trait::async_trait]
        impl meterhub_tests::conformance::Receiver for Receiver {
            async fn sink(&mut self) -> Box<dyn hub_core::Sink> {
                let config: $config = self.rig.config("right", $options);
                config.connect(&self.rig.context).await.unwrap()
            }

            async fn sink_with_wrong_credentials(&mut self) -> Option<Box<dyn hub_core::Sink>> {
                let config: $config = self.rig.config("wrong", $options);
                Some(config.connect(&self.rig.context).await.unwrap())
            }

            async fn taken(&mut self) -> Vec<meterhub_tests::conformance::Taken> {
                let take = $taken;
                take(&mut *self.rig.oracle.world())
            }

            async fn kill(&mut self) -> bool {
                self.rig.oracle.kill().await;
                true
            }

            async fn restart(&mut self) {
                self.rig.oracle.restart().await;
            }

            async fn stall(&mut self) -> bool {
                self.rig.oracle.freeze();
                true
            }

            async fn resume(&mut self) {
                self.rig.oracle.thaw();
            }

            async fn refuse(&mut self) -> bool {
                true
            }

            fn time_limit(&self) -> std::time::Duration {
                std::time::Duration::from_secs(4)
            }
        }
    };
}

pub(crate) use stand_in_receiver;
