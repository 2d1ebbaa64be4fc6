//! Which fields of a mapping say what of a reading.

use crate::header::Layout;
use crate::source::{Origin, Source};

/// The fields of readings, found once.
pub(super) struct Roles<'l> {
    pub(super) meter: Option<&'l Source>,
    pub(super) usage_point: Option<&'l Source>,
    pub(super) reading_type: Option<&'l Source>,
    pub(super) kind: Option<&'l Source>,
    pub(super) at: Option<&'l Source>,
    pub(super) value: Option<&'l Source>,
    pub(super) quality: Option<&'l Source>,
    pub(super) day: Option<&'l Source>,
    pub(super) reported: Option<&'l Source>,
    pub(super) source: Option<&'l Source>,
    pub(super) reason: Option<&'l Source>,
    pub(super) has_detail: bool,
    /// What tells one series from another.
    pub(super) naming: Vec<&'l Source>,
}

impl<'l> Roles<'l> {
    pub(super) fn of(layout: &'l Layout) -> Self {
        let find = |name| layout.mapping().field(name);
        let naming = ["meter", "usage_point", "reading_type", "kind"];
        let mut roles = Self {
            meter: find("meter"),
            usage_point: find("usage_point"),
            reading_type: find("reading_type"),
            kind: find("kind"),
            at: find("at"),
            value: find("value"),
            quality: find("quality"),
            day: find("day"),
            reported: find("reported"),
            source: find("source"),
            reason: find("reason"),
            has_detail: false,
            naming: naming
                .into_iter()
                .filter_map(find)
                .filter(|source| !matches!(source.origin, Origin::Constant(_)))
                .collect(),
        };
        roles.has_detail = roles.reported.or(roles.source).or(roles.reason).is_some();
        roles
    }
}
