//! The description of a service (WSDL 1.1), made from its configuration: document/literal, bindings of
//! SOAP 1.1 and 1.2, its schemas, and that it wants a user name token.

use std::collections::BTreeSet;
use std::fmt::Write;

use hub_core::AdapterContext;

use crate::config::{Answer, Operation, SoapSourceConfig, Style, is_ncname, qualified};
use crate::service::read_file;
use crate::xml::escaped;

/// The schema of what is in the messages of IEC 61968-100, in our words: the elements that its
/// header and reply have, anything else allowed where it allows it.
const MESSAGE_TYPES: &str = include_str!("wsdl/message.xsd");

/// A description, but for the address.
pub(crate) struct Description {
    /// What stands before the address of each port.
    text: String,
    service: String,
    public_url: Option<String>,
}

/// One operation, with its names taken apart.
struct Described {
    name: String,
    namespace: String,
    local: String,
    action: String,
    /// The element that answers.
    answer: Option<(String, String)>,
    /// Answered at all, if only by an empty body.
    answers: bool,
}

impl Description {
    /// Reads the schemas.
    ///
    /// # Errors
    /// One cannot be read, or has a document type definition.
    pub(crate) fn new(config: &SoapSourceConfig, context: &AdapterContext) -> Result<Self, String> {
        let service = match &config.service_name {
            Some(name) => name.clone(),
            None => ncname(&context.name),
        };
        let operations = described(config);
        let mut schemas = Vec::new();
        for path in &config.schemas {
            schemas.push(schema(&context.path(path))?);
        }
        let mut text = String::new();
        let written = write(&mut text, config, &service, &operations, &schemas);
        written.map_err(|error| error.to_string())?;
        Ok(Self {
            text,
            service,
            public_url: config.public_url.clone(),
        })
    }

    /// The description of the service as it was asked for by this scheme, at this host and path.
    pub(crate) fn written(&self, scheme: &str, host: Option<&str>, path: &str) -> String {
        let address = match &self.public_url {
            Some(url) => url.clone(),
            None => format!("{scheme}://{}{path}", host.unwrap_or("localhost")),
        };
        let (address, name) = (escaped(&address), &self.service);
        format!(
            "{}<wsdl:service name=\"{name}\">\
             <wsdl:port name=\"{name}Soap11\" binding=\"tns:{name}Soap11\">\
             <soap:address location=\"{address}\"/></wsdl:port>\
             <wsdl:port name=\"{name}Soap12\" binding=\"tns:{name}Soap12\">\
             <soap12:address location=\"{address}\"/></wsdl:port>\
             </wsdl:service>\n</wsdl:definitions>\n",
            self.text
        )
    }
}

/// The operations, or the one that says that anything goes.
fn described(config: &SoapSourceConfig) -> Vec<Described> {
    let owned = |(namespace, local): (&str, &str)| (namespace.to_owned(), local.to_owned());
    let mut operations: Vec<Described> = Vec::new();
    for operation in &config.operations {
        let Some((namespace, local)) = qualified(&operation.element).map(owned) else {
            continue;
        };
        operations.push(Described {
            name: operation.name.clone(),
            action: action(operation, config),
            answer: answer_element(operation, config),
            answers: config.answer() != Answer::None,
            namespace,
            local,
        });
    }
    if operations.is_empty() {
        operations.push(Described {
            name: "Send".to_owned(),
            namespace: config.target_namespace.clone(),
            local: "Send".to_owned(),
            action: format!("{}/Send", config.target_namespace),
            answer: None,
            answers: config.answer() != Answer::None,
        });
    }
    operations
}

fn action(operation: &Operation, config: &SoapSourceConfig) -> String {
    let usual = || {
        format!(
            "{}/{}",
            config.target_namespace.trim_end_matches('/'),
            operation.name
        )
    };
    operation.action.clone().unwrap_or_else(usual)
}

/// What answers an operation.
fn answer_element(operation: &Operation, config: &SoapSourceConfig) -> Option<(String, String)> {
    let named = operation.answer_element.as_deref().and_then(qualified);
    match (named, config.answer()) {
        (_, Answer::None | Answer::Empty) => None,
        (Some((namespace, local)), _) => Some((namespace.to_owned(), local.to_owned())),
        (None, Answer::Reply) => Some((
            config.message_namespace.clone(),
            "ResponseMessage".to_owned(),
        )),
        (None, Answer::Document) => None,
    }
}

/// A name that XML allows.
fn ncname(name: &str) -> String {
    let allowed = |c: char| match c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') {
        true => c,
        false => '_',
    };
    let name: String = name.chars().map(allowed).collect();
    match is_ncname(&name) {
        true => name,
        false => format!("_{name}"),
    }
}

/// A schema and the namespace it is for.
struct Schema {
    namespace: String,
    text: String,
}

fn schema(path: &std::path::Path) -> Result<Schema, String> {
    let text = read_file(path)?;
    let told = |what: &str| format!("`{}`: {what}", path.display());
    let begin = text.find("<xs:schema").or_else(|| text.find("<schema"));
    let begin = begin.or_else(|| text.find("<xsd:schema"));
    let begin =
        begin.ok_or_else(|| told("is no XML schema with the prefix `xs`, `xsd` or none"))?;
    if text.contains("<!DOCTYPE") {
        return Err(told("has a document type definition, which is not allowed"));
    }
    let tag = text[begin..].split_once('>').map_or("", |(tag, _)| tag);
    let attribute = crate::xml::attribute(format!("{tag}>").as_bytes(), "targetNamespace");
    let namespace = attribute.map_err(|error| told(&error.to_string()))?;
    Ok(Schema {
        namespace: namespace.unwrap_or_default(),
        text: text[begin..].trim_end().to_owned(),
    })
}

fn write(
    out: &mut String,
    config: &SoapSourceConfig,
    service: &str,
    operations: &[Described],
    schemas: &[Schema],
) -> std::fmt::Result {
    let target = escaped(&config.target_namespace);
    write!(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<wsdl:definitions \
         xmlns:wsdl=\"http://schemas.xmlsoap.org/wsdl/\" \
         xmlns:soap=\"http://schemas.xmlsoap.org/wsdl/soap/\" \
         xmlns:soap12=\"http://schemas.xmlsoap.org/wsdl/soap12/\" \
         xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" \
         xmlns:wsp=\"http://www.w3.org/ns/ws-policy\" \
         xmlns:sp=\"http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702\" \
         xmlns:tns=\"{target}\" targetNamespace=\"{target}\" name=\"{service}\">\n"
    )?;
    let has_policy = config.ws_security.is_some();
    if has_policy {
        out.push_str(&policy(config));
    }
    write_types(out, config, operations, schemas)?;
    for operation in operations {
        let name = &operation.name;
        write_message(
            out,
            &format!("{name}Input"),
            &operation.namespace,
            &operation.local,
        )?;
        match &operation.answer {
            Some((namespace, local)) => {
                write_message(out, &format!("{name}Output"), namespace, local)?;
            }
            None if operation.answers => writeln!(out, "<wsdl:message name=\"{name}Output\"/>")?,
            None => {}
        }
    }
    writeln!(out, "<wsdl:portType name=\"{service}\">")?;
    for operation in operations {
        let name = &operation.name;
        let output = match operation.answers {
            true => format!("<wsdl:output message=\"tns:{name}Output\"/>"),
            false => String::new(),
        };
        writeln!(
            out,
            "<wsdl:operation name=\"{name}\"><wsdl:input message=\"tns:{name}Input\"/>{output}\
             </wsdl:operation>"
        )?;
    }
    out.push_str("</wsdl:portType>\n");
    for (prefix, version) in [("soap", "Soap11"), ("soap12", "Soap12")] {
        write_binding(out, service, operations, prefix, version, has_policy)?;
    }
    Ok(())
}

fn write_message(out: &mut String, name: &str, namespace: &str, local: &str) -> std::fmt::Result {
    writeln!(
        out,
        "<wsdl:message name=\"{name}\"><wsdl:part name=\"body\" xmlns:e=\"{}\" element=\"e:{local}\"/>\
         </wsdl:message>",
        escaped(namespace)
    )
}

fn write_binding(
    out: &mut String,
    service: &str,
    operations: &[Described],
    prefix: &str,
    version: &str,
    has_policy: bool,
) -> std::fmt::Result {
    writeln!(
        out,
        "<wsdl:binding name=\"{service}{version}\" type=\"tns:{service}\">"
    )?;
    if has_policy {
        out.push_str("<wsp:PolicyReference URI=\"#UsernameToken\"/>");
    }
    writeln!(
        out,
        "<{prefix}:binding style=\"document\" transport=\"http://schemas.xmlsoap.org/soap/http\"/>"
    )?;
    for operation in operations {
        let body = format!("<{prefix}:body use=\"literal\"/>");
        let output = match operation.answers {
            true => format!("<wsdl:output>{body}</wsdl:output>"),
            false => String::new(),
        };
        writeln!(
            out,
            "<wsdl:operation name=\"{}\"><{prefix}:operation soapAction=\"{}\" style=\"document\"/>\
             <wsdl:input>{body}</wsdl:input>{output}</wsdl:operation>",
            operation.name,
            escaped(&operation.action)
        )?;
    }
    out.push_str("</wsdl:binding>\n");
    Ok(())
}

/// Schemas of ours for what has none: one for each namespace.
fn write_types(
    out: &mut String,
    config: &SoapSourceConfig,
    operations: &[Described],
    schemas: &[Schema],
) -> std::fmt::Result {
    out.push_str("<wsdl:types>\n");
    for schema in schemas {
        writeln!(out, "{}", schema.text)?;
    }
    let mut elements: BTreeSet<(&str, &str, bool)> = BTreeSet::new();
    for operation in operations {
        elements.insert((&operation.namespace, &operation.local, false));
        if let Some((namespace, local)) = &operation.answer {
            elements.insert((namespace, local, true));
        }
    }
    let is_iec = config.style == Style::Iec;
    let mut namespaces: BTreeSet<&str> =
        elements.iter().map(|(namespace, ..)| *namespace).collect();
    let message = config.message_namespace.as_str();
    if is_iec {
        namespaces.insert(message);
    }
    for namespace in namespaces {
        if schemas.iter().any(|schema| schema.namespace == namespace) {
            continue;
        }
        write!(
            out,
            "<xs:schema targetNamespace=\"{}\" elementFormDefault=\"qualified\" xmlns:m=\"{}\">",
            escaped(namespace),
            escaped(message)
        )?;
        match (is_iec, namespace == message) {
            (true, false) => write!(out, "<xs:import namespace=\"{}\"/>", escaped(message))?,
            (true, true) => out.push_str(MESSAGE_TYPES),
            (false, _) => {}
        }
        for (_, local, is_answer) in elements.iter().filter(|(of, ..)| *of == namespace) {
            match (is_iec, is_answer) {
                (false, _) => write!(out, "<xs:element name=\"{local}\" type=\"xs:anyType\"/>")?,
                // A request, response or event: its parts are in its own namespace.
                (true, _) => write!(
                    out,
                    "<xs:element name=\"{local}\">{IEC_MESSAGE}</xs:element>"
                )?,
            }
        }
        out.push_str("</xs:schema>\n");
    }
    out.push_str("</wsdl:types>\n");
    Ok(())
}

/// The parts of a message of IEC 61968-100.
const IEC_MESSAGE: &str = "<xs:complexType><xs:sequence>\
    <xs:element name=\"Header\" type=\"m:HeaderType\"/>\
    <xs:element name=\"Request\" type=\"m:RequestType\" minOccurs=\"0\"/>\
    <xs:element name=\"Reply\" type=\"m:ReplyType\" minOccurs=\"0\"/>\
    <xs:element name=\"Payload\" type=\"m:PayloadType\" minOccurs=\"0\"/>\
    </xs:sequence></xs:complexType>";

/// That a user name token is wanted, in the words of WS-SecurityPolicy 1.3. Optional, as tools that do
/// not know it would refuse the description.
fn policy(config: &SoapSourceConfig) -> String {
    use crate::config::PasswordKind::{Any, Digest, Text};
    let kind = config
        .ws_security
        .as_ref()
        .map(|security| security.password);
    let password = match kind {
        Some(Digest) => "<wsp:Policy><sp:HashPassword/></wsp:Policy>",
        Some(Text | Any) | None => "",
    };
    format!(
        "<wsp:Policy xmlns:wsu=\"{}\" wsu:Id=\"UsernameToken\"><sp:SupportingTokens><wsp:Policy>\
         <sp:UsernameToken sp:IncludeToken=\"http://docs.oasis-open.org/ws-sx/ws-securitypolicy/\
         200702/IncludeToken/AlwaysToRecipient\">{password}</sp:UsernameToken></wsp:Policy>\
         </sp:SupportingTokens></wsp:Policy>\n",
        crate::names::WSU
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_core::SourceConfig;

    fn description(toml: &str, base: &std::path::Path) -> String {
        let config: SoapSourceConfig = toml::from_str(toml).unwrap();
        let context = AdapterContext::alone("erp north", "north", base);
        let description = Description::new(&config, &context).unwrap();
        description.written("http", Some("hub:80"), "/api/v1/soap/erp")
    }

    fn is_well_formed(text: &str) {
        let mut reader = quick_xml::NsReader::from_str(text);
        while reader.read_event().unwrap() != quick_xml::events::Event::Eof {}
    }

    #[test]
    fn a_description_is_well_formed_and_names_everything() {
        let here = std::path::Path::new(".");
        let text = description(SoapSourceConfig::example(), here);
        is_well_formed(&text);
        for expected in [
            "location=\"http://hub:80/api/v1/soap/erp\"",
            "name=\"erp_northSoap12\"",
            "soapAction=\"http://iec.ch/TC57/2011/MeterReadings/CreatedMeterReadings\"",
            "name=\"HeaderType\"",
            "<sp:HashPassword/>",
            "element=\"e:ResponseMessage\"",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        let text = description("public_url = 'https://a/b?c&d'", here);
        is_well_formed(&text);
        assert!(text.contains("https://a/b?c&amp;d") && text.contains("name=\"Send\""));
    }

    #[test]
    fn schemas_are_taken_in() {
        let base = tempfile::tempdir().unwrap();
        let xsd = "<?xml version='1.0'?>\n<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' \
            targetNamespace='urn:x'><xs:element name='A' type='xs:string'/></xs:schema>\n";
        std::fs::write(base.path().join("a.xsd"), xsd).unwrap();
        let toml = "schemas = ['a.xsd']\noperations = [{ name = 'A', element = '{urn:x}A' }]";
        let text = description(toml, base.path());
        is_well_formed(&text);
        assert!(
            text.contains("type='xs:string'") && !text.contains("anyType"),
            "{text}"
        );
    }
}
