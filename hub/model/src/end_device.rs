//! End devices: meters and what else is mounted at a site.

use crate::{Instant, ObjectRef, ServiceKind};

/// A meter or other device (CIM `EndDevice`).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EndDevice {
    /// What the partner calls it.
    pub id: ObjectRef,
    /// The maker's serial number, where it is not the id.
    pub serial_number: Option<String>,
    /// Type or model.
    pub device_type: Option<String>,
    /// Maker.
    pub manufacturer: Option<String>,
    /// What it measures.
    pub service: Option<ServiceKind>,
    /// The usage point it is mounted at.
    pub usage_point: Option<ObjectRef>,
    /// Where it stands in its life.
    pub status: Option<EndDeviceStatus>,
    /// When it was installed.
    pub installed: Option<Instant>,
    /// Further properties that a mapping file keeps, name and value.
    pub attributes: Vec<(String, String)>,
}

/// Where a device stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndDeviceStatus {
    /// In a warehouse or van.
    InStock,
    /// Mounted and in use.
    Installed,
    /// Taken off.
    Removed,
    /// Destroyed.
    Scrapped,
}

impl EndDeviceStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::InStock,
        Self::Installed,
        Self::Removed,
        Self::Scrapped,
    ];

    /// Our word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InStock => "in_stock",
            Self::Installed => "installed",
            Self::Removed => "removed",
            Self::Scrapped => "scrapped",
        }
    }

    /// From our word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}
