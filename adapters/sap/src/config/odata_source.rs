//! Configuration of a source that polls OData services.

use std::time::Duration;

use async_trait::async_trait;
use hub_core::{AdapterContext, ConfigProblem, Metric, Source, SourceConfig, SourceError};
use hub_web::{ClientOptions, WebServer};
use schemars::JsonSchema;
use serde::Deserialize;

use super::system;
use crate::odata::{
    Following, MarkKind, ODataSource, Place, Reader, SourceShared, Version, hash, with_options,
};

/// Polls an entity set of an SAP system; each page with something new in it becomes a message.
///
/// What is new is found in one of three ways: by a field whose values only grow (`field`), by the change
/// tracking of the service (`changes = true`), or by comparing all pages with what they were (neither). How
/// far it was read is remembered once a page is accepted; after a crash a page may be fetched
/// again, and is then recognised. When the configured set, filter or field changes, it is read from its
/// start.
///
/// The message is the page in JSON, its rows as they came, without the links:
/// `{"d":{"results":[...]}}` of V2, `{"value":[...]}` of V4. With `changes`, rows that were deleted
/// come as the service tells them (`"__metadata":{"deleted":true}`, `"@removed"`).
///
/// The links that a service gives (next page, changes) are followed to the configured server only. A link
/// that it does not know any more (its token expired) makes it read the set from its start.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SapODataSourceConfig {
    /// The system.
    pub server: WebServer,
    /// What the service speaks.
    pub version: Version,
    /// Path of the entity set: `/sap/opu/odata/sap/ZMETER_SRV/Orders`.
    pub path: String,
    /// Client of the system, `100` say. Default: the system's own.
    #[serde(default)]
    pub client: Option<String>,
    /// Language of texts, `EN` say.
    #[serde(default)]
    pub language: Option<String>,
    /// `$filter`: which rows.
    #[serde(default)]
    pub filter: Option<String>,
    /// `$select`: which fields.
    #[serde(default)]
    pub select: Option<String>,
    /// `$expand`: which related entities with them.
    #[serde(default)]
    pub expand: Option<String>,
    /// `$orderby`; not with `field`, which orders by itself.
    #[serde(default)]
    pub orderby: Option<String>,
    /// The field to follow.
    #[serde(default)]
    pub field: Option<FollowedField>,
    /// Follow the change tracking of the service.
    #[serde(default)]
    pub changes: bool,
    /// Rows of a page (`$top`); with `field` only, as pages are the server's else.
    #[serde(default = "page_size")]
    pub page_size: u64,
    /// Largest page in bytes. It is in memory, twice for a moment.
    #[serde(default = "max_page_bytes")]
    pub max_page_bytes: usize,
    /// Pause between the end of the set and the next look, in seconds.
    #[serde(default = "poll_seconds")]
    pub poll_seconds: u64,
    /// Take only the path of links that lead to another server, and stay at the configured one: for
    /// systems behind a gateway, which do not know the name they are called by.
    #[serde(default)]
    pub links_keep_server: bool,
}

/// A field whose values only grow, as a time of last change does.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FollowedField {
    /// Its name: `LastChangeDateTime`.
    pub name: String,
    /// Its type.
    pub r#type: MarkKind,
    /// No two rows have the same value, as with numbers that the system gives. Else rows of the highest
    /// value are asked for again at each look, as more of them may have come, and come again with
    /// these.
    #[serde(default)]
    pub unique: bool,
}

fn page_size() -> u64 {
    1_000
}

fn max_page_bytes() -> usize {
    16 * 1024 * 1024
}

fn poll_seconds() -> u64 {
    60
}

impl SapODataSourceConfig {
    fn following(&self) -> Following {
        match &self.field {
            Some(field) => Following::Field {
                name: field.name.clone(),
                kind: field.r#type,
                unique: field.unique,
            },
            None if self.changes => Following::Changes,
            None => Following::Whole,
        }
    }

    /// The path with what is the same at every page.
    fn path(&self) -> String {
        let given = [
            ("$select", &self.select),
            ("$expand", &self.expand),
            ("$orderby", &self.orderby),
        ];
        let given = given
            .iter()
            .filter_map(|(name, value)| Some((*name, value.as_deref()?)));
        with_options(&self.path, &given.collect::<Vec<_>>())
    }

    fn reader(&self, context: &AdapterContext) -> Result<Reader, SourceError> {
        let client = self.server.client(context);
        let client = client.map_err(|reason| disconnected(context, reason))?;
        let following = self.following();
        Ok(Reader {
            endpoint: context.name.clone(),
            client,
            version: self.version,
            path: self.path(),
            system_options: system::options(self.client.as_deref(), self.language.as_deref()),
            filter: self.filter.clone(),
            page_size: matches!(following, Following::Field { .. }).then_some(self.page_size),
            following,
            max_page_bytes: self.max_page_bytes,
            links_keep_server: self.links_keep_server,
        })
    }

    /// What a remembered place is a place in: the rows that are asked for and how they are followed.
    fn identity(&self) -> String {
        let of = format!(
            "{:?}",
            (
                self.version,
                self.path(),
                &self.filter,
                &self.client,
                self.following()
            )
        );
        hash([self.server.url.as_bytes(), of.as_bytes()].into_iter())
    }

    fn shared(&self, context: &AdapterContext) -> Result<SourceShared, SourceError> {
        let path = self.path.split('?').next().unwrap_or_default();
        Ok(SourceShared {
            endpoint: context.name.clone(),
            set: path.rsplit('/').next().unwrap_or_default().to_owned(),
            identity: self.identity(),
            reader: self.reader(context)?,
            state: context.state.clone(),
            meter: context.meter.clone(),
            poll: Duration::from_secs(self.poll_seconds),
        })
    }
}

fn disconnected(context: &AdapterContext, reason: String) -> SourceError {
    SourceError::Disconnected {
        endpoint: context.name.clone(),
        reason,
    }
}

#[async_trait]
impl SourceConfig for SapODataSourceConfig {
    const KIND: &'static str = "sap_odata";

    fn example() -> &'static str {
        r#"server = { url = "https://s4.example:44300", auth = { oauth2 = { token_url = "https://s4.example:44300/sap/bc/sec/oauth2/token", client_id = "METERHUB", client_secret = "env:SAP_SECRET" } } }
version = "v4"
path = "/sap/opu/odata4/sap/zmeter/srvd_a2x/sap/zmeter/0001/DeviceOrders"
client = "100"
filter = "Plant eq '1010'"
select = "OrderID,DeviceID,LastChangeDateTime"
field = { name = "LastChangeDateTime", type = "datetimeoffset" }
page_size = 500
poll_seconds = 60
"#
    }

    fn metrics() -> &'static [Metric] {
        &crate::metrics::OF_ODATA_SOURCE
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        self.server.validate("server", &mut problems);
        system::validate(
            self.client.as_deref(),
            self.language.as_deref(),
            &mut problems,
        );
        system::validate_path("path", &self.path, &mut problems);
        let mut error = |key, reason: &str| problems.push(ConfigProblem::error(key, reason));
        if self.field.is_some() && self.changes {
            error("changes", "is set beside `field`, expected one of them");
        }
        if self.field.is_some() && self.orderby.is_some() {
            error(
                "orderby",
                "is set beside `field`, which orders the rows by itself",
            );
        }
        if let Some(field) = &self.field {
            let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '/';
            if field.name.is_empty() || !field.name.chars().all(is_name) {
                error(
                    "field.name",
                    "is no name of a field, expected one such as `LastChangeDateTime`",
                );
            }
            if field.r#type == MarkKind::DateTime && self.version == Version::V4 {
                error(
                    "field.type",
                    "V4 has no `datetime`, expected `datetimeoffset`",
                );
            }
        }
        if !(1..=100_000).contains(&self.page_size) {
            error("page_size", "expected 1 to 100000");
        }
        if !(1_024..=256 * 1024 * 1024).contains(&self.max_page_bytes) {
            error("max_page_bytes", "expected 1024 to 268435456");
        }
        if !(1..=86_400).contains(&self.poll_seconds) {
            error("poll_seconds", "expected 1 to 86400");
        }
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SourceError> {
        let options = ClientOptions::default();
        self.server.check(options, None, context).await?;
        let mut reader = self.reader(context)?;
        reader.following = Following::Whole;
        // One row will do, also if it was read before: nothing is remembered.
        reader.path = with_options(&reader.path, &[("$top", "1")]);
        reader.check(&Place::start("")).await
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Source>, SourceError> {
        let source = ODataSource::connect(self.shared(context)?).await?;
        Ok(Box::new(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(toml: &str) -> SapODataSourceConfig {
        let server = "server = { url = 'https://s4.example' }";
        toml::from_str(&format!("{toml}\n{server}")).unwrap()
    }

    #[test]
    fn the_example_is_valid() {
        let example: SapODataSourceConfig =
            toml::from_str(SapODataSourceConfig::example()).unwrap();
        assert_eq!(example.validate(), []);
    }

    #[test]
    fn wrong_values_are_errors() {
        let field = "field = { name = 'At', type = 'datetime' }";
        for (toml, keys) in [
            (
                format!("version = 'v2'\npath = '/S'\n{field}\nchanges = true"),
                ["changes"],
            ),
            (
                format!("version = 'v2'\npath = '/S'\n{field}\norderby = 'At'"),
                ["orderby"],
            ),
            (
                format!("version = 'v4'\npath = '/S'\n{field}"),
                ["field.type"],
            ),
            (
                "version = 'v2'\npath = '/S'\nfield = { name = 'a b', type = 'string' }".into(),
                ["field.name"],
            ),
            ("version = 'v2'\npath = 'S'".into(), ["path"]),
            (
                "version = 'v2'\npath = '/S'\npage_size = 0".into(),
                ["page_size"],
            ),
            (
                "version = 'v2'\npath = '/S'\npoll_seconds = 0".into(),
                ["poll_seconds"],
            ),
            (
                "version = 'v2'\npath = '/S'\nmax_page_bytes = 1".into(),
                ["max_page_bytes"],
            ),
        ] {
            let found = config(&toml).validate();
            let found: Vec<&str> = found.iter().map(|p| p.key.as_str()).collect();
            assert_eq!(found, keys, "{toml}");
        }
    }

    #[test]
    fn another_set_is_another_place() {
        let one = config("version = 'v2'\npath = '/S'");
        for other in [
            "path = '/T'",
            "path = '/S'\nfilter = 'x'",
            "path = '/S'\nclient = '100'",
            "path = '/S'\nchanges = true",
        ] {
            assert_ne!(
                one.identity(),
                config(&format!("version = 'v2'\n{other}")).identity()
            );
        }
        assert_eq!(
            one.identity(),
            config("version = 'v2'\npath = '/S'\npoll_seconds = 5").identity()
        );
    }
}
