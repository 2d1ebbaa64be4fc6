//! What the states of Oracle's Enterprise Scheduling Service mean.

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Progress {
    /// All went well.
    Succeeded,
    /// It ended, and something was not as it should be.
    Warning,
    /// It will still end. Also every word that we do not know: a job is given up in time.
    UnderWay,
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
            // COMPLETED: the work is done, what follows it is not.
            _ => Self::UnderWay,
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
                    "something new",
                    "",
                ],
                Progress::UnderWay,
            ),
        ] {
            for state in states {
                assert_eq!(Progress::of(state), expected, "{state}");
            }
        }
    }
}
