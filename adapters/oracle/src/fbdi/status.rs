//! What the states of Oracle's Enterprise Scheduling Service mean.

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// All went well.
    Succeeded,
    /// It ended, and something was not as it should be.
    Warning,
    /// It will still end.
    UnderWay,
    /// A word that we do not know.
    Unknown,
    /// It failed, or will never run.
    Failed,
}

impl Progress {
    /// Of a state, in whatever case.
    pub(crate) fn of(state: &str) -> Self {
        match state.trim().to_ascii_uppercase().as_str() {
            "SUCCEEDED" | "FINISHED" => Self::Succeeded,
            "WARNING" => Self::Warning,
            "ERROR"
            | "FAILED"
            | "CANCELLED"
            | "CANCELED"
            | "EXPIRED"
            | "VALIDATION_FAILED"
            | "SCHEDULE_ENDED"
            | "ERROR_MANUAL_RECOVERY" => Self::Failed,
            "WAIT"
            | "READY"
            | "RUNNING"
            // The work is done, what follows it is not.
            | "COMPLETED"
            | "BLOCKED"
            | "HOLD"
            | "PAUSED"
            | "CANCELLING"
            | "CANCELING"
            | "PENDING_VALIDATION"
            | "ERROR_AUTO_RETRY" => Self::UnderWay,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_understood() {
        for (states, expected) in [
            (
                &["SUCCEEDED", "Succeeded", "FINISHED"][..],
                Progress::Succeeded,
            ),
            (&["WARNING"], Progress::Warning),
            (
                &["ERROR", "CANCELLED", "EXPIRED", "VALIDATION_FAILED"],
                Progress::Failed,
            ),
            (
                &[
                    "WAIT",
                    "READY",
                    "RUNNING",
                    "COMPLETED",
                    "BLOCKED",
                    "HOLD",
                    "PAUSED",
                    "CANCELLING",
                    "PENDING_VALIDATION",
                    "ERROR_AUTO_RETRY",
                ],
                Progress::UnderWay,
            ),
            (&["something new", ""], Progress::Unknown),
        ] {
            for state in states {
                assert_eq!(Progress::of(state), expected, "{state}");
            }
        }
    }
}
