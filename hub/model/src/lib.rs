//! The canonical data of Meterhub: what every format is decoded to and encoded from.
//!
//! Names follow the IEC CIM (61968-9, 61968-6). Nothing here reads a file, knows a partner's
//! layout or a database. Model types carry no serde of wire formats: each mapping owns its own.

mod decimal;
mod device_event;
mod end_device;
mod finding;
mod identity;
pub mod mapping;
mod quality;
mod reading;
mod reading_type;
mod record;
mod time;
mod usage_point;
mod work_order;

pub use decimal::{Decimal, DecimalError};
pub use device_event::EndDeviceEvent;
pub use end_device::{EndDevice, EndDeviceStatus};
pub use finding::{Finding, Place, Severity};
pub use identity::{Name, ObjectRef};
pub use quality::{QualityCode, QualityCodeError, QualitySet, ReadingQuality};
pub use reading::{Reading, ReadingBlock, ReadingDetail, ReadingKind, TimePeriod};
pub use reading_type::{ReadingType, ReadingTypeError};
pub use record::{Record, RecordKind};
pub use time::{Instant, InstantError, LocalDay, Zone, ZoneError};
pub use usage_point::{Address, ServiceKind, UsagePoint};
pub use work_order::{WorkOrder, WorkOrderAction, WorkOrderStatus};
