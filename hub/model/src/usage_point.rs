//! Usage points: where a service is delivered, and their site.

use crate::{Decimal, ObjectRef};

/// A metering point with its site (CIM `UsagePoint`, `UsagePointLocation`).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UsagePoint {
    /// What the partner calls it.
    pub id: ObjectRef,
    /// The service delivered there.
    pub service: Option<ServiceKind>,
    /// Where it is.
    pub address: Option<Address>,
    /// Latitude and longitude in degrees, WGS 84.
    pub position: Option<(Decimal, Decimal)>,
    /// How to get in: key, gate code, dog (CIM `accessMethod`).
    pub access: Option<String>,
}

/// A postal address of a site.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Address {
    /// Street and number.
    pub street: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
    /// Town.
    pub town: Option<String>,
    /// Country, ISO 3166 where known.
    pub country: Option<String>,
}

/// The commodity (CIM `ServiceKind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServiceKind {
    /// Electricity.
    Electricity,
    /// Natural gas.
    Gas,
    /// Drinking water.
    Water,
    /// District heating.
    Heat,
}

impl ServiceKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Electricity, Self::Gas, Self::Water, Self::Heat];

    /// The CIM word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Electricity => "electricity",
            Self::Gas => "gas",
            Self::Water => "water",
            Self::Heat => "heat",
        }
    }

    /// From the CIM word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}
