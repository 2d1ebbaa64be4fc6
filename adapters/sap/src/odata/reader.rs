//! Fetches pages of an entity set.

use hub_core::SourceError;
use hub_web::{Answer, WebClient};
use reqwest::Method;
use reqwest::header::ACCEPT;

use super::Version;
use super::link::{own_path, with_options};
use super::mark::Mark;
use super::page::Page;
use super::place::{Following, Place, Step};
use crate::verdict::said;

/// Reads one entity set.
pub(crate) struct Reader {
    pub(crate) endpoint: String,
    pub(crate) client: WebClient,
    pub(crate) version: Version,
    /// Path of the set, with all options but those that follow from the place.
    pub(crate) path: String,
    /// `sap-client` and `sap-language`, which links may lack.
    pub(crate) system_options: Vec<(&'static str, String)>,
    pub(crate) filter: Option<String>,
    pub(crate) following: Following,
    pub(crate) page_size: Option<u64>,
    pub(crate) max_page_bytes: usize,
    pub(crate) links_keep_server: bool,
}

/// A page and what it means.
pub(crate) struct Fetched {
    pub(crate) step: Step,
    pub(crate) content: Vec<u8>,
    pub(crate) rows: u64,
}

/// Why there is no page.
pub(crate) enum NoPage {
    /// The service does not know the link any more: tokens of changes expire.
    LinkIsGone(String),
    Failed(SourceError),
}

impl Reader {
    /// Fetches the page at a place.
    pub(crate) async fn fetch(&self, place: &Place) -> Result<Fetched, NoPage> {
        let asked = self.asked(place);
        let path = self.path_at(place, asked);
        let make = || {
            let mut request = self
                .client
                .request(Method::GET, &path)
                .header(ACCEPT, "application/json");
            if self.following == Following::Changes {
                request = request.header("prefer", "odata.track-changes");
            }
            request
        };
        let response = self.client.send(make).await;
        let response = response.map_err(|error| NoPage::Failed(error.into()))?;
        let from = response.url().clone();
        // One byte more than is allowed, to tell a page that is too large from one that just fits.
        let answer = self.client.read(response, self.max_page_bytes + 1).await;
        if !answer.status.is_success() {
            return Err(self.no_page(place, &answer));
        }
        self.understood(place, &answer.body, asked, &from)
            .map_err(|reason| NoPage::Failed(self.disconnected(reason)))
    }

    /// Whether a page can be fetched.
    ///
    /// # Errors
    /// What was seen.
    pub(crate) async fn check(&self, place: &Place) -> Result<(), SourceError> {
        match self.fetch(place).await {
            Ok(_) => Ok(()),
            Err(NoPage::Failed(error)) => Err(error),
            Err(NoPage::LinkIsGone(reason)) => Err(self.disconnected(reason)),
        }
    }

    fn understood(
        &self,
        place: &Place,
        body: &[u8],
        asked: Option<u64>,
        from: &reqwest::Url,
    ) -> Result<Fetched, String> {
        if body.len() > self.max_page_bytes {
            let limit = self.max_page_bytes;
            return Err(format!(
                "its page has more than {limit} bytes; a smaller `page_size` or a larger \
                 `max_page_bytes` would do"
            ));
        }
        let page = Page::read(self.version, body).map_err(|error| format!("its answer {error}"))?;
        let own = |link: &str| own_path(from, link, self.links_keep_server);
        let step = place.step(&self.following, &page, asked, own);
        Ok(Fetched {
            step: step.map_err(|error| format!("its page {error}"))?,
            content: page.content(),
            rows: page.rows.len() as u64,
        })
    }

    fn asked(&self, place: &Place) -> Option<u64> {
        Some(self.page_size?.saturating_mul(1 << place.widened.min(16)))
    }

    fn path_at(&self, place: &Place, asked: Option<u64>) -> String {
        let system: Vec<(&str, &str)> = self
            .system_options
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        if let Some(link) = &place.link {
            return with_options(link, &system);
        }
        let filter = self.filter_at(place);
        let top = asked.map(|rows| rows.to_string());
        let mut options: Vec<(&str, &str)> = Vec::new();
        options.extend(filter.as_deref().map(|filter| ("$filter", filter)));
        if let Following::Field { name, .. } = &self.following {
            options.push(("$orderby", name));
            options.extend(top.as_deref().map(|top| ("$top", top)));
        }
        options.extend(system);
        with_options(&self.path, &options)
    }

    fn filter_at(&self, place: &Place) -> Option<String> {
        let Following::Field { name, kind, unique } = &self.following else {
            return self.filter.clone();
        };
        let mark = place
            .mark
            .as_deref()
            .and_then(|text| Mark::of_text(*kind, text));
        let Some(mark) = mark else {
            return self.filter.clone();
        };
        let operator = if *unique { "gt" } else { "ge" };
        let since = format!("{name} {operator} {}", mark.literal(*kind, self.version));
        Some(match &self.filter {
            Some(filter) => format!("({filter}) and {since}"),
            None => since,
        })
    }

    fn no_page(&self, place: &Place, answer: &Answer) -> NoPage {
        let reason = format!("it answered {} {}", answer.status, said(answer));
        match answer.status.as_u16() {
            400 | 404 | 410 if place.link.is_some() => NoPage::LinkIsGone(reason),
            _ => NoPage::Failed(self.disconnected(reason)),
        }
    }

    fn disconnected(&self, reason: String) -> SourceError {
        SourceError::Disconnected {
            endpoint: self.endpoint.clone(),
            reason,
        }
    }
}
