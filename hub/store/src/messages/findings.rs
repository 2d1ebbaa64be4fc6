//! Findings of a message, as rows.

use hub_core::MessageId;
use hub_model::{Finding, Severity};

use super::queries::{FindingView, read_finding};
use crate::StoreError;
use crate::db::{Tx, all};

/// Findings kept with their words per message; beyond, they are only counted.
const MAX_FINDINGS_KEPT: u64 = 10_000;

/// Findings that a sender is told; it asks us about more.
pub(super) const MAX_FINDINGS_TOLD: i64 = 100;

/// Stores the findings of one run of a message that has `already` some.
pub(super) fn store_findings<'f>(
    tx: &mut dyn Tx,
    (message, run): (MessageId, i64),
    already: u64,
    findings: impl Iterator<Item = &'f Finding>,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO finding (message_id, run, number, severity, code, byte_offset, line, sheet, field, \
               reason, rejects) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    for (number, finding) in (already..MAX_FINDINGS_KEPT).zip(findings) {
        tx.execute(
            sql,
            &[
                message.0.into(),
                run.into(),
                number.cast_signed().into(),
                severity_code(finding.severity).into(),
                finding.code.into(),
                finding.place.offset.cast_signed().into(),
                finding.place.line.cast_signed().into(),
                finding.place.sheet.as_deref().into(),
                finding.field.as_ref().into(),
                (&finding.reason).into(),
                finding.rejects.cast_signed().into(),
            ],
        )?;
    }
    Ok(())
}

/// The first findings of one run of a message, as far as they are kept.
pub(super) fn first_findings(
    tx: &mut dyn Tx,
    message: MessageId,
    run: i64,
    limit: i64,
) -> Result<Vec<FindingView>, StoreError> {
    let sql = "SELECT severity, code, byte_offset, line, sheet, field, reason, rejects FROM finding \
               WHERE message_id = ?1 AND run = ?2 ORDER BY number LIMIT ?3";
    let params = [message.0.into(), run.into(), limit.into()];
    all(tx, sql, &params, read_finding)
}

const fn severity_code(severity: Severity) -> i64 {
    match severity {
        Severity::Warning => 0,
        Severity::Error => 1,
        Severity::Fatal => 2,
    }
}
