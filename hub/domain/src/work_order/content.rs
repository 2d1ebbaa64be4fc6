//! A fingerprint of what a client said about an order, to recognise the same words again.

use hub_model::{ObjectRef, WorkOrder};

/// FNV-1a, 64 bits: stable for ever, because fingerprints are stored.
struct Fnv(u64);

impl Fnv {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// A text with its length, so that neighbours cannot run into each other.
    fn text(&mut self, text: Option<&str>) {
        match text {
            None => self.bytes(&[0]),
            Some(text) => {
                self.bytes(&[1]);
                self.bytes(&(text.len() as u64).to_le_bytes());
                self.bytes(text.as_bytes());
            }
        }
    }

    fn number(&mut self, number: Option<i64>) {
        self.bytes(&[u8::from(number.is_some())]);
        self.bytes(&number.unwrap_or_default().to_le_bytes());
    }

    fn object(&mut self, object: Option<&ObjectRef>) {
        let Some(object) = object else {
            return self.bytes(&[0]);
        };
        self.bytes(&[1]);
        self.text(object.mrid.as_deref());
        self.number(i64::try_from(object.names.len()).ok());
        for name in &object.names {
            self.text(Some(&name.name));
            self.text(name.name_type.as_deref());
            self.text(name.authority.as_deref());
        }
    }
}

/// Fingerprint of everything an order says except its number, revision and action. Equal content
/// has equal fingerprints, in every version of this program.
#[must_use]
pub fn fingerprint(order: &WorkOrder) -> i64 {
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    hash.text(order.kind.as_deref());
    hash.text(order.status.map(hub_model::WorkOrderStatus::as_str));
    hash.number(order.priority.map(i64::from));
    hash.object(order.usage_point.as_ref());
    hash.number(order.address.is_some().then_some(1));
    if let Some(address) = &order.address {
        hash.text(address.street.as_deref());
        hash.text(address.postal_code.as_deref());
        hash.text(address.town.as_deref());
        hash.text(address.country.as_deref());
    }
    hash.object(order.device.as_ref());
    hash.object(order.new_device.as_ref());
    hash.number(order.window.map(|window| window.start.micros()));
    hash.number(order.window.map(|window| window.end.micros()));
    hash.number(order.performed.map(hub_model::Instant::micros));
    hash.text(order.customer_name.as_deref());
    hash.text(order.customer_phone.as_deref());
    hash.text(order.comment.as_deref());
    hash.text(order.deviation.as_deref());
    for (name, value) in &order.attributes {
        hash.text(Some(name));
        hash.text(Some(value));
    }
    hash.0.cast_signed()
}
