//! Makes a value harmless where a template puts it: one way for each kind of place. For paths and
//! queries of URLs, `hub-web` has it; of file names, [`Template`](crate::Template).

/// One line, a header of a mail say: control characters become blanks.
#[must_use]
pub fn line(value: &str) -> String {
    value.replace(char::is_control, " ")
}

/// One level of a topic of MQTT: what has a meaning in topics is percent-encoded, so that a message
/// cannot choose another place.
#[must_use]
pub fn topic_level(value: &str) -> String {
    let mut level = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '/' => level.push_str("%2F"),
            '+' => level.push_str("%2B"),
            '#' => level.push_str("%23"),
            '$' => level.push_str("%24"),
            '%' => level.push_str("%25"),
            c => level.push(c),
        }
    }
    level
}

/// Text of HTML or XML, between tags or in an attribute.
#[must_use]
pub fn markup(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\'' => text.push_str("&#39;"),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_in_its_place() {
        assert_eq!(line("x\r\nBcc: y"), "x  Bcc: y");
        assert_eq!(topic_level("meter:7"), "meter:7");
        assert_eq!(topic_level("a/../$SYS/#+%"), "a%2F..%2F%24SYS%2F%23%2B%25");
        assert_eq!(markup("<b a='\"'>&"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;");
    }
}
