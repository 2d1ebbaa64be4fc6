//! Documents by template: an SMS, a letter, a mail, any small text that is made of one record.
//!
//! The mapping file says what the document is and holds its template, in the language of Jinja:
//!
//! ```toml
//! record = "work_order"
//! media_type = "application/json"
//! extension = "json"
//! escape = "json"
//! document = '''
//! {"to": {{ customer_phone }}, "text": {{ "Your meter is replaced on " ~ window.start | local("%d.%m. at %H:%M") ~ "." }}}
//! '''
//! ```
//!
//! - The fields of the record are those of the format `json` (`meterhub schema record`), by their
//!   names; `envelope.message_id` and `envelope.created` are there too. Of readings, `readings` is the
//!   list of them.
//! - `local` writes an instant in the enterprise's zone, by default as `2026-03-29 09:15`.
//! - What a record does not say is an error where it is printed, and a finding names it: say what then,
//!   `{{ comment | default("-") }}` or `{% if comment %}`.
//! - `escape = "json"` writes what is printed as JSON (texts in quotes), `"html"` escapes it, `"none"`
//!   prints it as it is.
//!
//! Only written, never read. Encoding UTF-8. A template is bounded in size, steps and output: see the
//! constants of [`TemplateFile`].

mod encode;
mod file;
mod local;
mod trial;

pub use encode::TemplateEncoder;
pub use file::{Escape, TemplateError, TemplateFile};
