//! The words of the wire: elements and namespaces of IEC 61968-9 and 61968-100.

/// What a namespace is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vocabulary {
    /// A CIM profile: `MeterReadings`, `EndDeviceEvents` (IEC 61968-9), any year.
    Profile,
    /// The message envelope of IEC 61968-100, any year.
    Message,
    /// The SOAP envelope, 1.1 or 1.2.
    Soap,
    /// Anything else, or none.
    Foreign,
}

/// Elements we act on. Everything else is [`Element::Other`] and is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    Other,
    // The SOAP envelope.
    SoapEnvelope,
    SoapBody,
    // The message envelope.
    Message,
    Payload,
    PayloadWrapper,
    Compressed,
    // Documents and their content.
    MeterReadings,
    MeterReading,
    IntervalBlocks,
    IntervalReadings,
    Readings,
    ReadingQualities,
    ReadingQualityType,
    ReadingType,
    Meter,
    UsagePoint,
    MRid,
    Names,
    Name,
    NameType,
    NameTypeAuthority,
    TimeStamp,
    Value,
    ReportedDateTime,
    Source,
    Reason,
    Comment,
    TimePeriod,
    Start,
    End,
    EndDeviceEvents,
    EndDeviceEvent,
    EndDeviceEventType,
    EndDeviceEventDetails,
    Assets,
    CreatedDateTime,
    Severity,
    Category,
    Status,
    DateTime,
}

/// What a fatal finding says would have been valid.
pub(crate) const VALID_ROOTS: &str = "expected `MeterReadings` in `http://iec.ch/TC57/2011/MeterReadings#` \
     (or another year) or `EndDeviceEvents` in `http://iec.ch/TC57/2011/EndDeviceEvents#`, alone or in the \
     `Payload` of an IEC 61968-100 message";

/// The element with this local name in this vocabulary.
#[inline]
pub(crate) fn element(vocabulary: Vocabulary, local: &[u8]) -> Element {
    match vocabulary {
        Vocabulary::Profile => profile_element(local),
        Vocabulary::Message => message_element(local),
        Vocabulary::Soap => match local {
            b"Envelope" => Element::SoapEnvelope,
            b"Body" => Element::SoapBody,
            _ => Element::Other,
        },
        Vocabulary::Foreign => Element::Other,
    }
}

/// Says which of the names of one length it is, comparing whole words instead of byte by byte:
/// this is asked for every element.
macro_rules! one_of {
    ($local:ident, $length:literal, $($name:literal => $element:ident,)+) => {{
        let Ok(local) = <&[u8; $length]>::try_from($local) else {
            return Element::Other;
        };
        $(if local == $name { return Element::$element; })+
        Element::Other
    }};
}

#[inline]
fn profile_element(local: &[u8]) -> Element {
    match local.len() {
        3 => one_of!(local, 3, b"end" => End,),
        4 => one_of!(local, 4, b"mRID" => MRid, b"name" => Name,),
        5 => {
            one_of!(local, 5, b"value" => Value, b"Meter" => Meter, b"Names" => Names, b"start" => Start,)
        }
        6 => {
            one_of!(local, 6, b"source" => Source, b"reason" => Reason, b"Assets" => Assets, b"status" => Status,)
        }
        7 => one_of!(local, 7, b"comment" => Comment,),
        8 => {
            one_of!(local, 8, b"Readings" => Readings, b"NameType" => NameType, b"severity" => Severity, b"category" => Category, b"dateTime" => DateTime,)
        }
        9 => one_of!(local, 9, b"timeStamp" => TimeStamp,),
        10 => one_of!(local, 10, b"UsagePoint" => UsagePoint, b"timePeriod" => TimePeriod,),
        11 => one_of!(local, 11, b"ReadingType" => ReadingType,),
        12 => one_of!(local, 12, b"MeterReading" => MeterReading,),
        13 => one_of!(local, 13, b"MeterReadings" => MeterReadings,),
        14 => {
            one_of!(local, 14, b"IntervalBlocks" => IntervalBlocks, b"EndDeviceEvent" => EndDeviceEvent,)
        }
        15 => {
            one_of!(local, 15, b"EndDeviceEvents" => EndDeviceEvents, b"createdDateTime" => CreatedDateTime,)
        }
        16 => {
            one_of!(local, 16, b"IntervalReadings" => IntervalReadings, b"ReadingQualities" => ReadingQualities, b"reportedDateTime" => ReportedDateTime,)
        }
        17 => one_of!(local, 17, b"NameTypeAuthority" => NameTypeAuthority,),
        18 => {
            one_of!(local, 18, b"ReadingQualityType" => ReadingQualityType, b"EndDeviceEventType" => EndDeviceEventType,)
        }
        21 => one_of!(local, 21, b"EndDeviceEventDetails" => EndDeviceEventDetails,),
        _ => Element::Other,
    }
}

fn message_element(local: &[u8]) -> Element {
    match local {
        b"Payload" => Element::Payload,
        b"Compressed" => Element::Compressed,
        // `anyType` is what a field system in use puts around its payload.
        b"OperationSet" | b"Operation" | b"anyType" => Element::PayloadWrapper,
        // RequestMessage, EventMessage, ResponseMessage, or the operation of a
        // `...Message` namespace such as CreatedMeterReadings.
        b"RequestMessage" | b"EventMessage" | b"ResponseMessage" | b"FaultMessage" => {
            Element::Message
        }
        _ if is_operation(local) => Element::Message,
        _ => Element::Other,
    }
}

/// `CreatedMeterReadings`, `ChangedEndDeviceEvents`, `MeterReadingsResponseMessage` ...
fn is_operation(local: &[u8]) -> bool {
    memchr::memmem::find(local, b"MeterReadings").is_some()
        || memchr::memmem::find(local, b"EndDeviceEvents").is_some()
}

/// Namespaces of makers whose payloads mix their own element with CIM ones.
const MAKERS: [&str; 1] = ["http://www.landisgyr.com/iec61968/2010/03"];

/// Says what a namespace is to us.
///
/// Profiles: `http://iec.ch/TC57/2011/MeterReadings#` with any year, with or without `www.`, `#`,
/// `http` or `https`, and likewise `EndDeviceEvents`. Envelopes: `.../<year>/schema/message` and
/// `.../<year>/<Noun>Message`. `extra` is one more namespace that counts as a profile.
pub(crate) fn vocabulary(uri: &str, extra: Option<&str>) -> Vocabulary {
    if extra == Some(uri) || MAKERS.contains(&uri) {
        return Vocabulary::Profile;
    }
    match uri {
        "http://schemas.xmlsoap.org/soap/envelope/" | "http://www.w3.org/2003/05/soap-envelope" => {
            Vocabulary::Soap
        }
        _ => iec_vocabulary(uri).unwrap_or(Vocabulary::Foreign),
    }
}

fn iec_vocabulary(uri: &str) -> Option<Vocabulary> {
    let rest = uri
        .strip_prefix("http://")
        .or_else(|| uri.strip_prefix("https://"))?;
    let rest = rest.strip_prefix("www.").unwrap_or(rest);
    let (year, noun) = rest.strip_prefix("iec.ch/TC57/")?.split_once('/')?;
    if year.len() != 4 || !year.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    match noun.strip_suffix('#').unwrap_or(noun) {
        "MeterReadings" | "EndDeviceEvents" => Some(Vocabulary::Profile),
        "schema/message" => Some(Vocabulary::Message),
        noun if noun.ends_with("Message") => Some(Vocabulary::Message),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_of_any_year_are_known() {
        for (uri, expected) in [
            (
                "http://iec.ch/TC57/2011/MeterReadings#",
                Vocabulary::Profile,
            ),
            (
                "http://www.iec.ch/TC57/2010/MeterReadings",
                Vocabulary::Profile,
            ),
            (
                "http://iec.ch/TC57/2009/EndDeviceEvents#",
                Vocabulary::Profile,
            ),
            (
                "http://iec.ch/TC57/2011/schema/message",
                Vocabulary::Message,
            ),
            (
                "http://www.iec.ch/TC57/2008/schema/message",
                Vocabulary::Message,
            ),
            (
                "http://iec.ch/TC57/2011/MeterReadingsMessage",
                Vocabulary::Message,
            ),
            (
                "http://iec.ch/TC57/2011/EndDeviceControls#",
                Vocabulary::Foreign,
            ),
            ("http://iec.ch/TC57/11/MeterReadings#", Vocabulary::Foreign),
            ("http://example.org/MeterReadings#", Vocabulary::Foreign),
            ("", Vocabulary::Foreign),
        ] {
            assert_eq!(vocabulary(uri, None), expected, "{uri}");
        }
        assert_eq!(vocabulary("urn:own", Some("urn:own")), Vocabulary::Profile);
    }
}
