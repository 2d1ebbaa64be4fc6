//! Properties and headers of AMQP messages, to and from the hub's.

use hub_broker::Kept;
use hub_core::{Headers, OutgoingMessage};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};

/// `delivery_mode` of a message that survives a restart of the broker.
pub(crate) const PERSISTENT: u8 = 2;

/// Who we say we are, in `app-id`.
const APP_ID: &str = "meterhub";

/// Header that names a message.
const FILE_NAME: &str = "x-filename";

/// Names that are properties of the protocol, and not headers beside them.
const PROTOCOL: [&str; 11] = [
    "message-id",
    "correlation-id",
    "content-type",
    "timestamp",
    "app-id",
    "user-id",
    "reply-to",
    "type",
    "expiration",
    "content-encoding",
    "priority",
];

/// What a configuration says of every message.
#[derive(Debug, Clone, Default)]
pub(crate) struct FixedProperties {
    pub(crate) headers: Headers,
    pub(crate) reply_to: Option<String>,
    /// The message's header `reply-to` is where it goes itself.
    pub(crate) is_reply: bool,
    pub(crate) message_type: Option<String>,
    /// Milliseconds, as text: so the protocol has it.
    pub(crate) expiration: Option<String>,
}

/// Whether a configuration may set a header of this name.
///
/// # Errors
/// Why not.
pub(crate) fn is_free(name: &str) -> Result<(), String> {
    let lower = name.to_ascii_lowercase();
    if name.is_empty() || name.len() > 255 {
        return Err(format!("`{name}` is empty or too long a name"));
    }
    if PROTOCOL.contains(&lower.as_str()) {
        return Err(format!(
            "`{name}` is a property of the protocol, not a header"
        ));
    }
    Ok(())
}

/// The properties of an outgoing message. The message's own headers win over the configured ones.
///
/// # Errors
/// A value cannot be expressed in the protocol.
pub(crate) fn outgoing(
    message: &OutgoingMessage,
    fixed: &FixedProperties,
) -> Result<BasicProperties, String> {
    let own = |name: &str| {
        let mut named = message
            .headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let value = named.next().map(|(_, value)| value.clone());
        value.filter(|value| !value.is_empty())
    };
    let correlation_id = own("correlation-id").unwrap_or(message.correlation_id.to_string());
    let reply_to = own("reply-to").filter(|_| !fixed.is_reply);
    let seconds = u64::try_from(message.created.micros() / 1_000_000).unwrap_or_default();
    let mut properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_message_id(text("message-id", &message.message_id.to_string())?)
        .with_correlation_id(text("correlation-id", &correlation_id)?)
        .with_content_type(text("content-type", &message.media_type)?)
        .with_timestamp(seconds)
        .with_app_id(text("app-id", APP_ID)?);
    if let Some(reply_to) = reply_to.or_else(|| fixed.reply_to.clone()) {
        properties = properties.with_reply_to(text("reply-to", &reply_to)?);
    }
    if let Some(kind) = own("type").or_else(|| fixed.message_type.clone()) {
        properties = properties.with_type(text("type", &kind)?);
    }
    if let Some(encoding) = own("content-encoding") {
        properties = properties.with_content_encoding(text("content-encoding", &encoding)?);
    }
    if let Some(expiration) = own("expiration").or_else(|| fixed.expiration.clone()) {
        if expiration.parse::<u32>().is_err() {
            return Err(format!(
                "`expiration` is `{expiration}`, expected milliseconds"
            ));
        }
        properties = properties.with_expiration(text("expiration", &expiration)?);
    }
    if let Some(Ok(priority)) = own("priority").map(|value| value.parse()) {
        properties = properties.with_priority(priority);
    }
    Ok(properties.with_headers(outgoing_headers(message, fixed)))
}

fn outgoing_headers(message: &OutgoingMessage, fixed: &FixedProperties) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in fixed.headers.iter().chain(&message.headers) {
        // What is a property is no header as well.
        if let (Ok(()), Ok(name)) = (is_free(name), ShortString::try_new(name.as_str())) {
            table.insert(
                name,
                AMQPValue::LongString(LongString::from(value.as_str())),
            );
        }
    }
    table
}

fn text(what: &str, value: &str) -> Result<ShortString, String> {
    ShortString::try_new(value).map_err(|e| format!("`{what}` cannot be sent: {e}"))
}

/// The properties and headers of an incoming message that are kept with it, names in lower case.
pub(crate) fn incoming_headers(properties: &BasicProperties) -> Headers {
    let mut kept = Kept::default();
    let short = |value: &Option<ShortString>| value.as_ref().map(|v| v.as_str().to_owned());
    kept.keep("correlation-id", short(properties.correlation_id()));
    kept.keep("reply-to", short(properties.reply_to()));
    kept.keep("type", short(properties.kind()));
    kept.keep("app-id", short(properties.app_id()));
    kept.keep("expiration", short(properties.expiration()));
    kept.keep("content-encoding", short(properties.content_encoding()));
    kept.keep("timestamp", properties.timestamp().map(|t| t.to_string()));
    kept.keep("priority", properties.priority().map(|p| p.to_string()));
    for (name, value) in properties.headers().iter().flat_map(FieldTable::inner) {
        // A sender must not write what the broker vouches for.
        if is_free(name.as_str()).is_ok() {
            kept.keep(name.as_str(), plain(value));
        }
    }
    kept.into_headers()
}

/// The sender's id of a message, its name, and its media type.
pub(crate) struct Identity {
    pub(crate) business_key: Option<String>,
    pub(crate) name: String,
    pub(crate) media_type: Option<String>,
}

/// What an incoming message is.
pub(crate) fn identity(properties: &BasicProperties) -> Identity {
    let given = |value: &Option<ShortString>| {
        let value = value.as_ref().map(|v| v.as_str().to_owned());
        value.filter(|v| !v.is_empty())
    };
    let business_key = given(properties.message_id());
    let headers = properties.headers().as_ref();
    let file_name = headers
        .and_then(|h| h.inner().get(FILE_NAME))
        .and_then(plain);
    Identity {
        name: file_name
            .or_else(|| business_key.clone())
            .unwrap_or_default(),
        business_key,
        media_type: given(properties.content_type()),
    }
}

/// A header's value as text; `None` for tables, lists and bytes, which no text can say.
fn plain(value: &AMQPValue) -> Option<String> {
    Some(match value {
        AMQPValue::Boolean(v) => v.to_string(),
        AMQPValue::ShortShortInt(v) => v.to_string(),
        AMQPValue::ShortShortUInt(v) => v.to_string(),
        AMQPValue::ShortInt(v) => v.to_string(),
        AMQPValue::ShortUInt(v) => v.to_string(),
        AMQPValue::LongInt(v) => v.to_string(),
        AMQPValue::LongUInt(v) => v.to_string(),
        AMQPValue::LongLongInt(v) => v.to_string(),
        AMQPValue::Float(v) => v.to_string(),
        AMQPValue::Double(v) => v.to_string(),
        AMQPValue::ShortString(v) => v.as_str().to_owned(),
        AMQPValue::LongString(v) => String::from_utf8(v.as_bytes().to_vec()).ok()?,
        AMQPValue::Timestamp(v) => v.to_string(),
        AMQPValue::DecimalValue(_)
        | AMQPValue::FieldArray(_)
        | AMQPValue::FieldTable(_)
        | AMQPValue::ByteArray(_)
        | AMQPValue::Void => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_core::{Content, MessageId};

    fn message(headers: &[(&str, &str)]) -> OutgoingMessage {
        OutgoingMessage {
            message_id: MessageId(4_711),
            correlation_id: MessageId(7),
            enterprise: "nord".into(),
            route: "readings".into(),
            source_name: String::new(),
            subject: "meter:7".into(),
            created: "2026-03-29T00:15:00Z".parse().unwrap(),
            attempt: 1,
            media_type: "application/json".into(),
            extension: "json".into(),
            headers: headers
                .iter()
                .map(|(n, v)| ((*n).into(), (*v).into()))
                .collect(),
            content: Content::default(),
        }
    }

    fn header(headers: &Headers, name: &str) -> Option<String> {
        headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.clone())
    }

    #[test]
    fn what_is_sent_comes_back() {
        let fixed = FixedProperties {
            headers: vec![("x-sender".into(), "nord".into())],
            reply_to: Some("answers".into()),
            message_type: Some("order".into()),
            expiration: Some("1000".into()),
            ..FixedProperties::default()
        };
        let message = message(&[("x-batch", "12"), ("reply-to", "mine"), ("priority", "7")]);
        let sent = outgoing(&message, &fixed).unwrap();
        assert_eq!(sent.delivery_mode(), &Some(2));
        let identity = identity(&sent);
        assert_eq!(identity.business_key, Some(MessageId(4_711).to_string()));
        assert_eq!(identity.media_type.as_deref(), Some("application/json"));
        let headers = incoming_headers(&sent);
        for (name, value) in [
            ("correlation-id", MessageId(7).to_string().as_str()),
            ("reply-to", "mine"),
            ("type", "order"),
            ("expiration", "1000"),
            ("timestamp", "1774743300"),
            ("app-id", "meterhub"),
            ("priority", "7"),
            ("x-sender", "nord"),
            ("x-batch", "12"),
        ] {
            assert_eq!(header(&headers, name).as_deref(), Some(value), "{name}");
        }
    }

    #[test]
    fn an_answer_says_what_it_answers_and_wants_no_answer_itself() {
        let headers = [("Correlation-Id", "request-9"), ("reply-to", "answers")];
        let answer = message(&headers);
        let mut fixed = FixedProperties::default();
        let sent = outgoing(&answer, &fixed).unwrap();
        let expected = [
            ("correlation-id", "request-9"),
            ("reply-to", "answers"),
            ("app-id", "meterhub"),
            ("timestamp", "1774743300"),
        ];
        let expected = expected.map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(incoming_headers(&sent), expected);
        fixed.is_reply = true;
        let reply = outgoing(&answer, &fixed).unwrap();
        assert_eq!(reply.reply_to(), &None);
        let correlation = reply.correlation_id().as_ref();
        assert_eq!(correlation.map(ShortString::as_str), Some("request-9"));
        let long = "x".repeat(256);
        assert!(outgoing(&message(&[("correlation-id", &long)]), &fixed).is_err());
    }

    #[test]
    fn a_header_cannot_pose_as_a_property() {
        let sent = outgoing(
            &message(&[("message-id", "1")]),
            &FixedProperties::default(),
        );
        assert_eq!(
            identity(&sent.unwrap()).business_key,
            Some(MessageId(4_711).to_string())
        );
        let mut table = FieldTable::default();
        table.insert(
            "correlation-id".into(),
            AMQPValue::LongString("forged".into()),
        );
        table.insert("X-Count".into(), AMQPValue::LongInt(3));
        let headers = incoming_headers(&BasicProperties::default().with_headers(table));
        assert_eq!(headers, [("x-count".to_owned(), "3".to_owned())]);
    }

    #[test]
    fn what_the_protocol_cannot_say_is_an_error() {
        let fixed = FixedProperties::default();
        let long = "x".repeat(256);
        assert!(outgoing(&message(&[("type", &long)]), &fixed).is_err());
        assert!(outgoing(&message(&[("expiration", "soon")]), &fixed).is_err());
        assert!(is_free("x-ok").is_ok() && is_free("Message-Id").is_err());
    }

    #[test]
    fn headers_are_bounded() {
        let mut table = FieldTable::default();
        for number in 0..100 {
            table.insert(format!("h{number}").into(), AMQPValue::LongInt(number));
        }
        table.insert("a".into(), AMQPValue::LongString(vec![b'x'; 5_000].into()));
        let headers = incoming_headers(&BasicProperties::default().with_headers(table));
        assert_eq!(headers.len(), hub_broker::MOST_HEADERS);
        assert_eq!(header(&headers, "a"), None);
    }
}
