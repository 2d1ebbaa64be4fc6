//! Properties of MQTT messages, to and from the hub's headers.
//!
//! A request says in its response topic where its answer shall go, and in its correlation data by what
//! it will know it (MQTT 5, 4.10). In the hub these are the headers `reply-to` and `correlation-id`, as
//! of every transport.

use hub_broker::Kept;
use hub_core::{Headers, OutgoingMessage};
use rumqttc::{Publish, PublishProperties};

use crate::text::{bytes_of, check_text, text_or_hex};
use crate::topics::check_topic;

/// User property that names a message.
const FILE_NAME: &str = "x-filename";

/// Headers that are properties of the protocol, or about the delivery.
const PROTOCOL: [&str; 5] = [
    "topic",
    "retained",
    "response-topic",
    "correlation-data",
    "content-type",
];

/// The header of the response topic.
const REPLY_TO: &str = "reply-to";
/// The header of the correlation data; and a user property, for those who have no use for such.
const CORRELATION_ID: &str = "correlation-id";

/// User properties that the hub sets itself, and headers that it sends as properties.
const OURS: [&str; 3] = ["message-id", CORRELATION_ID, REPLY_TO];

/// What a configuration says of every message.
#[derive(Debug, Clone, Default)]
pub(crate) struct FixedProperties {
    pub(crate) user_properties: Headers,
    pub(crate) response_topic: Option<String>,
    /// The message's header `reply-to` is where it goes itself.
    pub(crate) is_reply: bool,
    pub(crate) expiry_seconds: Option<u32>,
}

/// Whether a configuration may set a user property of this name and value.
///
/// # Errors
/// Why not.
pub(crate) fn check_user_property(name: &str, value: &str) -> Result<(), String> {
    if name.is_empty() || is_reserved(name) {
        return Err(format!("`{name}` is empty or set by the hub"));
    }
    for text in [name, value] {
        check_text(text).map_err(|reason| format!("`{name}` {reason}"))?;
    }
    Ok(())
}

fn is_reserved(name: &str) -> bool {
    let mut reserved = PROTOCOL.iter().chain(&OURS);
    reserved.any(|ours| name.eq_ignore_ascii_case(ours))
}

/// The properties of an outgoing message. The message's own headers win over the configured ones.
///
/// # Errors
/// A value cannot be expressed in the protocol.
pub(crate) fn outgoing(
    message: &OutgoingMessage,
    fixed: &FixedProperties,
) -> Result<PublishProperties, String> {
    let reply_to = own(message, REPLY_TO).filter(|_| !fixed.is_reply);
    let response_topic = reply_to.or(fixed.response_topic.as_deref());
    if let Some(topic) = response_topic {
        check_topic(topic).map_err(|reason| format!("`{REPLY_TO}` {reason}"))?;
    }
    let media_type = &message.media_type;
    check_text(media_type).map_err(|reason| format!("`content-type` {reason}"))?;
    let correlation_data = own(message, CORRELATION_ID).map(bytes_of);
    if correlation_data.as_ref().is_some_and(|d| d.len() > 65_535) {
        return Err(format!("`{CORRELATION_ID}` has more than 65535 bytes"));
    }
    Ok(PublishProperties {
        message_expiry_interval: fixed.expiry_seconds,
        response_topic: response_topic.map(str::to_owned),
        correlation_data: correlation_data.map(Into::into),
        user_properties: outgoing_user_properties(message, fixed)?,
        content_type: Some(media_type.clone()).filter(|t| !t.is_empty()),
        ..PublishProperties::default()
    })
}

/// The value of the message's first header of this name.
fn own<'a>(message: &'a OutgoingMessage, name: &str) -> Option<&'a str> {
    let mut named = message.headers.iter();
    let named = named.find(|(n, _)| n.eq_ignore_ascii_case(name));
    let value = named.map(|(_, value)| value.as_str());
    value.filter(|value| !value.is_empty())
}

fn outgoing_user_properties(
    message: &OutgoingMessage,
    fixed: &FixedProperties,
) -> Result<Headers, String> {
    let correlation_id = match own(message, CORRELATION_ID) {
        Some(own) => own.to_owned(),
        None => message.correlation_id.to_string(),
    };
    check_text(&correlation_id).map_err(|reason| format!("`{CORRELATION_ID}` {reason}"))?;
    let mut properties = vec![
        ("message-id".to_owned(), message.message_id.to_string()),
        (CORRELATION_ID.to_owned(), correlation_id),
    ];
    let fixed = fixed.user_properties.iter();
    let fixed = fixed.filter(|(name, _)| own(message, name).is_none());
    for (name, value) in fixed.chain(&message.headers) {
        if !is_reserved(name) {
            check_user_property(name, value)?;
            properties.push((name.clone(), value.clone()));
        }
    }
    Ok(properties)
}

/// The value of the first user property of this name.
pub(crate) fn user_property<'a>(publish: &'a Publish, name: &str) -> Option<&'a str> {
    let properties = &publish.properties.as_ref()?.user_properties;
    let mut named = properties.iter();
    let found = named.find(|(n, _)| n.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

/// The topic of an incoming message.
pub(crate) fn topic(publish: &Publish) -> String {
    String::from_utf8_lossy(&publish.topic).into_owned()
}

/// What an incoming message is called.
pub(crate) fn name(publish: &Publish) -> String {
    let given = user_property(publish, FILE_NAME).filter(|name| !name.is_empty());
    given.map_or_else(|| topic(publish), str::to_owned)
}

/// The media type of an incoming message, if it says one.
pub(crate) fn media_type(publish: &Publish) -> Option<String> {
    let given = publish.properties.as_ref()?.content_type.clone();
    given.filter(|given| !given.is_empty())
}

/// What is kept with an incoming message, names in lower case.
pub(crate) fn incoming_headers(publish: &Publish) -> Headers {
    let mut kept = Kept::default();
    kept.keep("topic", Some(topic(publish)));
    if publish.retain {
        kept.keep("retained", Some("true".to_owned()));
    }
    let Some(properties) = &publish.properties else {
        return kept.into_headers();
    };
    kept.keep(REPLY_TO, properties.response_topic.clone());
    let correlation = properties.correlation_data.as_ref();
    let correlation = correlation.filter(|data| !data.is_empty());
    kept.keep(CORRELATION_ID, correlation.map(|data| text_or_hex(data)));
    for (name, value) in &properties.user_properties {
        let name = name.to_ascii_lowercase();
        // A sender must not write what the broker vouches for, nor say twice what a property says.
        let is_said = [REPLY_TO, CORRELATION_ID].contains(&name.as_str()) && kept.has(&name);
        if !PROTOCOL.contains(&name.as_str()) && !is_said {
            kept.keep(&name, Some(value.clone()));
        }
    }
    kept.into_headers()
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterhub_tests::conformance::message;
    use rumqttc::QoS;

    fn header(headers: &Headers, name: &str) -> Option<String> {
        let found = headers.iter().find(|(n, _)| n == name);
        found.map(|(_, v)| v.clone())
    }

    fn received(properties: PublishProperties) -> Publish {
        Publish::new("a/b", QoS::AtLeastOnce, "1", Some(properties))
    }

    #[test]
    fn what_is_sent_comes_back() {
        let fixed = FixedProperties {
            user_properties: vec![
                ("x-sender".into(), "nord".into()),
                ("x-batch".into(), "0".into()),
            ],
            response_topic: Some("answers".into()),
            expiry_seconds: Some(60),
            ..FixedProperties::default()
        };
        let mut message = message(4_711, "meter:7");
        message.headers = vec![
            ("x-batch".into(), "12".into()),
            ("correlation-id".into(), "hex:00ff".into()),
        ];
        let sent = outgoing(&message, &fixed).unwrap();
        assert_eq!(sent.message_expiry_interval, Some(60));
        assert_eq!(sent.correlation_data.as_deref(), Some([0, 0xff].as_slice()));
        let received = received(sent);
        assert_eq!(media_type(&received).as_deref(), Some("text/plain"));
        assert_eq!(name(&received), "a/b");
        let headers = incoming_headers(&received);
        for (name, value) in [
            ("topic", "a/b"),
            ("reply-to", "answers"),
            ("correlation-id", "hex:00ff"),
            ("message-id", message.message_id.to_string().as_str()),
            ("x-sender", "nord"),
            ("x-batch", "12"),
        ] {
            assert_eq!(header(&headers, name).as_deref(), Some(value), "{name}");
        }
    }

    #[test]
    fn an_answer_says_what_it_answers_and_wants_no_answer_itself() {
        let mut answer = message(4_711, "meter:7");
        answer.headers = vec![
            ("Reply-To".into(), "gateways/7/answers".into()),
            ("Correlation-Id".into(), "request-9".into()),
        ];
        let mut fixed = FixedProperties::default();
        let sent = outgoing(&answer, &fixed).unwrap();
        assert_eq!(sent.response_topic.as_deref(), Some("gateways/7/answers"));
        fixed.is_reply = true;
        let reply = outgoing(&answer, &fixed).unwrap();
        assert_eq!(reply.response_topic, None);
        assert_eq!(reply.correlation_data.as_deref(), Some(&b"request-9"[..]));
        let correlation = ("correlation-id".to_owned(), "request-9".to_owned());
        assert_eq!(reply.user_properties.get(1), Some(&correlation));
        assert_eq!(reply.user_properties.len(), 2, "{reply:?}");
    }

    #[test]
    fn what_causes_it_is_the_correlation_of_a_message_without_one() {
        let message = message(4_711, "meter:7");
        let sent = outgoing(&message, &FixedProperties::default()).unwrap();
        assert_eq!(sent.correlation_data, None);
        let headers = incoming_headers(&received(sent));
        let expected = Some(message.correlation_id.to_string());
        assert_eq!(header(&headers, "correlation-id"), expected);
    }

    #[test]
    fn what_a_property_says_is_not_said_twice() {
        let headers = incoming_headers(&received(PublishProperties {
            response_topic: Some("answers".into()),
            correlation_data: Some("request-9".into()),
            user_properties: vec![
                ("Reply-To".into(), "elsewhere".into()),
                ("correlation-id".into(), "another".into()),
            ],
            ..PublishProperties::default()
        }));
        let expected = [
            ("topic", "a/b"),
            ("reply-to", "answers"),
            ("correlation-id", "request-9"),
        ];
        let expected = expected.map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(headers, expected);
    }

    #[test]
    fn a_header_cannot_pose_as_a_property() {
        let mut outgoing_message = message(4_711, "meter:7");
        outgoing_message.headers = vec![("Message-Id".into(), "1".into())];
        let sent = outgoing(&outgoing_message, &FixedProperties::default()).unwrap();
        assert_eq!(sent.user_properties.len(), 2, "{sent:?}");
        let forged = received(PublishProperties {
            user_properties: vec![("Topic".into(), "forged".into())],
            ..PublishProperties::default()
        });
        assert_eq!(
            incoming_headers(&forged),
            [("topic".to_owned(), "a/b".to_owned())]
        );
    }

    #[test]
    fn what_the_protocol_cannot_say_is_an_error() {
        let fixed = FixedProperties::default();
        for (name, value) in [("x", "a\nb"), ("reply-to", "a\0"), ("reply-to", "a/#")] {
            let mut message = message(1, "meter:7");
            message.headers = vec![(name.into(), value.into())];
            assert!(outgoing(&message, &fixed).is_err(), "{name}");
        }
        assert!(check_user_property("x-ok", "").is_ok());
        assert!(check_user_property("Correlation-Id", "1").is_err());
    }

    #[test]
    fn headers_are_bounded() {
        let many = (0..100).map(|n| (format!("h{n}"), n.to_string()));
        let long = ("a".to_owned(), "x".repeat(5_000));
        let publish = received(PublishProperties {
            user_properties: std::iter::once(long).chain(many).collect(),
            ..PublishProperties::default()
        });
        let headers = incoming_headers(&publish);
        assert_eq!(headers.len(), hub_broker::MOST_HEADERS);
        assert_eq!(header(&headers, "a"), None);
    }
}
