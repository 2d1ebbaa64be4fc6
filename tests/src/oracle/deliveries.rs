//! What the law says of deliveries.

use std::collections::{BTreeMap, BTreeSet};

use super::messages::pairs;
use super::{Fact, History, KeptDelivery, Receipt, Tells, differences, shortened};

/// What makes two deliveries one: message, route, endpoint, and the order if it is about one.
type Key = (String, String, String, Option<String>);

/// Every delivery that must exist, with what it says.
fn expected(history: &History) -> BTreeMap<Key, Vec<Fact>> {
    let mut expected: BTreeMap<Key, Vec<Fact>> = BTreeMap::new();
    for (sent, kept) in pairs(history) {
        for route in &history.routes {
            for fact in &sent.facts {
                let subject = match (fact, route.tells) {
                    (Fact::Order { number, .. }, Tells::Orders) => {
                        Some(format!("work_order:{number}"))
                    }
                    (Fact::Reading { .. }, Tells::Readings) => None,
                    _ => continue,
                };
                for endpoint in &route.endpoints {
                    let key = (
                        kept.id.clone(),
                        route.name.clone(),
                        endpoint.clone(),
                        subject.clone(),
                    );
                    expected.entry(key).or_default().push(fact.clone());
                }
            }
        }
    }
    expected.values_mut().for_each(|facts| facts.sort());
    expected
}

fn key(history: &History, delivery: &KeptDelivery) -> Key {
    let route = history
        .routes
        .iter()
        .find(|route| route.name == delivery.route);
    let one_each = route.is_some_and(|route| route.tells == Tells::Orders);
    let subject = one_each.then(|| delivery.subject.clone());
    (
        delivery.message_id.clone(),
        delivery.route.clone(),
        delivery.endpoint.clone(),
        subject,
    )
}

fn by_id(history: &History) -> BTreeMap<(&str, &str), Vec<&Receipt>> {
    let mut by_id: BTreeMap<(&str, &str), Vec<&Receipt>> = BTreeMap::new();
    for receipt in &history.receipts {
        by_id
            .entry((&receipt.endpoint, &receipt.id))
            .or_default()
            .push(receipt);
    }
    by_id
}

/// Each delivery that the messages cause exists exactly once, and no other does.
pub(super) fn made_exactly_once(history: &History) -> Vec<String> {
    let expected: BTreeSet<Key> = expected(history).into_keys().collect();
    let made: BTreeSet<Key> = history
        .deliveries
        .iter()
        .map(|delivery| key(history, delivery))
        .collect();
    let mut found = differences("delivery", &expected, &made);
    let mut seen = BTreeSet::new();
    let twice = history
        .deliveries
        .iter()
        .filter(|delivery| !seen.insert(key(history, delivery)));
    found.extend(shortened("effect twice: delivery was made again", twice));
    found
}

/// Each delivery was received, or is parked; nothing else was received.
pub(super) fn received_or_parked(history: &History) -> Vec<String> {
    let receipts = by_id(history);
    let mut found = Vec::new();
    let neither = history
        .deliveries
        .iter()
        .filter(|delivery| match delivery.state.as_str() {
            "delivered" => {
                !receipts.contains_key(&(delivery.endpoint.as_str(), delivery.id.as_str()))
            }
            "parked" => false,
            _ => true,
        });
    found.extend(shortened(
        "delivery was not received and is not parked",
        neither,
    ));
    let known: BTreeSet<(&str, &str)> = history
        .deliveries
        .iter()
        .map(|delivery| (delivery.endpoint.as_str(), delivery.id.as_str()))
        .collect();
    let foreign = receipts.keys().filter(|receipt| !known.contains(*receipt));
    found.extend(shortened(
        "what was received is no delivery of the store",
        foreign,
    ));
    found
}

/// What was received several times under one id was the same each time.
pub(super) fn one_id_one_content(history: &History) -> Vec<String> {
    let differs = |receipts: &Vec<&Receipt>| {
        receipts
            .iter()
            .any(|receipt| receipt.hash != receipts[0].hash)
    };
    let changed = by_id(history)
        .into_iter()
        .filter(|(_, receipts)| differs(receipts));
    shortened("content changed under one id", changed.map(|(id, _)| id))
}

/// What was received says what its message said, no more and no less.
pub(super) fn say_what_was_sent(history: &History) -> Vec<String> {
    let (expected, receipts) = (expected(history), by_id(history));
    let mut found = Vec::new();
    for delivery in &history.deliveries {
        let Some(receipt) = receipts.get(&(delivery.endpoint.as_str(), delivery.id.as_str()))
        else {
            continue;
        };
        let mut said = receipt[0].facts.clone();
        said.sort();
        if expected
            .get(&key(history, delivery))
            .is_some_and(|facts| *facts != said)
        {
            found.push(format!(
                "{} of message {} at `{}`",
                delivery.id, delivery.message_id, delivery.endpoint
            ));
        }
    }
    shortened("delivery does not say what was sent", found.iter())
}

/// At each endpoint the revisions of an order arrived first in their order.
pub(super) fn lanes_keep_their_order(history: &History) -> Vec<String> {
    let mut newest: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for receipt in &history.receipts {
        if !seen.insert((&receipt.endpoint, &receipt.id)) {
            continue;
        }
        for fact in &receipt.facts {
            let Fact::Order { number, revision } = fact else {
                continue;
            };
            let known = newest
                .entry((&receipt.endpoint, number))
                .or_insert(i64::MIN);
            if revision < known {
                found.push(format!(
                    "{number} at `{}`: {revision} came after {known}",
                    receipt.endpoint
                ));
            }
            *known = (*known).max(*revision);
        }
    }
    shortened("order of a lane is broken", found.iter())
}
