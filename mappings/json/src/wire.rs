//! The lines themselves: one struct a kind of record. Their docs become the JSON Schema.
//!
//! Optional fields may be absent or null; the hub leaves them out. Only `value` of a reading must
//! be there, because null says that the value is known to be missing.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::scalar::{
    Action, Code, DeviceStatus, Moment, Number, OrderStatus, Service, Text, TypeCode,
};

/// Defines the one word that `record` must hold in a struct.
macro_rules! tag {
    ($name:ident = $word:literal) => {
        #[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
        pub(crate) enum $name {
            #[serde(rename = $word)]
            Word,
        }
    };
}

tag!(ReadingTag = "reading");
tag!(WorkOrderTag = "work_order");
tag!(EndDeviceTag = "end_device");
tag!(UsagePointTag = "usage_point");
tag!(EndDeviceEventTag = "end_device_event");

/// Words that `record` may hold.
pub(crate) const RECORDS: [&str; 5] = [
    "reading",
    "work_order",
    "end_device",
    "usage_point",
    "end_device_event",
];

/// One line, read only as far as its kind.
#[derive(Deserialize)]
pub(crate) struct Tagged<'a> {
    #[serde(borrow, default)]
    pub(crate) record: Option<Text<'a>>,
}

/// One reading of a meter or usage point.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = reading_example())]
pub(crate) struct Reading<'a> {
    /// `reading`.
    pub(crate) record: ReadingTag,
    /// The meter, if it is known: its id, or an object with its id and names.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) meter: Option<Ref<'a>>,
    /// The usage point (metering point), if it is known.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) usage_point: Option<Ref<'a>>,
    /// What is measured, and in which unit.
    pub(crate) reading_type: TypeCode,
    /// Whether the value belongs to an interval or to an instant.
    pub(crate) kind: Kind,
    /// End of the interval, or the instant of the register reading.
    pub(crate) at: Moment,
    /// The value in the unit and multiplier of the reading type; null is known to be missing.
    #[serde(deserialize_with = "present")]
    #[schemars(required)]
    pub(crate) value: Option<Number>,
    /// Who judged the reading, and how.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) qualities: Vec<Quality<'a>>,
    /// When the head-end received it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reported: Option<Moment>,
    /// The system that took it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<Text<'a>>,
    /// Why it was taken: `billing`, `inquiry`, `moveIn` ...
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Text<'a>>,
    /// The period it covers, where it is not the interval of the reading type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) period: Option<Period>,
}

/// Deserialises an optional value that must be written, if only as null.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

fn reading_example() -> serde_json::Value {
    serde_json::json!({
        "record": "reading", "meter": "4711", "reading_type": "0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0",
        "kind": "interval", "at": "2026-03-29T00:15:00Z", "value": "1.234",
        "qualities": [{ "code": "2.0.0" }]
    })
}

/// Whether a value belongs to an interval or to an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The value belongs to the interval that ends at `at`.
    Interval,
    /// The value is what a register showed at `at`.
    Register,
}

/// One judgement of a reading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Quality<'a> {
    /// The judgement.
    pub(crate) code: Code,
    /// Words that came with it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<Text<'a>>,
    /// The system that judged.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<Text<'a>>,
    /// When it was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timestamp: Option<Moment>,
}

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Period {
    /// First instant.
    pub(crate) start: Moment,
    /// First instant after it.
    pub(crate) end: Moment,
}

/// A work order.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "record": "work_order", "number": "4500017", "action": "upsert", "kind": "exchange",
    "status": "scheduled", "usage_point": "643007572000012345", "device": "4711",
    "address": { "street": "Harbour Street 1", "town": "Turku" }
}))]
pub(crate) struct WorkOrder<'a> {
    /// `work_order`.
    pub(crate) record: WorkOrderTag,
    /// The client's order number.
    #[serde(borrow)]
    pub(crate) number: Text<'a>,
    /// The client's revision; higher replaces lower.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revision: Option<i64>,
    /// What is asked; `upsert` if absent.
    #[serde(default = "upsert")]
    pub(crate) action: Action,
    /// Kind of work: `exchange`, `install`, `remove`, `investigate` ...
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<Text<'a>>,
    /// Where the order stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<OrderStatus>,
    /// 0 (lowest) to 9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) priority: Option<u8>,
    /// The usage point to visit.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) usage_point: Option<Ref<'a>>,
    /// Where it is.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<Address<'a>>,
    /// The device that is there now.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<Ref<'a>>,
    /// The device to mount.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) new_device: Option<Ref<'a>>,
    /// When the work may be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) window: Option<Period>,
    /// When it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) performed: Option<Moment>,
    /// The customer to speak to.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) customer_name: Option<Text<'a>>,
    /// The customer's telephone.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) customer_phone: Option<Text<'a>>,
    /// Instructions, remarks.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<Text<'a>>,
    /// Why it was not done as asked.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) deviation: Option<Text<'a>>,
    /// Further properties.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) attributes: Vec<Property<'a>>,
}

const fn upsert() -> Action {
    Action(hub_model::WorkOrderAction::Upsert)
}

/// A meter or other device.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "record": "end_device", "id": "4711", "manufacturer": "Acme", "service": "electricity",
    "status": "installed", "usage_point": "643007572000012345"
}))]
pub(crate) struct EndDevice<'a> {
    /// `end_device`.
    pub(crate) record: EndDeviceTag,
    /// What the partner calls it.
    #[serde(borrow)]
    pub(crate) id: Ref<'a>,
    /// The maker's serial number, where it is not the id.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) serial_number: Option<Text<'a>>,
    /// Type or model.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) device_type: Option<Text<'a>>,
    /// Maker.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) manufacturer: Option<Text<'a>>,
    /// What it measures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<Service>,
    /// The usage point it is mounted at.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) usage_point: Option<Ref<'a>>,
    /// Where it stands in its life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<DeviceStatus>,
    /// When it was installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) installed: Option<Moment>,
    /// Further properties.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) attributes: Vec<Property<'a>>,
}

/// A metering point with its site.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "record": "usage_point", "id": "643007572000012345", "service": "electricity",
    "address": { "street": "Harbour Street 1", "postal_code": "20100", "town": "Turku", "country": "FI" },
    "position": { "latitude": "60.4518", "longitude": "22.2666" }
}))]
pub(crate) struct UsagePoint<'a> {
    /// `usage_point`.
    pub(crate) record: UsagePointTag,
    /// What the partner calls it.
    #[serde(borrow)]
    pub(crate) id: Ref<'a>,
    /// The service delivered there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<Service>,
    /// Where it is.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<Address<'a>>,
    /// Its coordinates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) position: Option<Position>,
    /// How to get in.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) access: Option<Text<'a>>,
}

/// Something a device reported.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "record": "end_device_event", "device": "4711", "event_type": "3.26.0.85",
    "at": "2026-03-29T00:17:31Z", "severity": "high"
}))]
pub(crate) struct EndDeviceEvent<'a> {
    /// `end_device_event`.
    pub(crate) record: EndDeviceEventTag,
    /// The partner's id of the event.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) mrid: Option<Text<'a>>,
    /// The device it happened at.
    #[serde(borrow)]
    pub(crate) device: Ref<'a>,
    /// The usage point, if known.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) usage_point: Option<Ref<'a>>,
    /// `EndDeviceEventType` code such as `3.26.0.47`, or the maker's own.
    #[serde(borrow)]
    pub(crate) event_type: Text<'a>,
    /// When it happened.
    pub(crate) at: Moment,
    /// Why.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Text<'a>>,
    /// How bad.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) severity: Option<Text<'a>>,
    /// Details that came with it.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) details: Vec<Property<'a>>,
}

/// A property that has no field of its own.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Property<'a> {
    /// Its name.
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    /// Its value.
    #[serde(borrow)]
    pub(crate) value: Text<'a>,
}

/// A postal address.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Address<'a> {
    /// Street and number.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) street: Option<Text<'a>>,
    /// Postal code.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) postal_code: Option<Text<'a>>,
    /// Town.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) town: Option<Text<'a>>,
    /// Country, ISO 3166 where known.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) country: Option<Text<'a>>,
}

/// Coordinates in degrees, WGS 84.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Position {
    /// North is positive.
    pub(crate) latitude: Number,
    /// East is positive.
    pub(crate) longitude: Number,
}

/// A reference to an object: its id alone as a string, or an object with its id and names.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Ref<'a> {
    pub(crate) mrid: Option<Text<'a>>,
    pub(crate) names: Vec<Name<'a>>,
}

/// An object by its id and names.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "NamedObject")]
struct NamedObject<'a> {
    /// Master resource id.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    mrid: Option<Text<'a>>,
    /// Further names.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    names: Vec<Name<'a>>,
}

/// One name of an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Name<'a> {
    /// The name itself.
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    /// What kind of name it is.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) name_type: Option<Text<'a>>,
    /// Who gives such names.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) authority: Option<Text<'a>>,
}

struct RefVisitor;

impl<'de> Visitor<'de> for RefVisitor {
    type Value = Ref<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id, or an object with `mrid` and `names`")
    }

    fn visit_borrowed_str<E>(self, id: &'de str) -> Result<Self::Value, E> {
        Ok(Ref {
            mrid: Some(Text(Cow::Borrowed(id))),
            names: Vec::new(),
        })
    }

    fn visit_str<E>(self, id: &str) -> Result<Self::Value, E> {
        Ok(Ref {
            mrid: Some(Text(Cow::Owned(id.to_owned()))),
            names: Vec::new(),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let object = NamedObject::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Ref {
            mrid: object.mrid,
            names: object.names,
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Ref<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RefVisitor)
    }
}

impl Serialize for Ref<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.mrid {
            Some(id) if self.names.is_empty() => id.serialize(serializer),
            mrid => NamedObject {
                mrid: mrid.clone(),
                names: self.names.clone(),
            }
            .serialize(serializer),
        }
    }
}

impl JsonSchema for Ref<'_> {
    fn schema_name() -> Cow<'static, str> {
        "ObjectRef".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let object = generator.subschema_for::<NamedObject<'static>>();
        schemars::json_schema!({
            "description": "A reference to an object: its id, or an object with its id and names.",
            "anyOf": [{ "type": "string", "examples": ["4711"] }, object]
        })
    }
}
