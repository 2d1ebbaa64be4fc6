//! Configuration of a mailbox.

use std::time::Duration;

use async_trait::async_trait;
use hub_core::{AdapterContext, ConfigProblem, Source, SourceConfig, SourceError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Server;
use crate::letter::{Rules, globs};
use crate::mailbox::{Mailbox, Problem};
use crate::mime::MimeLimits;
use crate::settle::Office;
use crate::source::{MailboxSource, Manner, Shared, disconnected};

/// Shortest pause between two looks, in milliseconds: each is work for the partner's server.
const SHORTEST_POLL_MILLISECONDS: u64 = 100;

/// Longest pause between two looks, in milliseconds: servers log out who rests for half an hour.
const LONGEST_POLL_MILLISECONDS: u64 = 20 * 60 * 1_000;

/// Most mails under way at once: each is in memory.
const LARGEST_WINDOW: usize = 16;

/// Largest mail, in bytes: it is in memory twice while it is read.
const LARGEST_MAIL: u64 = 100 * 1024 * 1024;

/// Most parts of a mail.
const MOST_PARTS: usize = 10_000;

/// Deepest nesting: each level takes room on the stack.
const DEEPEST_NESTING: usize = 50;

/// Takes mails from a mailbox, by IMAP (EIP: Polling Consumer): each attachment, or the text,
/// becomes a message.
///
/// A mail stays where it is, unread, until the hub has all its messages on disk; only then is it
/// moved to the folder `done`. Should that fail, or the hub stop before, the mail is read again and
/// each message is recognised by its key: the Message-ID and the number of the part. One that can
/// never be taken is moved to the folder `refused`, with a note beside it that says why: its sender
/// is not allowed, nothing in it is wanted, it is beyond a limit, not complete, or its Message-ID
/// came before with other content.
///
/// Mails in a mail (forwarded ones) are opened like any other part. Headers of a message: `from`,
/// `subject`, `date`, `message-id`, `in-reply-to`, `references`, `part`.
///
/// Anybody can write any sender into a mail: whether it is true, the mail server must check (SPF,
/// DKIM, DMARC) before the mail is in this folder. One hub may read a folder at a time.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MailboxSourceConfig {
    /// The IMAP server. `login` is needed.
    pub server: Server,
    /// The folder that mails come into.
    #[serde(default = "folder")]
    pub folder: String,
    /// The folder for mails that the hub has; made if need be. Named as the server does:
    /// `INBOX.Done` on some.
    #[serde(default = "done")]
    pub done: String,
    /// The folder for mails that were not taken; made if need be.
    #[serde(default = "refused")]
    pub refused: String,
    /// What becomes a message.
    #[serde(default)]
    pub take: Take,
    /// Patterns of attachments' names to take: `*`, `?`, `[a-z]`, `{xlsx,csv}`. Case makes no
    /// difference.
    #[serde(default = "everything")]
    pub include: Vec<String>,
    /// Patterns of names not to take, even if included.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Patterns of senders' addresses: `*@montage.example`. Empty: anybody. Case makes no
    /// difference.
    #[serde(default)]
    pub allow_from: Vec<String>,
    /// Longest pause between two looks, in milliseconds. A server that can (IDLE) tells of a new
    /// mail at once.
    #[serde(default = "poll_milliseconds")]
    pub poll_milliseconds: u64,
    /// Largest mail, in bytes, as it is sent: an attachment is a third longer than its file.
    #[serde(default = "max_mail_bytes")]
    pub max_mail_bytes: u64,
    /// Most parts of a mail.
    #[serde(default = "max_parts")]
    pub max_parts: usize,
    /// How deep parts may be in each other; a forwarded mail is one level more.
    #[serde(default = "max_nesting")]
    pub max_nesting: usize,
    /// How many messages may be under way at once. 1 keeps their order.
    #[serde(default = "window")]
    pub window: usize,
}

/// What of a mail becomes a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Take {
    /// Each attachment whose name fits.
    #[default]
    Attachments,
    /// The text; of a text and the same in HTML, the first.
    Text,
    /// Both.
    Both,
}

fn folder() -> String {
    "INBOX".to_owned()
}

fn done() -> String {
    "Done".to_owned()
}

fn refused() -> String {
    "Refused".to_owned()
}

fn everything() -> Vec<String> {
    vec!["*".to_owned()]
}

fn poll_milliseconds() -> u64 {
    30_000
}

fn max_mail_bytes() -> u64 {
    25 * 1024 * 1024
}

fn max_parts() -> usize {
    100
}

fn max_nesting() -> usize {
    10
}

fn window() -> usize {
    1
}

/// Whether a folder can be named so in any server's alphabet.
fn is_folder(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| (' '..='~').contains(&c) && c != '&')
}

impl MailboxSourceConfig {
    fn rules(&self) -> Result<Rules, ConfigProblem> {
        let globs = |key: &str, patterns: &[String]| {
            globs(patterns).map_err(|wrong| {
                ConfigProblem::error(key, format!("{wrong}; a pattern looks like `*.xlsx`"))
            })
        };
        Ok(Rules {
            take: self.take,
            include: globs("include", &self.include)?,
            exclude: globs("exclude", &self.exclude)?,
            senders: match self.allow_from.is_empty() {
                true => None,
                false => Some(globs("allow_from", &self.allow_from)?),
            },
            limits: MimeLimits {
                parts: self.max_parts,
                nesting: self.max_nesting.min(DEEPEST_NESTING),
            },
        })
    }

    async fn mailbox(&self, context: &AdapterContext) -> Result<Mailbox, Problem> {
        let endpoint = self.server.endpoint(context).map_err(Problem::Lost)?;
        Mailbox::connect(endpoint).await
    }

    async fn open(&self, context: &AdapterContext) -> Result<Mailbox, Problem> {
        let mailbox = self.mailbox(context).await?;
        for folder in [&self.done, &self.refused] {
            mailbox.make(folder).await?;
        }
        mailbox.open(&self.folder, false).await?;
        Ok(mailbox)
    }

    fn validate_folders(&self, error: &mut impl FnMut(&str, String)) {
        let all = [
            ("folder", &self.folder),
            ("done", &self.done),
            ("refused", &self.refused),
        ];
        for (key, name) in all {
            if !is_folder(name) {
                let reason = format!(
                    "is `{name}`, expected a name such as `INBOX.done`, in ASCII without `&`"
                );
                error(key, reason);
            }
        }
        for (key, name) in [("done", &self.done), ("refused", &self.refused)] {
            if *name == self.folder {
                error(
                    key,
                    "is `folder` too: mails would be taken again".to_owned(),
                );
            }
        }
    }

    fn validate_numbers(&self, error: &mut impl FnMut(&str, String)) {
        let mut within = |key: &str, is: u64, least: u64, most: u64| {
            if !(least..=most).contains(&is) {
                error(key, format!("is {is}, expected {least} to {most}"));
            }
        };
        within(
            "poll_milliseconds",
            self.poll_milliseconds,
            SHORTEST_POLL_MILLISECONDS,
            LONGEST_POLL_MILLISECONDS,
        );
        within("max_mail_bytes", self.max_mail_bytes, 1, LARGEST_MAIL);
        within("max_parts", self.max_parts as u64, 1, MOST_PARTS as u64);
        within(
            "max_nesting",
            self.max_nesting as u64,
            1,
            DEEPEST_NESTING as u64,
        );
        within("window", self.window as u64, 1, LARGEST_WINDOW as u64);
    }
}

#[async_trait]
impl SourceConfig for MailboxSourceConfig {
    const KIND: &'static str = "mailbox";

    fn example() -> &'static str {
        r#"include = ["*.xlsx", "*.csv"]
allow_from = ["*@montage.example"]
server.address = "imap.nordkraft.example:993"
server.security = "tls"
server.login = { user = "orders@nordkraft.example", password = "env:IMAP_PASSWORD" }
"#
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        self.server.validate(&mut problems);
        problems.extend(self.rules().err());
        let mut error =
            |key: &str, reason: String| problems.push(ConfigProblem::error(key, reason));
        if self.server.login.is_none() {
            error("server.login", "is missing, a mailbox has an owner".into());
        }
        if self.include.is_empty() && self.take != Take::Text {
            let reason = "is empty: no attachment would be taken; `[\"*\"]` takes all";
            error("include", reason.into());
        }
        self.validate_folders(&mut error);
        self.validate_numbers(&mut error);
        if self.allow_from.is_empty() {
            let reason = "is empty: whoever knows the address can send messages";
            problems.push(ConfigProblem::warning("allow_from", reason));
        }
        if self.window > 1 {
            let reason = "above 1, messages may be accepted in another order than they came";
            problems.push(ConfigProblem::warning("window", reason));
        }
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SourceError> {
        let looked = async { self.mailbox(context).await?.open(&self.folder, true).await };
        looked.await.map_err(|p| disconnected(&context.name, &p))
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Source>, SourceError> {
        let failed = |problem| disconnected(&context.name, &problem);
        let rules = self.rules();
        let rules = rules.map_err(|p| failed(Problem::Lost(p.to_string())))?;
        let office = Office {
            mailbox: self.open(context).await.map_err(failed)?,
            done: self.done.clone(),
            refused: self.refused.clone(),
            clock: context.clock.clone(),
        };
        let manner = Manner {
            poll: Duration::from_millis(self.poll_milliseconds),
            window: self.window.clamp(1, LARGEST_WINDOW),
            largest: self.max_mail_bytes.min(LARGEST_MAIL),
            rules,
        };
        let shared = Shared::new(context.name.clone(), office);
        Ok(Box::new(MailboxSource::new(shared, manner)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str =
        "server = { address = 'x:993', login = { user = 'me', password = 'env:P' } }\n";

    fn problems(toml: &str) -> Vec<String> {
        let config: MailboxSourceConfig = toml::from_str(toml).unwrap();
        config.validate().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_example_is_valid() {
        assert_eq!(
            problems(MailboxSourceConfig::example()),
            Vec::<String>::new()
        );
    }

    #[test]
    fn problems_name_the_key_and_what_would_be_valid() {
        let found = problems(
            "include = ['[a']\ndone = 'INBOX'\nrefused = 'Zähler'\npoll_milliseconds = 1\n\
             max_mail_bytes = 0\nmax_parts = 0\nmax_nesting = 99\nwindow = 0\nserver.address = 'x:1'",
        );
        for (key, hint) in [
            ("`include`", "`*.xlsx`"),
            ("`done`", "taken again"),
            ("`refused`", "ASCII"),
            ("`poll_milliseconds`", "100 to"),
            ("`max_mail_bytes`", "1 to"),
            ("`max_parts`", "1 to"),
            ("`max_nesting`", "1 to 50"),
            ("`window`", "1 to 16"),
            ("`server.login`", "missing"),
        ] {
            let named = |p: &String| p.contains(key) && p.contains(hint);
            assert!(found.iter().any(named), "{key}: {found:?}");
        }
    }

    #[test]
    fn a_mailbox_open_to_all_is_a_warning() {
        let found = problems(&format!("window = 3\n{SERVER}"));
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
