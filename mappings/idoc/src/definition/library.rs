//! The definition files that come with the hub.

/// The control record, which every mapping knows.
pub(crate) const CONTROL: &str = include_str!("../../segments/control.toml");

/// Files by the name under which a mapping file asks for them.
const SHIPPED: [(&str, &str); 2] = [
    (
        "service-order",
        include_str!("../../segments/service-order.toml"),
    ),
    (
        "meter-reading-upload",
        include_str!("../../segments/meter-reading-upload.toml"),
    ),
];

/// A shipped file.
pub(crate) fn shipped(name: &str) -> Option<&'static str> {
    SHIPPED
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}

/// Names of the shipped files.
pub(crate) fn shipped_names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::SegmentFile;

    #[test]
    fn what_is_shipped_is_sound() {
        for (name, text) in SHIPPED {
            let file = SegmentFile::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(!file.entries.is_empty(), "{name}");
        }
    }

    #[test]
    fn the_control_record_has_its_524_characters() {
        let file = SegmentFile::parse(CONTROL).unwrap();
        let segments = file.segments().unwrap();
        let field = |name: &str| {
            let field = segments[0].field_at(segments[0].field(name).unwrap());
            (field.offset.unwrap(), field.length.unwrap())
        };
        for (name, place) in [
            ("DOCNUM", (13, 16)),
            ("IDOCTYP", (39, 30)),
            ("MESTYP", (99, 30)),
            ("SNDPRN", (162, 10)),
            ("RCVPOR", (263, 10)),
            ("CREDAT", (378, 8)),
            ("CRETIM", (386, 6)),
            ("ARCKEY", (434, 70)),
            ("SERIAL", (504, 20)),
        ] {
            assert_eq!(field(name), place, "{name}");
        }
    }
}
