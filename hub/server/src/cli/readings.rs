//! `meterhub readings`: what is known of a meter, and where it came from.

use hub_model::{Instant, LocalDay, ReadingKind, ReadingType, Zone};
use hub_store::StoreError;
use hub_store::estate::enterprise;
use hub_store::estate::readings::{
    self, ReadingsQuery, Series, StoredDay, StoredReading, SubjectId,
};
use serde_json::{Value, json};

use super::output::{self, Paint, paint, say, table, thousands};
use super::store::with_store;
use super::{Common, Exit};
use crate::config::Config;

/// What to do with readings.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Show the readings of a meter or usage point.
    Show(Show),
}

/// Show the readings of a meter or usage point.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Show {
    /// The id of the meter, or of the usage point.
    id: String,
    /// Whose it is; may be left out if there is only one enterprise.
    #[arg(long)]
    enterprise: Option<String>,
    /// Only this reading type, 18 dot-separated numbers.
    #[arg(long)]
    reading_type: Option<ReadingType>,
    /// First local day, `2026-03-29`.
    #[arg(long, value_parser = parse_day)]
    from: Option<LocalDay>,
    /// Last local day.
    #[arg(long, value_parser = parse_day)]
    to: Option<LocalDay>,
    /// At most so many readings.
    #[arg(long, default_value_t = 1_000)]
    limit: usize,
}

fn parse_day(text: &str) -> Result<LocalDay, String> {
    let mut parts = text.split('-').map(str::parse::<i16>);
    let small = |part: Option<Result<i16, _>>| i8::try_from(part?.ok()?).ok();
    let day = parts
        .next()
        .and_then(Result::ok)
        .zip(small(parts.next()))
        .zip(small(parts.next()));
    day.and_then(|((year, month), day)| LocalDay::from_ymd(year, month, day))
        .ok_or_else(|| "expected a day such as 2026-03-29".to_owned())
}

/// Runs the command.
pub(crate) fn run(command: &Command, common: &Common) -> Exit {
    let Command::Show(show) = command;
    with_store(common, async |config, store| {
        let (name, zone) = match owner(&config, show.enterprise.as_deref()) {
            Ok(owner) => owner,
            Err(problem) => return Ok(output::fail(common, Exit::Usage, &problem)),
        };
        let (query, shown_zone) = (show.clone(), zone.clone());
        let found = store
            .db()
            .read(move |tx| collect(tx, &name, &zone, &query))
            .await?;
        Ok(print(common, show, &shown_zone, &found))
    })
}

/// The enterprise that is meant, with its zone.
fn owner(config: &Config, wanted: Option<&str>) -> Result<(String, Zone), String> {
    let mut all = config.enterprises.values();
    let found = match wanted {
        Some(name) => config.enterprises.get(name),
        None => all.next().filter(|_| all.next().is_none()),
    };
    found
        .map(|enterprise| (enterprise.name.clone(), enterprise.zone.clone()))
        .ok_or_else(|| {
            let names: Vec<_> = config
                .enterprises
                .keys()
                .map(|name| format!("`{name}`"))
                .collect();
            format!("say whose with --enterprise: one of {}", names.join(", "))
        })
}

/// One reading, with its series and day.
struct Row {
    series: Series,
    day: LocalDay,
    version: i64,
    reading: Value,
    at: Instant,
}

struct Found {
    rows: Vec<Row>,
    more: bool,
}

fn collect(
    tx: &mut dyn hub_store::db::Tx,
    enterprise_name: &str,
    zone: &Zone,
    show: &Show,
) -> Result<Found, StoreError> {
    let mut found = Found {
        rows: Vec::new(),
        more: false,
    };
    let Some(owner) = enterprise::named(tx, enterprise_name)? else {
        return Ok(found);
    };
    let after = show
        .from
        .map_or(Instant::from_micros(i64::MIN / 4), |day| zone.bounds(day).0);
    let until = show
        .to
        .map_or(Instant::from_micros(i64::MAX / 4), |day| zone.bounds(day).1);
    for subject in [SubjectId::Device(&show.id), SubjectId::UsagePoint(&show.id)] {
        let query = ReadingsQuery {
            enterprise: owner.id,
            subject,
            reading_type: show.reading_type,
            after,
            until,
        };
        readings::readings(tx, &query, &mut |series, day| {
            found.take(series, &day, show.limit);
            Ok(())
        })?;
    }
    Ok(found)
}

impl Found {
    fn take(&mut self, series: &Series, day: &StoredDay, limit: usize) {
        for reading in &day.block.readings {
            if self.rows.len() >= limit {
                self.more = true;
                return;
            }
            let (reading_json, at) = (reading_json(day, reading), reading.at);
            self.rows.push(Row {
                series: *series,
                day: day.day,
                version: day.version,
                reading: reading_json,
                at,
            });
        }
    }
}

fn reading_json(day: &StoredDay, reading: &StoredReading) -> Value {
    let qualities: Vec<_> = day
        .block
        .qualities_of(reading)
        .iter()
        .map(|quality| quality.code.to_string())
        .collect();
    let origin = day.block.origin_of(reading);
    json!({
        "at": reading.at.to_string(),
        "value": reading.value.map(|value| value.to_string()),
        "qualities": qualities,
        "message_id": origin.map(|origin| origin.message.to_string()),
        "sheet": origin.and_then(|origin| origin.sheet.as_deref()),
        "line": (reading.line > 0).then_some(reading.line),
    })
}

fn kind(series: &Series) -> &'static str {
    match series.kind {
        ReadingKind::Interval => "interval",
        ReadingKind::Register => "register",
    }
}

fn print(common: &Common, show: &Show, zone: &Zone, found: &Found) -> Exit {
    if found.rows.is_empty() {
        let text = format!(
            "no readings of a meter or usage point `{}` in that time",
            show.id
        );
        return output::fail(common, Exit::Findings, &text);
    }
    if common.json {
        for row in &found.rows {
            let mut line = row.reading.clone();
            line["reading_type"] = row.series.reading_type.to_string().into();
            line["kind"] = kind(&row.series).into();
            line["day"] = row.day.to_string().into();
            line["version"] = row.version.into();
            say(&line.to_string());
        }
        return Exit::Done;
    }
    for series in found.rows.chunk_by(|a, b| a.series == b.series) {
        let head = format!(
            "{} ({}), local time of {}",
            series[0].series.reading_type,
            kind(&series[0].series),
            zone.name()
        );
        say(&paint(&head, Paint::Bold));
        let rows: Vec<_> = series.iter().map(|row| cells(row, zone)).collect();
        say(&table(
            &["AT", "VALUE", "QUALITIES", "VERSION", "MESSAGE", "LINE"],
            &rows,
        ));
        say("");
    }
    if found.more {
        let limit = thousands(show.limit as u64);
        say(&format!(
            "… the first {limit}; --limit shows more, --from and --to another time"
        ));
    }
    Exit::Done
}

fn cells(row: &Row, zone: &Zone) -> Vec<String> {
    let mut at = Vec::new();
    zone.write_local(&mut at, row.at);
    let text = |key: &str| row.reading[key].as_str().unwrap_or("-").to_owned();
    let qualities = row.reading["qualities"].as_array().into_iter().flatten();
    let qualities: Vec<_> = qualities.filter_map(Value::as_str).collect();
    let line = row.reading["line"]
        .as_u64()
        .map_or_else(|| "-".to_owned(), |line| line.to_string());
    vec![
        String::from_utf8_lossy(&at).into_owned(),
        text("value"),
        qualities.join(" "),
        row.version.to_string(),
        text("message_id"),
        line,
    ]
}
