//! Configuration of a source that takes IDocs over HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use hub_core::{AdapterContext, ConfigProblem, Source, SourceConfig, SourceError};
use hub_web::{CALLBACKS, DoorConfig};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::idoc::IdocDoor;

/// Takes IDocs that an SAP system posts to `POST /api/v1/callbacks/<source>` on the hub's listener.
///
/// In the system: an HTTP destination to that path (SM59, type G), with user and password of `door`;
/// an XML HTTP port on it (WE21; not SOAP), and the port in the partner profile (WE20).
///
/// The answer is 200 with a line of text once the IDoc is committed, also to one that was sent before.
/// Any other status leaves the IDoc in the system with status 02 and the text of the answer, to be sent
/// again (RSEOUT00, BD87). A message with one IDoc is known by sender, client and number of
/// its control record (`SNDPOR`, `SNDPRN`, `MANDT`, `DOCNUM`), as the format `idoc` has it; a packet of several,
/// or one larger than 64 KiB, by its content.
///
/// IDocs of the message types `ALEAUD` and `STATUS` in XML tell what became of IDocs that a sink `sap_idoc`
/// sent: the hub shows it on those deliveries, with status and text (53 and 41 arrived; 51, 56, 68, 40 and
/// other errors failed; anything else is under way). In the system, `ALEAUD` goes out of a distribution
/// model (BD64) and the program RBDSTATE. They are messages of the source all the same.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SapIdocSourceConfig {
    /// Who may post, and how much.
    pub door: DoorConfig,
}

#[async_trait]
impl SourceConfig for SapIdocSourceConfig {
    const KIND: &'static str = "sap_idoc";

    fn example() -> &'static str {
        r#"door = { basic = [{ user = "S4-100", password = "env:SAP_DOOR_PASSWORD" }], max_in_flight = 16 }
"#
    }

    fn has_door(&self) -> bool {
        true
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        self.door.validate("door", false, &mut problems);
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SourceError> {
        self.door.check(context)
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Source>, SourceError> {
        let door = self.door.open(CALLBACKS, Arc::new(IdocDoor), context)?;
        Ok(Box::new(door))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_valid() {
        let config: SapIdocSourceConfig = toml::from_str(SapIdocSourceConfig::example()).unwrap();
        assert_eq!(config.validate(), []);
        let nobody: SapIdocSourceConfig = toml::from_str("[door]").unwrap();
        assert_eq!(nobody.validate()[0].key, "door.bearer");
    }
}
