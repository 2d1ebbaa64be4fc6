//! Paths to fields: `E1EDKA1[PARVW=AG]/PARTN`, `E1EDKA1/E1EDKA3[QUALP=001]/STDPN`.

use mapping_tabular::shown;

use crate::definition::Definitions;

/// A path to segments: each step below the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentPath {
    pub(crate) steps: Vec<Step>,
}

/// One segment of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// The segment, by its definition.
    pub(crate) segment: u16,
    /// Fields that must have these values.
    pub(crate) tests: Vec<Test>,
}

/// What a field must be for a segment to be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) field: u16,
    pub(crate) value: String,
}

/// A path to a field of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldPath {
    pub(crate) segment: SegmentPath,
    pub(crate) field: u16,
}

impl FieldPath {
    /// Reads a path to a field.
    ///
    /// # Errors
    /// What is wrong with it, and what would be valid.
    pub(crate) fn parse(text: &str, definitions: &Definitions) -> Result<Self, String> {
        let Some((segments, field)) = last_step(text) else {
            return Err(format!(
                "`{}` is not a path, expected one such as `E1EDKA1[PARVW=AG]/PARTN`",
                shown(text.as_bytes())
            ));
        };
        let segment = SegmentPath::parse(segments, definitions)?;
        let field = field_of(segment.last(), field, definitions)?;
        Ok(Self { segment, field })
    }
}

impl SegmentPath {
    /// Reads a path to segments.
    ///
    /// # Errors
    /// What is wrong with it, and what would be valid.
    pub(crate) fn parse(text: &str, definitions: &Definitions) -> Result<Self, String> {
        let steps: Result<Vec<Step>, String> = split_steps(text)
            .into_iter()
            .map(|step| Step::parse(step, definitions))
            .collect();
        Ok(Self { steps: steps? })
    }

    /// The segment that the path leads to.
    pub(crate) fn last(&self) -> u16 {
        self.steps.last().map_or(0, |step| step.segment)
    }
}

impl Step {
    fn parse(text: &str, definitions: &Definitions) -> Result<Self, String> {
        let (name, tests) = match text.split_once('[') {
            None => (text, None),
            Some((name, tests)) => {
                let inner = tests.strip_suffix(']').ok_or_else(|| {
                    format!(
                        "`{}` has no `]` at its end, expected a qualifier such as `[PARVW=AG]`",
                        shown(text.as_bytes())
                    )
                })?;
                (name, Some(inner))
            }
        };
        let segment = definitions.find(name.trim()).ok_or_else(|| {
            format!(
                "segment `{}` is not defined, expected one of `{}`; define it with `[[segment]]`, or name its file in `segments`",
                shown(name.as_bytes()),
                definitions.names().join("`, `")
            )
        })?;
        let tests: Result<Vec<Test>, String> = tests
            .into_iter()
            .flat_map(|tests| tests.split(','))
            .map(|test| Test::parse(test, segment, definitions))
            .collect();
        Ok(Self {
            segment,
            tests: tests?,
        })
    }
}

impl Test {
    fn parse(text: &str, segment: u16, definitions: &Definitions) -> Result<Self, String> {
        let (field, value) = text.split_once('=').ok_or_else(|| {
            format!(
                "`{}` is not a qualifier, expected `FIELD=VALUE`",
                shown(text.as_bytes())
            )
        })?;
        Ok(Self {
            field: field_of(segment, field.trim(), definitions)?,
            value: value.trim().to_owned(),
        })
    }
}

fn field_of(segment: u16, name: &str, definitions: &Definitions) -> Result<u16, String> {
    let segment = definitions.get(segment);
    segment.field(name).ok_or_else(|| {
        let known: Vec<&str> = segment.field_names().collect();
        format!(
            "segment `{}` has no field `{}`, expected one of `{}`",
            segment.name,
            shown(name.as_bytes()),
            known.join("`, `")
        )
    })
}

/// Segments and field of a path.
fn last_step(text: &str) -> Option<(&str, &str)> {
    let at = slashes(text).last()?;
    let (segments, field) = (&text[..at], &text[at + 1..]);
    (!segments.is_empty() && !field.is_empty()).then_some((segments, field))
}

fn split_steps(text: &str) -> Vec<&str> {
    let (mut steps, mut from) = (Vec::new(), 0);
    for at in slashes(text) {
        steps.push(&text[from..at]);
        from = at + 1;
    }
    steps.push(&text[from..]);
    steps
}

/// Where the slashes are that are not in a qualifier.
fn slashes(text: &str) -> impl Iterator<Item = usize> + '_ {
    let mut inside = false;
    text.bytes().enumerate().filter_map(move |(at, c)| {
        match c {
            b'[' => inside = true,
            b']' => inside = false,
            b'/' if !inside => return Some(at),
            _ => {}
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::SegmentFile;

    fn definitions() -> Definitions {
        let text = r#"
            segment = [
                { name = "E1EDKA1", fields = [{ name = "PARVW" }, { name = "PARTN" }] },
                { name = "E1EDKA3", fields = [{ name = "QUALP" }, { name = "STDPN" }] },
            ]"#;
        let mut all = Definitions::default();
        for segment in SegmentFile::parse(text).unwrap().segments().unwrap() {
            all.add(segment).unwrap();
        }
        all
    }

    #[test]
    fn steps_and_qualifiers_are_told_apart() {
        let all = definitions();
        let path = FieldPath::parse("E1EDKA1[PARVW=A/G]/E1EDKA3[QUALP=001]/STDPN", &all).unwrap();
        assert_eq!(path.field, 1);
        let steps: Vec<_> = path.segment.steps.iter().map(|step| step.segment).collect();
        assert_eq!(steps, [0, 1]);
        assert_eq!(path.segment.steps[0].tests[0].value, "A/G");
    }

    #[test]
    fn says_what_would_be_valid() {
        let all = definitions();
        let refused = |text: &str| FieldPath::parse(text, &all).unwrap_err();
        assert!(refused("PARTN").contains("not a path"));
        assert!(refused("E1EDK01/BELNR").contains("one of `E1EDKA1`, `E1EDKA3`"));
        assert!(refused("E1EDKA1/NAME").contains("one of `PARVW`, `PARTN`"));
        assert!(refused("E1EDKA1[PARVW]/PARTN").contains("FIELD=VALUE"));
        assert!(refused("E1EDKA1[PARVW=AG/PARTN").contains("not a path"));
        assert!(refused("E1EDKA1[PARVW=AG/X]Y/PARTN").contains("no `]`"));
    }
}
