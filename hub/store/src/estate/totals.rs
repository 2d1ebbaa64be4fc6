//! How much an enterprise has, kept as it grows.

use super::EnterpriseId;
use crate::StoreError;
use crate::db::Tx;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Total {
    UsagePoints,
    EndDevices,
    WorkOrders,
    EndDeviceEvents,
    Series,
    Readings,
    Corrections,
}

impl Total {
    const ALL: [Self; 7] = [
        Self::UsagePoints,
        Self::EndDevices,
        Self::WorkOrders,
        Self::EndDeviceEvents,
        Self::Series,
        Self::Readings,
        Self::Corrections,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::UsagePoints => "usage_points",
            Self::EndDevices => "end_devices",
            Self::WorkOrders => "work_orders",
            Self::EndDeviceEvents => "end_device_events",
            Self::Series => "series",
            Self::Readings => "readings",
            Self::Corrections => "corrections",
        }
    }
}

/// What came on top within one transaction.
#[derive(Debug, Default)]
pub(super) struct Totals([u64; Total::ALL.len()]);

impl Totals {
    pub(super) fn add(&mut self, total: Total, more: u64) {
        self.0[total as usize] += more;
    }

    /// Adds all of it to the stored totals.
    pub(super) fn store(
        &self,
        tx: &mut dyn Tx,
        enterprise: EnterpriseId,
    ) -> Result<(), StoreError> {
        for total in Total::ALL {
            let more = i64::try_from(self.0[total as usize]).unwrap_or(i64::MAX);
            if more > 0 {
                tx.execute(
                    "INSERT INTO estate_total (enterprise_id, name, value) VALUES (?1, ?2, ?3) \
                     ON CONFLICT (enterprise_id, name) \
                     DO UPDATE SET value = estate_total.value + excluded.value",
                    &[enterprise.0.into(), total.as_str().into(), more.into()],
                )?;
            }
        }
        Ok(())
    }
}

/// How much an enterprise has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EstateCounts {
    /// Usage points.
    pub usage_points: u64,
    /// Devices.
    pub end_devices: u64,
    /// Work orders.
    pub work_orders: u64,
    /// Events that devices reported.
    pub end_device_events: u64,
    /// Quantities measured at a device or usage point.
    pub series: u64,
    /// Readings, each instant of a series once.
    pub readings: u64,
    /// Readings that were replaced by a different one.
    pub corrections: u64,
}

/// Counts what an enterprise has, in a few microseconds.
///
/// # Errors
/// The database refused.
pub fn estate_counts(
    tx: &mut dyn Tx,
    enterprise: EnterpriseId,
) -> Result<EstateCounts, StoreError> {
    let mut counts = EstateCounts::default();
    tx.query(
        "SELECT name, value FROM estate_total WHERE enterprise_id = ?1",
        &[enterprise.0.into()],
        &mut |row| {
            let value = row.int(1)?.max(0).cast_unsigned();
            let name = row.text(0)?;
            match Total::ALL.into_iter().find(|total| total.as_str() == name) {
                Some(Total::UsagePoints) => counts.usage_points = value,
                Some(Total::EndDevices) => counts.end_devices = value,
                Some(Total::WorkOrders) => counts.work_orders = value,
                Some(Total::EndDeviceEvents) => counts.end_device_events = value,
                Some(Total::Series) => counts.series = value,
                Some(Total::Readings) => counts.readings = value,
                Some(Total::Corrections) => counts.corrections = value,
                None => {}
            }
            Ok(())
        },
    )?;
    Ok(counts)
}
