//! The states of messages and deliveries as SQL says them: the one place where their numbers stand
//! in a query.
//!
//! They stand as literals, not as parameters, because a partial index is used only by a query that
//! repeats its condition word for word (see `schema/0001_messages.sql`). A comparison stands behind
//! a column: `concat!("... AND d.state ", is_open!())`.

/// Of a message: received or processing. Of a delivery: pending or sending.
macro_rules! is_open {
    () => {
        "<= 1"
    };
}

/// Of a message: processed, with findings or not, or invalid.
macro_rules! is_done {
    () => {
        "> 1"
    };
}

/// Of a delivery: pending, sending or parked, so that those behind it in its lane may have to wait.
macro_rules! is_in_lane {
    () => {
        "<= 2"
    };
}

/// Of a delivery: neither pending nor sending.
macro_rules! is_settled {
    () => {
        ">= 2"
    };
}

/// Of a delivery.
macro_rules! is_parked {
    () => {
        "= 2"
    };
}

/// Of a delivery in a lane.
macro_rules! is_not_parked {
    () => {
        "<> 2"
    };
}

/// Of a message: [`MessageState::Received`](super::MessageState::Received).
macro_rules! received {
    () => {
        "0"
    };
}

/// Of a delivery, like those below: [`DeliveryState::Pending`](super::DeliveryState::Pending).
macro_rules! pending {
    () => {
        "0"
    };
}

macro_rules! sending {
    () => {
        "1"
    };
}

macro_rules! parked {
    () => {
        "2"
    };
}

macro_rules! delivered {
    () => {
        "3"
    };
}

macro_rules! discarded {
    () => {
        "4"
    };
}

/// Of a row of a trace: [`Step::Replayed`](super::Step::Replayed).
macro_rules! replayed {
    () => {
        "6"
    };
}

/// Of a report: [`Reported::Arrived`](hub_core::Reported::Arrived).
macro_rules! arrived {
    () => {
        "1"
    };
}

/// Of a report: [`Reported::Failed`](hub_core::Reported::Failed).
macro_rules! failed {
    () => {
        "2"
    };
}

#[cfg(test)]
mod tests {
    use hub_core::Reported;

    use super::super::{DeliveryState, MessageState, Step};

    /// The codes, in their order, that a comparison is true of.
    fn matching(comparison: &str) -> Vec<usize> {
        let (operator, number) = comparison.split_once(' ').unwrap();
        let number: usize = number.parse().unwrap();
        let is_true = |code: &usize| match operator {
            "<=" => *code <= number,
            ">=" => *code >= number,
            ">" => *code > number,
            "=" => *code == number,
            "<>" => *code != number,
            other => panic!("{other}"),
        };
        (0..5).filter(is_true).collect()
    }

    #[test]
    fn the_numbers_in_queries_are_those_of_the_states() {
        use DeliveryState::{Delivered, Discarded, Parked, Pending, Sending};
        use MessageState::{Invalid, Processed, ProcessedWithFindings, Processing, Received};
        let deliveries = |comparison| -> Vec<DeliveryState> {
            let matching = matching(comparison).into_iter();
            matching.map(|code| DeliveryState::ALL[code]).collect()
        };
        let messages = |comparison| -> Vec<MessageState> {
            let matching = matching(comparison).into_iter();
            matching.map(|code| MessageState::ALL[code]).collect()
        };
        assert_eq!(messages(is_open!()), [Received, Processing]);
        let done = [Processed, ProcessedWithFindings, Invalid];
        assert_eq!(messages(is_done!()), done);
        assert_eq!(deliveries(is_open!()), [Pending, Sending]);
        assert_eq!(deliveries(is_in_lane!()), [Pending, Sending, Parked]);
        assert_eq!(deliveries(is_settled!()), [Parked, Delivered, Discarded]);
        assert_eq!(deliveries(is_parked!()), [Parked]);
        let not_parked = [Pending, Sending, Delivered, Discarded];
        assert_eq!(deliveries(is_not_parked!()), not_parked);
        for (number, state) in [
            (pending!(), Pending),
            (sending!(), Sending),
            (parked!(), Parked),
            (delivered!(), Delivered),
            (discarded!(), Discarded),
        ] {
            assert_eq!(number, (state as i64).to_string(), "{state:?}");
        }
        assert_eq!(received!(), Received.code().to_string());
        assert_eq!(replayed!(), (Step::Replayed as i64).to_string());
        assert_eq!(arrived!(), (Reported::Arrived as i64).to_string());
        assert_eq!(failed!(), (Reported::Failed as i64).to_string());
    }

    #[test]
    fn partial_indexes_have_the_conditions_that_queries_repeat() {
        let schema = include_str!("../schema/0001_messages.sql");
        for index in [
            concat!("ON message (source, id) WHERE state ", is_open!(), ";"),
            concat!("ON delivery (endpoint, id) WHERE state ", is_open!(), ";"),
            concat!(
                "ON delivery (endpoint, lane, id) WHERE state ",
                is_in_lane!(),
                ";"
            ),
            concat!("ON delivery (id) WHERE state ", is_parked!(), ";"),
        ] {
            assert!(schema.contains(index), "{index}");
        }
        let schema = include_str!("../schema/0007_reports.sql");
        let index = concat!("ON trace (delivery_id, at) WHERE step = ", replayed!(), ";");
        assert!(schema.contains(index), "{index}");
    }
}
