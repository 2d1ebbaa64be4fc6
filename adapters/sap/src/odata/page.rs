//! One page of an entity set: its rows as they came, and the links beside them.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Version;

/// A page.
///
/// - V2: `{"d": {"results": [...], "__next": "...", "__delta": "..."}}`, or `{"d": [...]}`
/// - V4: `{"@odata.context": "...", "value": [...], "@odata.nextLink": "...", "@odata.deltaLink": "..."}`
#[derive(Debug)]
pub(crate) struct Page<'a> {
    version: Version,
    context: Option<Cow<'a, str>>,
    pub(crate) rows: Vec<&'a RawValue>,
    /// Where the rest is.
    pub(crate) next: Option<Cow<'a, str>>,
    /// Where changes will be.
    pub(crate) delta: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct OuterV2<'a> {
    #[serde(borrow)]
    d: &'a RawValue,
}

#[derive(Deserialize)]
struct InnerV2<'a> {
    #[serde(borrow)]
    results: Vec<&'a RawValue>,
    #[serde(borrow, rename = "__next")]
    next: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "__delta")]
    delta: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct PageV4<'a> {
    #[serde(borrow, rename = "@odata.context", alias = "@context")]
    context: Option<Cow<'a, str>>,
    #[serde(borrow)]
    value: Vec<&'a RawValue>,
    #[serde(borrow, rename = "@odata.nextLink", alias = "@nextLink")]
    next: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "@odata.deltaLink", alias = "@deltaLink")]
    delta: Option<Cow<'a, str>>,
}

impl<'a> Page<'a> {
    /// Reads a page.
    ///
    /// # Errors
    /// It is none, and what would be.
    pub(crate) fn read(version: Version, body: &'a [u8]) -> Result<Self, String> {
        match version {
            Version::V2 => Self::read_v2(body),
            Version::V4 => Self::read_v4(body),
        }
    }

    fn read_v2(body: &'a [u8]) -> Result<Self, String> {
        let wrong = |error| wrong(error, r#"`{"d": {"results": [...]}}`"#);
        let d = serde_json::from_slice::<OuterV2<'a>>(body)
            .map_err(wrong)?
            .d
            .get();
        let inner = match d.starts_with('[') {
            true => InnerV2 {
                results: serde_json::from_str(d).map_err(wrong)?,
                next: None,
                delta: None,
            },
            false => serde_json::from_str(d).map_err(wrong)?,
        };
        Ok(Self {
            version: Version::V2,
            context: None,
            rows: inner.results,
            next: inner.next.filter(|link| !link.is_empty()),
            delta: inner.delta.filter(|link| !link.is_empty()),
        })
    }

    fn read_v4(body: &'a [u8]) -> Result<Self, String> {
        let page: PageV4<'a> =
            serde_json::from_slice(body).map_err(|error| wrong(error, r#"`{"value": [...]}`"#))?;
        Ok(Self {
            version: Version::V4,
            context: page.context,
            rows: page.value,
            next: page.next.filter(|link| !link.is_empty()),
            delta: page.delta.filter(|link| !link.is_empty()),
        })
    }

    /// The page to pass on: the rows byte by byte as they came, in the form of its version, without the
    /// links. A service makes a new delta link at each fetch; the same rows are to be the same message.
    pub(crate) fn content(&self) -> Vec<u8> {
        let rows: usize = self.rows.iter().map(|row| row.get().len() + 1).sum();
        let mut out = Vec::with_capacity(rows + 200);
        let (opening, closing): (&[u8], &[u8]) = match self.version {
            Version::V2 => (b"{\"d\":{\"results\":[", b"]}}"),
            Version::V4 => (b"\"value\":[", b"]}"),
        };
        if self.version == Version::V4 {
            out.push(b'{');
            if let Some(context) = &self.context {
                out.extend_from_slice(b"\"@odata.context\":");
                out.extend(serde_json::to_vec(context).unwrap_or_else(|_| b"null".to_vec()));
                out.push(b',');
            }
        }
        out.extend_from_slice(opening);
        for (number, row) in self.rows.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            out.extend_from_slice(row.get().as_bytes());
        }
        out.extend_from_slice(closing);
        out
    }
}

/// A field of a row.
///
/// # Errors
/// It has none of this name.
pub(crate) fn field<'a>(row: &'a RawValue, name: &str) -> Result<&'a RawValue, String> {
    let members: HashMap<Cow<'a, str>, &'a RawValue> =
        serde_json::from_str(row.get()).map_err(|_| "holds a row that is no object".to_owned())?;
    members
        .get(name)
        .copied()
        .ok_or_else(|| format!("holds a row without `{name}`; is it left out by `select`?"))
}

fn wrong(error: serde_json::Error, expected: &str) -> String {
    format!("is no page of an entity set ({error}), expected {expected}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read_and_passed_on_without_links() {
        let v2 = br#"{"d": {"__count":"2", "results":[{"A":"1.50", "B":null}, {"A":"2"}],
            "__next":"Set?$skiptoken=2","__delta":"Set?!deltatoken='D1'"}}"#;
        let page = Page::read(Version::V2, v2).unwrap();
        assert_eq!(
            page.content(),
            br#"{"d":{"results":[{"A":"1.50", "B":null},{"A":"2"}]}}"#
        );
        assert_eq!(page.next.as_deref(), Some("Set?$skiptoken=2"));
        assert_eq!(page.delta.as_deref(), Some("Set?!deltatoken='D1'"));
        let v4 = br#"{"@odata.context":"$metadata#Set","@odata.count":1,"value":[{"A":1.50}],"@odata.nextLink":"a\/b"}"#;
        let page = Page::read(Version::V4, v4).unwrap();
        assert_eq!(
            page.content(),
            br#"{"@odata.context":"$metadata#Set","value":[{"A":1.50}]}"#
        );
        assert_eq!(page.next.as_deref(), Some("a/b"));
        assert_eq!(page.delta, None);
        let old = Page::read(Version::V2, br#"{"d":[{"A":1}]}"#).unwrap();
        assert_eq!(old.content(), br#"{"d":{"results":[{"A":1}]}}"#);
        let empty = Page::read(Version::V4, br#"{"value":[],"@odata.nextLink":""}"#).unwrap();
        assert_eq!(empty.next, None);
        assert_eq!(empty.content(), br#"{"value":[]}"#);
    }

    #[test]
    fn what_is_no_page_says_what_would_be() {
        for (version, body, hint) in [
            (Version::V2, r#"{"value":[]}"#, "results"),
            (Version::V4, r#"{"d":{"results":[]}}"#, "value"),
            (Version::V4, "<html>", "value"),
            (Version::V2, r#"{"d":{"results":[{]}}"#, "results"),
            (Version::V2, "", "results"),
        ] {
            let error = Page::read(version, body.as_bytes()).unwrap_err();
            assert!(error.contains(hint), "{error}");
        }
    }

    #[test]
    fn fields_are_found_whatever_their_neighbours() {
        let row = RawValue::from_string(r#"{"x\ny":[1,{"At":0}],"At":"2026"}"#.to_owned()).unwrap();
        assert_eq!(field(&row, "At").unwrap().get(), "\"2026\"");
        assert!(field(&row, "No").unwrap_err().contains("`No`"));
        let text = RawValue::from_string("1".to_owned()).unwrap();
        assert!(field(&text, "At").is_err());
    }
}
