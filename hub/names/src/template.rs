//! Names of output files, made from a template and the message.

use hub_core::OutgoingMessage;

use crate::MessageTemplate;

/// Longest file name in bytes: file systems allow 255, a done-file's suffix or a number may follow.
const LONGEST_NAME: usize = 230;

/// Longest part of a name that one value may make, in bytes.
const LONGEST_VALUE: usize = 120;

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(MessageTemplate);

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong, and what would be valid.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains(['/', '\\']) {
            return Err("holds a folder separator; a name stands in one folder".to_owned());
        }
        let template = MessageTemplate::parse(text)?;
        match template.is_empty() {
            true => Err("is empty, expected a name such as `{message_id}.{extension}`".to_owned()),
            false => Ok(Self(template)),
        }
    }

    /// Whether each message gets a name of its own.
    #[must_use]
    pub fn is_unique(&self) -> bool {
        self.0.is_unique()
    }

    /// The name for a message: a plain file name on any file system.
    ///
    /// # Errors
    /// It is too long.
    pub fn name(&self, message: &OutgoingMessage) -> Result<String, String> {
        let mut name = safe(&self.0.fill(message, value_text), usize::MAX);
        if name.starts_with('.') {
            // Hidden files are never picked up, and `..` is no file.
            name.replace_range(..1, "_");
        }
        if name.len() > LONGEST_NAME {
            let length = name.len();
            return Err(format!(
                "file name of {length} bytes, at most {LONGEST_NAME} are possible"
            ));
        }
        Ok(name)
    }
}

fn value_text(value: &str) -> String {
    match value {
        "" => "_".to_owned(),
        value => safe(value, LONGEST_VALUE),
    }
}

/// Replaces what is no part of a file name on some file system, and cuts what is too long.
fn safe(value: &str, longest: usize) -> String {
    let mut safe = String::with_capacity(value.len().min(longest));
    for c in value.chars() {
        let c = match c {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
            c if c.is_control() => '_',
            c => c,
        };
        if safe.len() + c.len_utf8() > longest {
            break;
        }
        safe.push(c);
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message_template::tests::message;

    fn name(template: &str) -> String {
        Template::parse(template).unwrap().name(&message()).unwrap()
    }

    #[test]
    fn values_are_made_parts_of_names() {
        assert_eq!(name("{message_id}.{extension}"), "0000000015NM7.csv");
        assert_eq!(name("{enterprise}-{subject}"), "nord-work_order_4711");
        assert_eq!(name("a:b-{created:%H:%M}"), "a_b-00_15");
    }

    #[test]
    fn no_value_leaves_the_folder_or_hides() {
        let mut message = message();
        let template = Template::parse("{subject}").unwrap();
        for (value, expected) in [
            ("../../etc/passwd", "_._.._etc_passwd"),
            (".hidden", "_hidden"),
            ("a\0b\nc", "a_b_c"),
            ("", "_"),
            ("C:\\x", "C__x"),
            ("Zähler", "Zähler"),
        ] {
            message.subject = value.into();
            assert_eq!(template.name(&message).unwrap(), expected);
        }
        message.subject = "ä".repeat(300);
        assert_eq!(template.name(&message).unwrap().len(), LONGEST_VALUE);
        let twice = Template::parse("{subject}{subject}").unwrap();
        assert!(twice.name(&message).unwrap_err().contains("at most 230"));
    }

    #[test]
    fn a_wrong_template_says_what_would_be_right() {
        for (template, hint) in [
            ("", "{message_id}"),
            ("{nessage_id}", "`{message_id}`"),
            ("out/{message_id}", "one folder"),
        ] {
            let error = Template::parse(template).unwrap_err();
            assert!(error.contains(hint), "{template}: {error}");
        }
    }
}
