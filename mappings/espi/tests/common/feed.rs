//! Generated feeds, in any dialect and any order of entries, with what must come out.

#![allow(dead_code, reason = "each test binary uses its own part")]

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

/// A reading as it must come out: point, type, end, value, quality code.
pub(crate) type Expected = (String, String, i64, i64, Option<u16>);

#[derive(Debug, Clone)]
pub(crate) struct Feed {
    dialect: Dialect,
    points: Vec<Point>,
}

#[derive(Debug, Clone)]
struct Dialect {
    base: &'static str,
    customer: &'static str,
    prefix: &'static str,
    links_last: bool,
    attributes_swapped: bool,
}

#[derive(Debug, Clone)]
struct Point {
    service: u8,
    channels: Vec<Channel>,
}

#[derive(Debug, Clone)]
struct Channel {
    length: u32,
    multiplier: i32,
    flow: i32,
    blocks: Vec<Vec<Value>>,
}

type Value = (i64, Option<u16>);

/// Lengths of intervals and their codes.
const LENGTHS: [(u32, i32); 6] = [
    (300, 6),
    (600, 1),
    (900, 2),
    (1800, 5),
    (3600, 7),
    (86_400, 4),
];
const BEGIN: i64 = 1_700_000_000;

pub(crate) fn feed() -> impl Strategy<Value = Feed> {
    let dialect = (
        select(
            &[
                "",
                "/espi/1_1/resource/",
                "https://utility.example//DataCustodian/espi/1_1/resource/",
            ][..],
        ),
        select(
            &[
                "RetailCustomer/9b6c",
                "User/237422",
                "Subscription/5",
                "Batch/Subscription/5",
            ][..],
        ),
        select(&["", "espi:", "ns0:"][..]),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(base, customer, prefix, links_last, attributes_swapped)| Dialect {
                base,
                customer,
                prefix,
                links_last,
                attributes_swapped,
            },
        );
    let value = (
        -140_737_488_355_328i64..140_737_488_355_328,
        of(select(&[0u16, 7, 8, 9, 10, 11, 14, 17, 19][..])),
    );
    let channel = (
        select(&LENGTHS[..]),
        -3..=6i32,
        select(&[1, 19][..]),
        vec(vec(value, 0..6), 0..4),
    )
        .prop_map(|((length, _), multiplier, flow, blocks)| Channel {
            length,
            multiplier,
            flow,
            blocks,
        });
    let point = (select(&[0u8, 1, 2, 4][..]), vec(channel, 1..3))
        .prop_map(|(service, channels)| Point { service, channels });
    (dialect, vec(point, 1..4)).prop_map(|(dialect, points)| Feed { dialect, points })
}

impl Feed {
    /// The ids of its usage points.
    pub(crate) fn points(&self) -> Vec<String> {
        (0..self.points.len())
            .map(|p| format!("point-{p}"))
            .collect()
    }

    pub(crate) fn expected(&self) -> Vec<Expected> {
        let mut expected = Vec::new();
        self.each_block(|p, _, channel, first, values| {
            let code = LENGTHS.iter().find(|(length, _)| *length == channel.length);
            let part = code.expect("a known length").1;
            let name = format!(
                "0.0.{part}.4.{}.1.12.0.0.0.0.0.0.0.0.{}.72.0",
                channel.flow, channel.multiplier
            );
            for (i, (value, quality)) in values.iter().enumerate() {
                let end = first + i64::from(channel.length) * (i as i64 + 1);
                expected.push((format!("point-{p}"), name.clone(), end, *value, *quality));
            }
        });
        expected.sort();
        expected
    }

    fn each_block(&self, mut visit: impl FnMut(usize, usize, &Channel, i64, &[Value])) {
        for (p, point) in self.points.iter().enumerate() {
            for (c, channel) in point.channels.iter().enumerate() {
                for (b, values) in channel.blocks.iter().enumerate() {
                    visit(p, c, channel, BEGIN + 10_000_000 * b as i64, values);
                }
            }
        }
    }

    /// Its entries, each as XML, in the order in which a tidy sender writes them.
    pub(crate) fn entries(&self) -> Vec<String> {
        let mut entries = Vec::new();
        for (p, point) in self.points.iter().enumerate() {
            let this = format!("{}/UsagePoint/point-{p}", self.dialect.customer);
            entries.push(self.entry(
                &this,
                &[format!("{this}/MeterReading")],
                &self.element(
                    "UsagePoint",
                    &self.element("ServiceCategory", &self.element("kind", &point.service)),
                ),
            ));
            for (c, channel) in point.channels.iter().enumerate() {
                self.channel(&mut entries, &this, &format!("{p}-{c}"), c, channel);
            }
        }
        entries
    }

    fn channel(&self, out: &mut Vec<String>, point: &str, id: &str, c: usize, channel: &Channel) {
        let this = format!("{point}/MeterReading/{c}");
        let kind = format!("ReadingType/{id}");
        out.push(self.entry(
            &this,
            &[format!("{this}/IntervalBlock"), kind.clone()],
            &self.element("MeterReading", &""),
        ));
        let parts: String = [
            ("accumulationBehaviour", 4),
            ("commodity", 1),
            ("flowDirection", channel.flow),
            ("intervalLength", channel.length.cast_signed()),
            ("kind", 12),
            ("powerOfTenMultiplier", channel.multiplier),
            ("uom", 72),
        ]
        .iter()
        .map(|(name, value)| self.element(name, value))
        .collect();
        out.push(self.entry(&kind, &[], &self.element("ReadingType", &parts)));
        for (b, values) in channel.blocks.iter().enumerate() {
            let first = BEGIN + 10_000_000 * b as i64;
            let readings: String = values
                .iter()
                .enumerate()
                .map(|(i, value)| self.reading(first, channel.length, i, *value))
                .collect();
            out.push(self.entry(
                &format!("{this}/IntervalBlock/{b}"),
                &[],
                &self.element("IntervalBlock", &readings),
            ));
        }
    }

    fn reading(&self, first: i64, length: u32, i: usize, (value, quality): Value) -> String {
        let start = first + i64::from(length) * i as i64;
        let period = self.element("duration", &length) + &self.element("start", &start);
        let quality = quality.map_or_else(String::new, |code| {
            self.element("ReadingQuality", &self.element("quality", &code))
        });
        let inside =
            quality + &self.element("timePeriod", &period) + &self.element("value", &value);
        self.element("IntervalReading", &inside)
    }

    fn element(&self, name: &str, inside: &dyn std::fmt::Display) -> String {
        let prefix = self.dialect.prefix;
        format!("<{prefix}{name}>{inside}</{prefix}{name}>\n")
    }

    fn entry(&self, this: &str, related: &[String], resource: &str) -> String {
        let up = this.rsplit_once('/').map_or(this, |(up, _)| up);
        let mut links = self.link("self", this) + &self.link("up", up);
        for related in related {
            links += &self.link("related", related);
        }
        let default = if self.dialect.prefix.is_empty() {
            " xmlns=\"http://naesb.org/espi\""
        } else {
            ""
        };
        let resource = resource.replacen(['>'], &format!("{default}>"), 1);
        let content = format!("<a:content>{resource}</a:content>\n");
        let body = if self.dialect.links_last {
            content + &links
        } else {
            links + &content
        };
        format!("<a:entry>{body}</a:entry>\n")
    }

    fn link(&self, rel: &str, key: &str) -> String {
        let href = format!("{}{key}", self.dialect.base);
        if self.dialect.attributes_swapped {
            return format!("<a:link href = '{href}' rel = '{rel}'></a:link>\n");
        }
        format!("<a:link rel=\"{rel}\" href=\"{href}\"/>\n")
    }

    /// A document of these entries.
    pub(crate) fn document(&self, entries: &[String]) -> String {
        let declared = match self.dialect.prefix.strip_suffix(':') {
            Some(prefix) => format!(" xmlns:{prefix}=\"http://naesb.org/espi\""),
            None => String::new(),
        };
        format!(
            "<?xml version=\"1.0\"?>\n<a:feed xmlns:a=\"http://www.w3.org/2005/Atom\"{declared}>\n{}</a:feed>\n",
            entries.concat()
        )
    }
}
