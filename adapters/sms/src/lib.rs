//! SMS, over SMPP 3.4 (`sms`) and by gateways' web services (`sms_http`): sinks that send text
//! messages, and sources of what telephones answer and of delivery receipts.
//!
//! # What is sent
//!
//! A sink's body is a small JSON object, which a mapping or template makes; the same for both, so
//! that a text may fall over from one to the other:
//!
//! ```json
//! {"to": "+37255500001", "text": "Your meter is replaced tomorrow at 9.", "from": "Nordkraft", "valid_minutes": 120}
//! ```
//!
//! `from`, `valid_minutes` and `transactional` (it goes to those who opted out as well, where the
//! sink lets it) may be left out. `to` is `+` and an international number, or digits as the message
//! centre knows them. The text goes in GSM 03.38 if that has all its characters, else in
//! UCS-2; a long one in several parts.
//!
//! # What is received
//!
//! What a telephone wrote, in one piece though it came in parts:
//!
//! ```json
//! {"type": "message", "from": "+37255500001", "to": "12345", "text": "yes"}
//! ```
//!
//! If parts stay away, those that came are offered one by one, with
//! `"part": {"reference": 17, "number": 1, "of": 3}`. What is no text has `data`, in hexadecimal
//! digits, instead of `text`. A receipt:
//!
//! ```json
//! {"type": "receipt", "message_id": "m17", "state": "delivered", "from": "+37255500001",
//!  "to": "Nordkraft", "error": "000", "submitted": "2603290015", "done": "2603290016"}
//! ```
//!
//! `message_id` is the message centre's id of one part: the sink notes the ids of all parts with the
//! delivery. `state` is `scheduled`, `enroute`, `delivered`, `expired`, `deleted`, `undeliverable`,
//! `accepted`, `unknown`, `rejected` or `skipped`. What the message centre did not say is left out.
//!
//! # What is remembered
//!
//! In the hub's store, per enterprise, for all its SMS endpoints: who opted out, how many parts were
//! sent at what cost by day and month, and which parts of a half sent text were accepted (`memory`).
//! Each receipt is shown with the delivery of its text (`reference`).
//!
//! # What is not done
//!
//! - A gateway that tells several receipts in one call: the first is taken, by its JSON pointer.
//! - A text whose answer was lost is sent again, and may come twice: neither SMPP nor any gateway we
//!   know recognises it. One that falls over to another sink begins anew there.
//! - National language tables of GSM 03.38, flash and binary messages.
//!
//! # Why the protocol is our own code
//!
//! Of the SMPP crates only `rusmpp` 0.4 is kept up. Its client has no window, no reconnection and no
//! throttling. Its codec refuses a whole unit for one odd field (an address that is not ASCII, a
//! `receipted_message_id` without its zero octet, both seen from message centres) without saying the
//! sequence number that an answer needs, and reads the following units at wrong offsets then: one
//! such message would come again at each bind and end it, for ever.

mod account;
mod address;
mod carriers;
mod config;
mod cutting;
mod endpoint;
mod gateway;
mod incoming;
mod joining;
mod link;
mod memory;
mod metrics;
mod outgoing;
pub mod pdu;
mod price;
mod quiet;
mod receipt;
mod reference;
mod rules;
mod session;
mod settle;
mod sink;
mod source;
mod submission;
pub mod text;
mod unsettled;
mod verdict;
mod wishes;

pub use config::{
    Account, AnswerRule, DailyLimit, GatewayMethod, MessageTable, PrefixAccount, PrefixPrice,
    Price, QuietHours, ReceiptTable, Reference, RequestBody, SmsHttpSinkConfig,
    SmsHttpSourceConfig, SmsSinkConfig, SmsSourceConfig, TextBody, Tls,
};
pub use cutting::NotInGsm7;
pub use gateway::answer::Means;
pub use gateway::states::State;
pub use memory::{count, opt_out};
pub use reference::ReceiptIds;
pub use rules::{OptOut, WhenReached};
pub use submission::LongMessages;
pub use verdict::{Verdict, verdict};
