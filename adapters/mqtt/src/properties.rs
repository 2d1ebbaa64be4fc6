//! Properties of MQTT messages, to and from the hub's headers.

use hub_core::{Headers, OutgoingMessage};
use rumqttc::{Publish, PublishProperties};

use crate::text::{bytes_of, check_text, text_or_hex};

/// Most headers kept of one message, and the longest value: beyond, they are no headers but
/// content, and would be written to every list of messages.
const MOST_HEADERS: usize = 64;
const LONGEST_HEADER: usize = 4 * 1024;

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

/// User properties that the hub sets itself.
const OURS: [&str; 2] = ["message-id", "correlation-id"];

/// What a configuration says of every message.
#[derive(Debug, Clone, Default)]
pub(crate) struct FixedProperties {
    pub(crate) user_properties: Headers,
    pub(crate) response_topic: Option<String>,
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
    let own = |name: &str| {
        let mut named = message.headers.iter();
        let named = named.find(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.clone())
    };
    let response_topic = own("response-topic").or_else(|| fixed.response_topic.clone());
    for (name, text) in [
        ("response-topic", response_topic.as_deref()),
        ("content-type", Some(message.media_type.as_str())),
    ] {
        let checked = check_text(text.unwrap_or_default());
        checked.map_err(|reason| format!("`{name}` {reason}"))?;
    }
    let correlation_data = own("correlation-data").map(|text| bytes_of(&text));
    if correlation_data.as_ref().is_some_and(|d| d.len() > 65_535) {
        return Err("`correlation-data` has more than 65535 bytes".to_owned());
    }
    Ok(PublishProperties {
        message_expiry_interval: fixed.expiry_seconds,
        response_topic,
        correlation_data: correlation_data.map(Into::into),
        user_properties: outgoing_user_properties(message, fixed)?,
        content_type: Some(message.media_type.clone()).filter(|t| !t.is_empty()),
        ..PublishProperties::default()
    })
}

fn outgoing_user_properties(
    message: &OutgoingMessage,
    fixed: &FixedProperties,
) -> Result<Headers, String> {
    let mut properties = vec![
        ("message-id".to_owned(), message.message_id.to_string()),
        (
            "correlation-id".to_owned(),
            message.correlation_id.to_string(),
        ),
    ];
    let overridden = |name: &str| {
        let mut own = message.headers.iter();
        own.any(|(n, _)| n.eq_ignore_ascii_case(name))
    };
    let fixed = fixed.user_properties.iter();
    let fixed = fixed.filter(|(name, _)| !overridden(name));
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
    let mut headers = vec![("topic".to_owned(), topic(publish))];
    if publish.retain {
        headers.push(("retained".to_owned(), "true".to_owned()));
    }
    let Some(properties) = &publish.properties else {
        return headers;
    };
    let mut keep = |name: &str, value: String| {
        if value.len() <= LONGEST_HEADER
            && name.len() <= LONGEST_HEADER
            && headers.len() < MOST_HEADERS
        {
            headers.push((name.to_ascii_lowercase(), value));
        }
    };
    if let Some(topic) = &properties.response_topic {
        keep("response-topic", topic.clone());
    }
    if let Some(data) = &properties.correlation_data {
        keep("correlation-data", text_or_hex(data));
    }
    for (name, value) in &properties.user_properties {
        // A sender must not write what the broker vouches for.
        if !PROTOCOL.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
            keep(name, value.clone());
        }
    }
    headers
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
        };
        let mut message = message(4_711, "meter:7");
        message.headers = vec![
            ("x-batch".into(), "12".into()),
            ("correlation-data".into(), "hex:00ff".into()),
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
            ("response-topic", "answers"),
            ("correlation-data", "hex:00ff"),
            ("message-id", message.message_id.to_string().as_str()),
            (
                "correlation-id",
                message.correlation_id.to_string().as_str(),
            ),
            ("x-sender", "nord"),
            ("x-batch", "12"),
        ] {
            assert_eq!(header(&headers, name).as_deref(), Some(value), "{name}");
        }
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
        for (name, value) in [("x", "a\nb"), ("response-topic", "a\0")] {
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
        assert_eq!(headers.len(), MOST_HEADERS);
        assert_eq!(header(&headers, "a"), None);
    }
}
