//! Links as keys: the same resource has one key, whatever dialect its links are written in.
//!
//! Seen in the field: `https://host/DataCustodian/espi/1_1/resource/RetailCustomer/4/UsagePoint/1`,
//! `/espi/1_1/resource/Subscription/5/UsagePoint/1/MeterReading/01`, the relative
//! `RetailCustomer/9b6c7063/UsagePoint/01` and the older `User/237422/UsagePoint/1402026`.

/// The key of a link: its path after `resource/`, without scheme, host, query and empty segments.
pub(crate) fn key(href: &str) -> String {
    let path = href.split(['?', '#']).next().unwrap_or_default();
    let path = match path.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => path,
    };
    let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    let first = segments
        .iter()
        .rposition(|s| s.eq_ignore_ascii_case("resource"))
        .map_or(0, |at| at + 1);
    segments[first..].join("/")
}

/// The part of a key up to the id of its last `collection`: the key of the owner.
///
/// `owner("RetailCustomer/4/UsagePoint/1/MeterReading/01/IntervalBlock", "MeterReading")` is
/// `RetailCustomer/4/UsagePoint/1/MeterReading/01`.
pub(crate) fn owner<'k>(key: &'k str, collection: &str) -> Option<&'k str> {
    let (_, end) = collection_id(key, collection)?;
    Some(&key[..end])
}

/// The part of a key from its last `collection` on: what is left when customers are named by
/// subscription in one place and by account in another.
pub(crate) fn tail<'k>(key: &'k str, collection: &str) -> Option<&'k str> {
    let (start, _) = collection_id(key, collection)?;
    Some(&key[start..])
}

/// The last segment: the id of a resource among its siblings.
pub(crate) fn id(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

/// Where the last `collection/id` of a key begins and ends.
fn collection_id(key: &str, collection: &str) -> Option<(usize, usize)> {
    let mut start = 0;
    let mut found = None;
    let mut segments = key.split('/').peekable();
    while let Some(segment) = segments.next() {
        let after = start + segment.len() + 1;
        if segment.eq_ignore_ascii_case(collection)
            && let Some(id) = segments.peek()
        {
            found = Some((start, after + id.len()));
        }
        start = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_for_every_dialect() {
        for href in [
            "https://services.greenbuttondata.org/DataCustodian/espi/1_1/resource/RetailCustomer/4/UsagePoint/1",
            "https://services.greenbuttondata.org//DataCustodian/espi/1_1/resource/RetailCustomer/4/UsagePoint/1/?x=y",
            "/espi/1_1/resource/RetailCustomer/4/UsagePoint/1",
            "RetailCustomer/4/UsagePoint/1",
        ] {
            assert_eq!(key(href), "RetailCustomer/4/UsagePoint/1", "{href}");
        }
        assert_eq!(key("https://host"), "");
        assert_eq!(key(""), "");
    }

    #[test]
    fn the_owner_is_found_in_the_path() {
        let block = "User/237422/UsagePoint/1402026/MeterReading/01/IntervalBlock/202303";
        assert_eq!(
            owner(block, "MeterReading"),
            Some("User/237422/UsagePoint/1402026/MeterReading/01")
        );
        assert_eq!(
            owner(block, "UsagePoint"),
            Some("User/237422/UsagePoint/1402026")
        );
        assert_eq!(owner(block, "ReadingType"), None);
        assert_eq!(owner("User/1/UsagePoint", "UsagePoint"), None);
        assert_eq!(
            tail("Subscription/5/UsagePoint/1/MeterReading/1", "UsagePoint"),
            Some("UsagePoint/1/MeterReading/1")
        );
        assert_eq!(id("User/237422/UsagePoint/1402026"), "1402026");
    }
}
