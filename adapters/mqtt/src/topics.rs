//! Names and filters of topics (MQTT 5, 4.7 and 4.8.2).

use crate::text;

/// What a shared subscription begins with.
const SHARE: &str = "$share/";

/// Whether messages can be published to this topic.
///
/// # Errors
/// Why not.
pub(crate) fn check_topic(topic: &str) -> Result<(), String> {
    check_text(topic)?;
    match topic.contains(['+', '#']) {
        true => Err(format!(
            "`{topic}` holds `+` or `#`, which stand for topics in subscriptions only"
        )),
        false => Ok(()),
    }
}

/// Whether this can be subscribed to.
///
/// # Errors
/// Why not.
pub(crate) fn check_filter(filter: &str) -> Result<(), String> {
    check_text(filter)?;
    let shared = filter.strip_prefix(SHARE);
    if let Some(rest) = shared {
        let (group, topic) = rest.split_once('/').unwrap_or_default();
        if group.is_empty() || group.contains(['+', '#']) || topic.is_empty() {
            return Err(format!("`{filter}`: expected `$share/group/topic`"));
        }
    }
    let levels: Vec<_> = bare(filter).split('/').collect();
    for (index, level) in levels.iter().enumerate() {
        let last = index + 1 == levels.len();
        if level.len() > 1 && level.contains(['+', '#']) {
            return Err(format!(
                "`{filter}`: `+` and `#` stand for whole levels, expected `a/+/b` or `a/#`"
            ));
        }
        if *level == "#" && !last {
            return Err(format!("`{filter}`: `#` stands at the end only"));
        }
    }
    Ok(())
}

/// Whether a valid filter covers a topic.
pub(crate) fn covers(filter: &str, topic: &str) -> bool {
    let mut filters = bare(filter).split('/');
    // Topics of the broker's own are not covered by leading wildcards.
    if topic.starts_with('$') && bare(filter).starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    loop {
        match (filters.next(), levels.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(filter), Some(level)) if filter == level => {}
            _ => return false,
        }
    }
}

/// A filter without the group that shares it.
fn bare(filter: &str) -> &str {
    let shared = filter.strip_prefix(SHARE).and_then(|f| f.split_once('/'));
    shared.map_or(filter, |(_, topic)| topic)
}

fn check_text(topic: &str) -> Result<(), String> {
    match topic.is_empty() {
        true => Err("is empty, expected a topic such as `hes/readings`".to_owned()),
        false => text::check_text(topic),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_whole_levels() {
        for good in ["a", "#", "+", "a/+/b/#", "$share/g/a/+", "/a//b"] {
            assert!(check_filter(good).is_ok(), "{good}");
        }
        for wrong in [
            "",
            "a+",
            "a/#/b",
            "a#",
            "$share/g",
            "$share//a",
            "$share/+/a",
            "a\0",
        ] {
            assert!(check_filter(wrong).is_err(), "{wrong}");
        }
        assert!(check_topic("a/b").is_ok());
        assert!(check_topic("a/+").is_err() && check_topic("").is_err());
    }

    #[test]
    fn a_filter_covers_what_the_broker_would_send() {
        for (filter, topic, expected) in [
            ("a/b", "a/b", true),
            ("a/+", "a/b", true),
            ("a/+", "a/b/c", false),
            ("a/#", "a/b/c", true),
            ("a/#", "a", true),
            ("#", "a/b", true),
            ("#", "$SYS/x", false),
            ("$share/g/a/+", "a/b", true),
            ("a/b", "a", false),
        ] {
            assert_eq!(covers(filter, topic), expected, "{filter} {topic}");
        }
    }
}
