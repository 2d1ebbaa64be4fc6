//! The request that a gateway gets for a text.

use encoding_rs::Encoding;
use hub_web::{WebClient, encoded as path_encoded};
use reqwest::header::{self, HeaderMap};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::charset::{encoded, percent_encoded};
use super::template::{Template, Values};

/// The templates of a request.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Template,
    pub(crate) query: Vec<(String, Template)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Body>,
    pub(crate) charset: &'static Encoding,
}

/// The templates of a body.
pub(crate) enum Body {
    Form(Vec<(String, Template)>),
    Json(Json),
    Text(Template, String),
}

/// A JSON value whose texts are templates.
pub(crate) enum Json {
    Text(Template),
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
        template: &impl Fn(&str) -> Result<Template, String>,
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
            Self::Text(template) => template.fill(values, str::to_owned).into(),
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
        let mut url = self.url.fill(values, path_encoded);
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
                let text = template.fill(values, str::to_owned);
                Some((kind.clone(), encoded(&text, self.charset)?))
            }
        };
        Ok(Filled { url, content })
    }

    /// `name=value&...`; what has no value is left out.
    fn pairs(&self, fields: &[(String, Template)], values: &Values<'_>) -> Result<String, String> {
        let mut pairs = Vec::new();
        for (name, template) in fields {
            let value = template.fill(values, str::to_owned);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::super::charset::charset;
    use super::super::template::tests::values;
    use super::*;

    fn template(text: &str) -> Result<Template, String> {
        Template::parse(text, ["password".to_owned()].iter())
    }

    fn filled(body: Option<Body>, text: &str) -> Filled {
        let fields = [
            ("to", "{to}"),
            ("text", "{text}"),
            ("none", ""),
            ("pw", "{password}"),
        ];
        let fields = fields.map(|(name, text)| (name.to_owned(), template(text).unwrap()));
        let request = Request {
            method: Method::POST,
            url: template("https://sms.example/{to_digits}/send?v=2").unwrap(),
            query: fields.into(),
            headers: HeaderMap::new(),
            body,
            charset: charset("utf-8").unwrap(),
        };
        let secrets = BTreeMap::from([("password".to_owned(), "a&b".to_owned())]);
        request.fill(&values(text, &secrets)).unwrap()
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
        let body = Json::parse(&body, &template).unwrap();
        let text = "\"quoted\"\nand more";
        let (kind, body) = filled(Some(Body::Json(body)), text).content.unwrap();
        assert_eq!(kind, "application/json");
        let read: Value = serde_json::from_slice(&body).unwrap();
        let expected = json!({"messages": [{"to": "+37255500001", "text": text, "flash": false}]});
        assert_eq!(read, expected);
    }
}
