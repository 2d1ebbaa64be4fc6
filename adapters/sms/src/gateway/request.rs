//! The request that a gateway gets for a text.

use encoding_rs::Encoding;
use hub_names::{MessageTemplate, fit};
use hub_web::{WebClient, encoded as path_encoded};
use reqwest::header::{self, HeaderMap};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::charset::{encoded, percent_encoded};
use super::words::Values;

/// The templates of a request.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: MessageTemplate,
    pub(crate) query: Vec<(String, MessageTemplate)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Body>,
    pub(crate) charset: &'static Encoding,
}

/// The templates of a body.
pub(crate) enum Body {
    Form(Vec<(String, MessageTemplate)>),
    Json(Json),
    /// With its media type.
    Text(MessageTemplate, String),
}

/// A JSON value whose texts are templates.
pub(crate) enum Json {
    Text(MessageTemplate),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
    Other(Value),
}

/// A request with all its values.
pub(crate) struct Filled {
    url: String,
    content: Option<(String, Vec<u8>)>,
}

impl Json {
    /// Reads the templates of a value.
    ///
    /// # Errors
    /// What is wrong with the first that is.
    pub(crate) fn parse(
        value: &Value,
        template: &impl Fn(&str) -> Result<MessageTemplate, String>,
    ) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) => Self::Text(template(text)?),
            Value::Array(list) => {
                let list = list.iter().map(|value| Self::parse(value, template));
                Self::List(list.collect::<Result<_, _>>()?)
            }
            Value::Object(object) => {
                let fields = object.iter();
                let fields = fields.map(|(k, v)| Ok((k.clone(), Self::parse(v, template)?)));
                Self::Object(fields.collect::<Result<_, String>>()?)
            }
            other => Self::Other(other.clone()),
        })
    }

    fn fill(&self, values: &Values<'_>) -> Value {
        match self {
            Self::Text(template) => values.fill(template, str::to_owned).into(),
            Self::List(list) => list.iter().map(|value| value.fill(values)).collect(),
            Self::Object(fields) => {
                let fields = fields.iter();
                fields
                    .map(|(key, value)| (key.clone(), value.fill(values)))
                    .collect()
            }
            Self::Other(value) => value.clone(),
        }
    }
}

impl Request {
    /// Puts the values in.
    ///
    /// # Errors
    /// The character set lacks some of the text.
    pub(crate) fn fill(&self, values: &Values<'_>) -> Result<Filled, String> {
        let mut url = values.fill(&self.url, path_encoded);
        let query = self.pairs(&self.query, values)?;
        if !query.is_empty() {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&query);
        }
        let content = match &self.body {
            None => None,
            Some(Body::Form(fields)) => {
                let form = self.pairs(fields, values)?;
                let kind = "application/x-www-form-urlencoded".to_owned();
                Some((kind, form.into_bytes()))
            }
            Some(Body::Json(json)) => {
                let json = json.fill(values).to_string();
                Some(("application/json".to_owned(), json.into_bytes()))
            }
            Some(Body::Text(template, kind)) => {
                let text = match is_markup(kind) {
                    true => values.fill(template, fit::markup),
                    false => values.fill(template, str::to_owned),
                };
                Some((kind.clone(), encoded(&text, self.charset)?))
            }
        };
        Ok(Filled { url, content })
    }

    /// `name=value&...`; what has no value is left out.
    fn pairs(
        &self,
        fields: &[(String, MessageTemplate)],
        values: &Values<'_>,
    ) -> Result<String, String> {
        let mut pairs = Vec::new();
        for (name, template) in fields {
            let value = values.fill(template, str::to_owned);
            if !value.is_empty() {
                let name = percent_encoded(name, self.charset)?;
                pairs.push(format!("{name}={}", percent_encoded(&value, self.charset)?));
            }
        }
        Ok(pairs.join("&"))
    }

    /// The request, to be sent.
    pub(crate) fn build(&self, client: &WebClient, filled: &Filled) -> RequestBuilder {
        let request = client.request(self.method.clone(), &filled.url);
        let request = request.headers(self.headers.clone());
        match &filled.content {
            None => request,
            Some((kind, body)) => request
                .header(header::CONTENT_TYPE, kind)
                .body(body.clone()),
        }
    }
}

/// Whether a body of this media type is XML or HTML.
fn is_markup(media_type: &str) -> bool {
    let kind = media_type.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    kind.ends_with("/xml") || kind.ends_with("+xml") || kind == "text/html"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::charset::charset;
    use super::super::words::tests::{parsed, with_values};
    use super::*;

    fn filled(body: Option<Body>, text: &str) -> Filled {
        let fields = [
            ("to", "{to}"),
            ("text", "{text}"),
            ("none", ""),
            ("pw", "{password}"),
        ];
        let fields = fields.map(|(name, text)| (name.to_owned(), parsed(text).unwrap()));
        let request = Request {
            method: Method::POST,
            url: parsed("https://sms.example/{to_digits}/send?v=2").unwrap(),
            query: fields.into(),
            headers: HeaderMap::new(),
            body,
            charset: charset("utf-8").unwrap(),
        };
        with_values(text, |values| request.fill(values)).unwrap()
    }

    #[test]
    fn values_cannot_leave_their_place() {
        let filled = filled(None, "1&to=2");
        assert_eq!(
            filled.url,
            "https://sms.example/37255500001/send?v=2&to=%2B37255500001&text=1%26to%3D2&pw=a%26b"
        );
    }

    #[test]
    fn a_json_body_is_json_whatever_the_text() {
        let body = json!({"messages": [{"to": "{to}", "text": "{text}", "flash": false}]});
        let body = Json::parse(&body, &parsed).unwrap();
        let text = "\"quoted\"\nand more";
        let (kind, body) = filled(Some(Body::Json(body)), text).content.unwrap();
        assert_eq!(kind, "application/json");
        let read: Value = serde_json::from_slice(&body).unwrap();
        let expected = json!({"messages": [{"to": "+37255500001", "text": text, "flash": false}]});
        assert_eq!(read, expected);
    }

    #[test]
    fn a_value_is_escaped_where_the_body_is_xml() {
        let body = |kind: &str| {
            let template = parsed("<sms>{text}</sms>").unwrap();
            let body = Body::Text(template, kind.to_owned());
            let (kind, octets) = filled(Some(body), "a<b & c").content.unwrap();
            (kind, String::from_utf8(octets).unwrap())
        };
        let escaped = "<sms>a&lt;b &amp; c</sms>".to_owned();
        for kind in ["text/xml; charset=utf-8", "application/soap+xml"] {
            assert_eq!(body(kind), (kind.to_owned(), escaped.clone()));
        }
        assert_eq!(body("text/plain").1, "<sms>a<b & c</sms>");
    }
}
