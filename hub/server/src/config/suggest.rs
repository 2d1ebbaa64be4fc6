//! "Did you mean": the valid name nearest to a wrong one, and lists of valid names.

/// A proposal, if one of the names is near enough to be a slip of the finger.
pub(crate) fn did_you_mean<'a>(
    wrong: &str,
    valid: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let length = wrong.chars().count();
    let most = (length / 3).max(1);
    valid
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|(distance, _)| *distance <= most && *distance < length)
        .min()
        .map(|(_, name)| format!("did you mean `{name}`?"))
}

/// "expected `a`", "expected `a` or `b`", "expected one of `a`, `b`, `c`"; for nothing `none`.
pub(crate) fn expected<'a>(valid: impl IntoIterator<Item = &'a str>, none: &str) -> String {
    let names: Vec<String> = valid.into_iter().map(|n| format!("`{n}`")).collect();
    match names.as_slice() {
        [] => none.to_owned(),
        [one] => format!("expected {one}"),
        [one, other] => format!("expected {one} or {other}"),
        many => format!("expected one of {}", many.join(", ")),
    }
}

/// The names between backticks of a message such as serde's
/// "unknown field `a`, expected one of `b`, `c`": the wrong one and the valid ones.
pub(crate) fn unknown_name(message: &str) -> Option<(&str, &str, Vec<&str>)> {
    let (what, rest) = ["unknown field `", "unknown value `"]
        .iter()
        .find_map(|start| Some((start.trim_end_matches(" `"), message.strip_prefix(start)?)))?;
    let (wrong, rest) = rest.split_once('`')?;
    let valid = rest.split('`').skip(1).step_by(2).collect();
    Some((what, wrong, valid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposes_only_what_is_near() {
        let valid = ["poll_seconds", "path", "pattern"];
        assert_eq!(
            did_you_mean("pol_seconds", valid).as_deref(),
            Some("did you mean `poll_seconds`?")
        );
        assert_eq!(
            did_you_mean("paht", valid).as_deref(),
            Some("did you mean `path`?")
        );
        assert_eq!(did_you_mean("url", valid), None);
        assert_eq!(did_you_mean("a", ["b"]), None);
    }

    #[test]
    fn takes_apart_what_serde_says() {
        let found = unknown_name("unknown field `a`, expected one of `b`, `c`, `d`");
        assert_eq!(found, Some(("unknown field", "a", vec!["b", "c", "d"])));
        let found = unknown_name("unknown value `x`, expected `y` or `z`");
        assert_eq!(found, Some(("unknown value", "x", vec!["y", "z"])));
        assert_eq!(unknown_name("missing field `a`"), None);
    }
}
