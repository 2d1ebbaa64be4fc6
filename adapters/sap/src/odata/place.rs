//! Where the reading of an entity set stands, and where a page leads from there. Pure: what is asked
//! next is decided here, what is asked is asked elsewhere.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::mark::{Mark, MarkKind};
use super::page::{Page, field};

/// A page whose rows all have one value of the field is asked for again, each time twice as large, so
/// many times at most.
const MOST_WIDENINGS: u32 = 6;

/// Most pages of a set that is compared as a whole: their hashes are remembered, as one value of the
/// hub's memory.
const MOST_PAGES: usize = 1_000;

/// Most pages that links lead through before there are changes to wait for: a service whose links go
/// round in a circle must not keep us for ever.
const MOST_LINKED_PAGES: usize = 100_000;

/// How changes of a set are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Following {
    /// By the service's own change tracking.
    Changes,
    /// By a field whose values only grow.
    Field {
        name: String,
        kind: MarkKind,
        /// No two rows have the same value.
        unique: bool,
    },
    /// A page comes again when it differs from what it was.
    Whole,
}

/// How far a set was read. Kept in the hub's memory once the page before was accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// What it is a place in: a place in another set, or under another filter, means nothing.
    pub(crate) set: String,
    /// Path of the next page, or of the changes since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) link: Option<String>,
    /// Highest value of the field so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mark: Option<String>,
    /// Hash of the rows that have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at_mark: Option<String>,
    /// How often the page was doubled to get past rows of one value.
    #[serde(default)]
    pub(crate) widened: u32,
    /// Number of the next page in this round.
    #[serde(default)]
    page: usize,
    /// Hashes of the pages, as they were last accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pages: Vec<String>,
}

/// What a page means for who reads a set.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The page is a message, of this key; without one there is nothing new in it.
    pub(crate) key: Option<String>,
    /// The place after it.
    pub(crate) place: Place,
    /// There is more, now.
    pub(crate) more: bool,
}

impl Place {
    /// The beginning of a set.
    pub(crate) fn start(set: &str) -> Self {
        Self {
            set: set.to_owned(),
            ..Self::default()
        }
    }

    /// The place that was remembered, if it is one of this set.
    pub(crate) fn remembered(set: &str, text: Option<&str>) -> Self {
        let place: Option<Self> = text.and_then(|text| serde_json::from_str(text).ok());
        place
            .filter(|place| place.set == set)
            .unwrap_or_else(|| Self::start(set))
    }

    /// For the hub's memory.
    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Where a page leads. `asked` is how many rows were asked for; `own` makes a path of our server
    /// of a link.
    ///
    /// # Errors
    /// The page cannot be followed without losing rows; what would help.
    pub(crate) fn step(
        &self,
        following: &Following,
        page: &Page<'_>,
        asked: Option<u64>,
        own: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Step, String> {
        let next = page.next.as_deref().map(&own).transpose()?;
        if next.is_some() && next == self.link {
            return Err("has a link to itself as its next page".to_owned());
        }
        match following {
            Following::Changes => {
                let delta = page.delta.as_deref().map(&own).transpose()?;
                self.step_by_changes(page, next, delta)
            }
            Following::Field { name, kind, unique } => {
                let rows = page.rows.len() as u64;
                let is_full = next.is_some() || asked.is_some_and(|asked| rows >= asked);
                let marks = marks(page, name, *kind)?;
                match unique {
                    true => Ok(self.step_by_unique_field(page, marks.last(), is_full)),
                    false => self.step_by_field(page, &marks, is_full),
                }
            }
            Following::Whole => self.step_by_comparison(page, next),
        }
    }

    fn step_by_changes(
        &self,
        page: &Page<'_>,
        next: Option<String>,
        delta: Option<String>,
    ) -> Result<Step, String> {
        let more = next.is_some();
        let link = next.or(delta).ok_or(
            "ends without a link to its changes: the service does not track them; follow a field \
             (`field`), or the set as a whole",
        )?;
        if self.page >= MOST_LINKED_PAGES {
            return Err(format!(
                "is the {MOST_LINKED_PAGES}th in a row; do its links go in a circle?"
            ));
        }
        let origin = self.link.as_deref().unwrap_or_default();
        Ok(Step {
            key: (!page.rows.is_empty()).then(|| key(&[&self.set, origin], page)),
            place: Self {
                link: Some(link),
                page: if more { self.page + 1 } else { 0 },
                ..Self::start(&self.set)
            },
            more,
        })
    }

    fn step_by_unique_field(&self, page: &Page<'_>, last: Option<&Mark>, is_full: bool) -> Step {
        let origin = self.mark.as_deref().unwrap_or_default();
        Step {
            key: last.map(|_| key(&[&self.set, origin], page)),
            place: Self {
                mark: last.map(Mark::text).or_else(|| self.mark.clone()),
                ..Self::start(&self.set)
            },
            more: is_full && last.is_some(),
        }
    }

    /// Rows of the value that was the highest are asked for again, as more of them may have come.
    fn step_by_field(
        &self,
        page: &Page<'_>,
        marks: &[Mark],
        is_full: bool,
    ) -> Result<Step, String> {
        let Some(last) = marks.last() else {
            return Ok(Step {
                key: None,
                place: self.clone(),
                more: false,
            });
        };
        let mark = last.text();
        let rows_at_mark = page.rows.iter().zip(marks).filter(|(_, at)| *at == last);
        let at_mark = hash(rows_at_mark.map(|(row, _)| row.get().as_bytes()));
        let is_same_mark = self.mark.as_ref() == Some(&mark);
        if is_same_mark && self.at_mark.as_ref() == Some(&at_mark) {
            return self.nothing_new(is_full);
        }
        let origin = self.mark.as_deref().unwrap_or_default();
        Ok(Step {
            key: Some(key(&[&self.set, origin], page)),
            place: Self {
                mark: Some(mark),
                at_mark: Some(at_mark),
                widened: if is_same_mark { self.widened } else { 0 },
                ..Self::start(&self.set)
            },
            more: is_full,
        })
    }

    fn nothing_new(&self, is_full: bool) -> Result<Step, String> {
        if !is_full {
            return Ok(Step {
                key: None,
                place: self.clone(),
                more: false,
            });
        }
        if self.widened >= MOST_WIDENINGS {
            let mark = self.mark.as_deref().unwrap_or_default();
            return Err(format!(
                "has more rows of the one value `{mark}` than {} pages hold; a larger `page_size`, or \
                 a finer field, would do",
                1 << MOST_WIDENINGS
            ));
        }
        let place = Self {
            widened: self.widened + 1,
            ..self.clone()
        };
        Ok(Step {
            key: None,
            place,
            more: true,
        })
    }

    fn step_by_comparison(&self, page: &Page<'_>, next: Option<String>) -> Result<Step, String> {
        if self.page >= MOST_PAGES {
            return Err(format!(
                "has more than {MOST_PAGES} pages, too many to be compared; follow a field (`field`)"
            ));
        }
        let found = hash(page.rows.iter().map(|row| row.get().as_bytes()));
        let before = self.pages.get(self.page).map_or("", String::as_str);
        let is_new = found != before && !(page.rows.is_empty() && before.is_empty());
        let number = self.page.to_string();
        // With what it was before: a page that is again what it was once is news.
        let key = is_new.then(|| key(&[&self.set, &number, before], page));
        let mut pages = self.pages.clone();
        pages.truncate(if next.is_some() {
            pages.len()
        } else {
            self.page + 1
        });
        match pages.get_mut(self.page) {
            Some(place) => *place = found,
            None => pages.push(found),
        }
        let more = next.is_some();
        Ok(Step {
            key,
            place: Self {
                link: next,
                page: if more { self.page + 1 } else { 0 },
                pages,
                ..Self::start(&self.set)
            },
            more,
        })
    }
}

/// The values of the field, row by row.
///
/// # Errors
/// A row has none, or they are not in order: reading on from the highest would lose rows.
fn marks(page: &Page<'_>, name: &str, kind: MarkKind) -> Result<Vec<Mark>, String> {
    let mark = |row: &&RawValue| {
        let value = field(row, name)?;
        Mark::of_json(kind, value).map_err(|error| format!("holds a row whose `{name}` {error}"))
    };
    let marks: Vec<Mark> = page.rows.iter().map(mark).collect::<Result<_, String>>()?;
    match marks.is_sorted() {
        true => Ok(marks),
        false => Err(format!(
            "is not in the order of `{name}`, as was asked for; it cannot be followed by this field"
        )),
    }
}

/// The key of a page as a message: the same when it is fetched again from the same place.
fn key(origin: &[&str], page: &Page<'_>) -> String {
    let rows = page.rows.iter().map(|row| row.get().as_bytes());
    let origin = origin.iter().map(|part| part.as_bytes());
    format!("odata {}", hash(origin.chain(rows)))
}

/// 32 hexadecimal digits that depend on every part and where it ends.
pub(crate) fn hash<'a>(parts: impl Iterator<Item = &'a [u8]>) -> String {
    use std::fmt::Write;
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut text = String::with_capacity(32);
    for byte in &hasher.finalize()[..16] {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::Version;
    use super::*;

    fn by_field(unique: bool) -> Following {
        Following::Field {
            name: "At".to_owned(),
            kind: MarkKind::Integer,
            unique,
        }
    }

    fn rows(values: &[(i64, &str)]) -> String {
        let rows: Vec<String> = values
            .iter()
            .map(|(at, id)| format!(r#"{{"Id":"{id}","At":{at}}}"#))
            .collect();
        rows.join(",")
    }

    fn step(
        place: &Place,
        following: &Following,
        rows: &str,
        links: &str,
        asked: u64,
    ) -> Result<Step, String> {
        let body = format!(r#"{{"value":[{rows}]{links}}}"#);
        let page = Page::read(Version::V4, body.as_bytes()).unwrap();
        place.step(following, &page, Some(asked), |link| Ok(link.to_owned()))
    }

    #[test]
    fn changes_are_followed_by_their_links() {
        let start = Place::start("s");
        let follow = |place: &Place, rows: &str, links: &str| {
            step(place, &Following::Changes, rows, links, 9)
        };
        let first = follow(&start, "{}", r#","@odata.nextLink":"/n""#).unwrap();
        assert!(first.key.is_some() && first.more);
        assert_eq!(first.place.link.as_deref(), Some("/n"));
        let last = follow(&first.place, "{}", r#","@odata.deltaLink":"/d1""#).unwrap();
        assert!(last.key.is_some() && last.key != first.key && !last.more);
        let quiet = follow(&last.place, "", r#","@odata.deltaLink":"/d2""#).unwrap();
        assert_eq!(
            (quiet.key, quiet.place.link.as_deref()),
            (None, Some("/d2"))
        );
        assert!(
            follow(&start, "{}", "")
                .unwrap_err()
                .contains("does not track")
        );
        let circle = follow(&first.place, "{}", r#","@odata.nextLink":"/n""#);
        assert!(circle.unwrap_err().contains("itself"));
        let tired = Place {
            page: MOST_LINKED_PAGES,
            ..first.place
        };
        let endless = follow(&tired, "{}", r#","@odata.nextLink":"/m""#);
        assert!(endless.unwrap_err().contains("circle"));
    }

    #[test]
    fn a_page_fetched_again_has_the_same_key_whatever_its_links() {
        let place = Place::start("s");
        let key = |links| {
            step(&place, &Following::Changes, "{}", links, 9)
                .unwrap()
                .key
        };
        assert_eq!(
            key(r#","@odata.deltaLink":"/a""#),
            key(r#","@odata.deltaLink":"/b""#)
        );
    }

    #[test]
    fn a_unique_field_is_followed_by_its_last_value() {
        let unique = by_field(true);
        let first = step(
            &Place::start("s"),
            &unique,
            &rows(&[(1, "a"), (2, "b")]),
            "",
            2,
        )
        .unwrap();
        assert!(first.more && first.key.is_some());
        assert_eq!(first.place.mark.as_deref(), Some("2"));
        let end = step(&first.place, &unique, "", "", 2).unwrap();
        assert_eq!(
            end,
            Step {
                key: None,
                place: first.place,
                more: false
            }
        );
    }

    #[test]
    fn rows_that_share_a_value_are_never_lost() {
        let field = by_field(false);
        let first = step(
            &Place::start("s"),
            &field,
            &rows(&[(1, "a"), (2, "b")]),
            "",
            3,
        )
        .unwrap();
        assert!(first.key.is_some() && !first.more);
        // The same row again: nothing new.
        let quiet = step(&first.place, &field, &rows(&[(2, "b")]), "", 3).unwrap();
        assert_eq!(
            quiet,
            Step {
                key: None,
                place: first.place.clone(),
                more: false
            }
        );
        // Another of the same value, later.
        let late = step(&first.place, &field, &rows(&[(2, "b"), (2, "c")]), "", 3).unwrap();
        assert!(late.key.is_some() && late.place.mark == first.place.mark);
    }

    #[test]
    fn a_page_of_one_value_is_widened_and_at_last_an_error() {
        let field = by_field(false);
        let tie = rows(&[(5, "a"), (5, "b")]);
        let mut place = step(&Place::start("s"), &field, &tie, "", 2).unwrap().place;
        for widened in 1..=MOST_WIDENINGS {
            let step = step(&place, &field, &tie, "", 2).unwrap();
            assert!(step.key.is_none() && step.more);
            assert_eq!(step.place.widened, widened);
            place = step.place;
        }
        let error = step(&place, &field, &tie, "", 2).unwrap_err();
        assert!(error.contains("page_size"), "{error}");
        let past = step(&place, &field, &rows(&[(5, "a"), (6, "c")]), "", 9).unwrap();
        assert_eq!(past.place.widened, 0);
    }

    #[test]
    fn what_cannot_be_followed_without_loss_is_an_error() {
        let unsorted = step(
            &Place::start("s"),
            &by_field(false),
            &rows(&[(2, "b"), (1, "a")]),
            "",
            9,
        );
        assert!(unsorted.unwrap_err().contains("order of `At`"));
        let missing = step(&Place::start("s"), &by_field(true), r#"{"Id":"a"}"#, "", 9);
        assert!(missing.unwrap_err().contains("`At`"));
        let null = step(&Place::start("s"), &by_field(true), r#"{"At":null}"#, "", 9);
        assert!(null.unwrap_err().contains("`At`"));
    }

    #[test]
    fn a_whole_set_comes_page_by_page_when_it_differs() {
        let whole = Following::Whole;
        let next = r#","@odata.nextLink":"/2""#;
        let round = |place: &Place, one: &str, two: &str| {
            let first = step(place, &whole, one, next, 9).unwrap();
            assert!(first.more && first.place.link.is_some());
            let second = step(&first.place, &whole, two, "", 9).unwrap();
            assert!(!second.more && second.place.link.is_none());
            (first.key, second.key, second.place)
        };
        let (a1, b1, place) = round(&Place::start("s"), "1", "2");
        assert!(a1.is_some() && b1.is_some());
        let (none, none_either, place) = round(&place, "1", "2");
        assert_eq!((none, none_either), (None, None));
        let (a2, none, place) = round(&place, "3", "2");
        assert!(a2.is_some() && none.is_none());
        let (a3, _, place) = round(&place, "1", "2");
        assert!(a3.is_some() && a3 != a1, "what it was once is news again");
        let shorter = step(&place, &whole, "1", "", 9).unwrap();
        assert_eq!(shorter.place.pages.len(), 1);
        let empty = step(&Place::start("s"), &whole, "", "", 9).unwrap();
        assert_eq!(empty.key, None, "an empty set is no news at first");
    }

    #[test]
    fn a_place_is_remembered_for_its_set_only() {
        let place = Place {
            mark: Some("7".into()),
            link: Some("/x".into()),
            ..Place::start("s")
        };
        assert_eq!(Place::remembered("s", Some(&place.text())), place);
        assert_eq!(
            Place::remembered("t", Some(&place.text())),
            Place::start("t")
        );
        assert_eq!(Place::remembered("s", Some("{")), Place::start("s"));
        assert_eq!(Place::remembered("s", None), Place::start("s"));
    }
}
