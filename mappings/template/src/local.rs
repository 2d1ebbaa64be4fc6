//! The filter `local`: an instant in the enterprise's zone.

use hub_model::Zone;
use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use minijinja::{Error, ErrorKind};

/// As people read a time where nobody says how.
const DEFAULT: &str = "%Y-%m-%d %H:%M";

/// The filter for a zone.
pub(crate) fn filter(
    zone: &Zone,
) -> impl Fn(String, Option<String>) -> Result<String, Error> + Send + Sync + 'static {
    let zone = TimeZone::get(&zone.name()).unwrap_or(TimeZone::UTC);
    move |instant, format| {
        let wrong = |what: String| Error::new(ErrorKind::InvalidOperation, what);
        let instant: Timestamp = instant
            .parse()
            .map_err(|_| wrong(format!("`local` is for instants, and `{instant}` is none")))?;
        let local = instant.to_zoned(zone.clone());
        let format = format.as_deref().unwrap_or(DEFAULT);
        strtime::format(format, &local)
            .map_err(|error| wrong(format!("`local(\"{format}\")`: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_in_the_zone_on_both_sides_of_the_clock_change() {
        let local = filter(&Zone::named("Europe/Helsinki").unwrap());
        let text = |instant: &str, format: Option<&str>| {
            local(instant.to_owned(), format.map(ToOwned::to_owned))
        };
        assert_eq!(
            text("2026-03-29T00:59:00Z", None).unwrap(),
            "2026-03-29 02:59"
        );
        assert_eq!(
            text("2026-03-29T01:00:00Z", None).unwrap(),
            "2026-03-29 04:00"
        );
        assert_eq!(
            text("2026-03-29T01:00:00Z", Some("%d.%m. %H:%M")).unwrap(),
            "29.03. 04:00"
        );
        assert!(text("tomorrow", None).is_err());
        assert!(text("2026-03-29T01:00:00Z", Some("%")).is_err());
    }
}
