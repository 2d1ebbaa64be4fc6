//! `meterhub convert`: one file from one format to another, without a hub.
//!
//! Streams both ways: memory does not grow with the file. The records that could be read are
//! written, the others are findings on standard error.

mod conversion;
mod input;
mod progress;
mod report;
mod target;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::builder::PossibleValuesParser;
use hub_core::{Clock, IdGenerator, SystemClock};
use hub_model::Zone;
use hub_model::mapping::{Decode, Encode, Envelope};

use super::output;
use super::{Common, Exit};
use crate::config::{Problem, SourceText, mapping_place, read_text, segments_beside};
use crate::formats::{Format, FormatError, Formats, Setup, formats};
use crate::pipeline::decode_parallel;
use conversion::Conversion;
use input::Input;
use progress::Progress;
use report::Report;
use target::Target;

/// Convert a file from one format to another.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Format of the file.
    #[arg(long, value_name = "FORMAT", value_parser = PossibleValuesParser::new(formats().readable()))]
    from: String,
    /// Format to write.
    #[arg(long, value_name = "FORMAT", value_parser = PossibleValuesParser::new(formats().writable()))]
    to: String,
    /// Mapping file that describes the input's layout; that of the output, if only the output has
    /// one.
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// Mapping file that describes the output's layout.
    #[arg(long, value_name = "FILE")]
    to_mapping: Option<PathBuf>,
    /// Zone of local times, an IANA name such as Europe/Helsinki.
    #[arg(long, default_value = "UTC", value_parser = Zone::named)]
    zone: Zone,
    /// Write to this file, which must not exist, instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print so many findings, 0 for all. All are counted.
    #[arg(long, default_value_t = 100, value_name = "N")]
    max_findings: u64,
    /// Threads that decode, 1 to 256; as many as there are processors if left out.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Message id to write in the document's head, for outputs that can be compared.
    #[arg(long, value_name = "ID")]
    message_id: Option<String>,
    /// Time of creation to write in the document's head: 2026-03-29T00:15:00Z.
    #[arg(long, value_name = "TIME", value_parser = parse_instant)]
    created: Option<hub_model::Instant>,
    /// The file, or - for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

fn parse_instant(text: &str) -> Result<hub_model::Instant, hub_model::InstantError> {
    text.parse()
}

/// Why nothing, or not everything, was converted.
enum Failure {
    /// The mapping file is wrong.
    Problem(Box<Problem>),
    /// The command line is wrong.
    Usage(String),
    /// A file could not be read or written.
    File(String),
    /// Nobody reads the output any more.
    Closed,
}

/// Converts the file.
pub(crate) fn run(args: &Args, common: &Common) -> Exit {
    match convert(args, common) {
        Ok(0) | Err(Failure::Closed) => Exit::Done,
        Ok(_) => Exit::Findings,
        Err(Failure::Problem(problem)) if common.json => {
            eprintln!("{}", crate::config::to_json(&[*problem]));
            Exit::Usage
        }
        Err(Failure::Problem(problem)) => {
            output::problems(&[*problem]);
            Exit::Usage
        }
        Err(Failure::Usage(message)) => output::fail(common, Exit::Usage, &message),
        Err(Failure::File(message)) => output::fail(common, Exit::Failed, &message),
    }
}

/// Returns the number of findings.
fn convert(args: &Args, common: &Common) -> Result<u64, Failure> {
    let (decoder, encoder) = codecs(args, &formats())?;
    let started = Instant::now();
    let input = Input::open(&args.file).map_err(|error| {
        Failure::File(format!("cannot read `{}`: {error}", args.file.display()))
    })?;
    let target = Target::open(args.output.as_deref()).map_err(|e| unwritable(args, &e))?;
    let progress = Progress::new(&input, &target, common.json);
    let threads = match args.threads {
        Some(threads) => usize::from(threads),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let report = Report::new(&input.shown, common.json, args.max_findings);
    let mut conversion = Conversion::begin(encoder, envelope(args), target, report);
    let decoded = decode_parallel(&*decoder, &input.payload, 0, threads, &mut |part| {
        let end = part.end;
        let taken = conversion.part(part, &progress);
        progress.advance(end);
        taken
    });
    progress.done();
    match (decoded, conversion.broken()) {
        (_, Some(error)) => return Err(unwritable(args, &error)),
        (Err(error), None) => {
            return Err(Failure::File(format!(
                "cannot read `{}`: {error}",
                input.shown
            )));
        }
        (Ok(()), None) => {}
    }
    let end = conversion.end(&args.to, &progress, started.elapsed());
    end.map_err(|error| unwritable(args, &error))
}

fn unwritable(args: &Args, error: &io::Error) -> Failure {
    match (error.kind(), &args.output) {
        (io::ErrorKind::BrokenPipe, None) => Failure::Closed,
        (io::ErrorKind::AlreadyExists, Some(path)) => Failure::Usage(format!(
            "`{}` exists and is not overwritten",
            path.display()
        )),
        (_, Some(path)) => Failure::File(format!("cannot write `{}`: {error}", path.display())),
        (_, None) => Failure::File(format!("cannot write to standard output: {error}")),
    }
}

fn envelope(args: &Args) -> Envelope {
    let now = SystemClock.now();
    Envelope {
        message_id: args
            .message_id
            .clone()
            .unwrap_or_else(|| IdGenerator::new(0, None).next(now).to_string()),
        created: args.created.unwrap_or(now),
        zone: args.zone.clone(),
    }
}

/// What reads the input and what writes the output.
type Codecs = (Arc<dyn Decode>, Arc<dyn Encode>);

fn codecs(args: &Args, formats: &Formats) -> Result<Codecs, Failure> {
    let missing = |name: &str| Failure::Usage(format!("unknown format `{name}`"));
    let from = formats.get(&args.from).ok_or_else(|| missing(&args.from))?;
    let to = formats.get(&args.to).ok_or_else(|| missing(&args.to))?;
    let (input, output) = match (from.needs_mapping, to.needs_mapping, &args.to_mapping) {
        // The one mapping file is that of the one side that has one.
        (false, true, None) => (None, args.mapping.as_deref()),
        (_, _, output) => (args.mapping.as_deref(), output.as_deref()),
    };
    let (in_segments, out_segments) = (segments(input)?, segments(output)?);
    let input = mapping(from, "--from", &args.from, "--mapping", input)?;
    let output = mapping(to, "--to", &args.to, "--to-mapping", output)?;
    let decoder = from.decoder(&setup(args, input.as_ref()).with_segments(&in_segments));
    let decoder = decoder.ok_or_else(|| missing(&args.from))?;
    let encoder = to.encoder(&setup(args, output.as_ref()).with_segments(&out_segments));
    let encoder = encoder.ok_or_else(|| missing(&args.to))?;
    Ok((
        decoder.map_err(|error| unusable(input.as_ref(), &error))?,
        encoder.map_err(|error| unusable(output.as_ref(), &error))?,
    ))
}

/// The segment definitions beside a mapping file.
fn segments(mapping: Option<&Path>) -> Result<Vec<(String, String)>, Failure> {
    let folder = mapping.and_then(Path::parent);
    folder
        .map_or_else(|| Ok(Vec::new()), segments_beside)
        .map_err(|(name, error)| {
            Failure::File(format!("cannot read segment definitions `{name}`: {error}"))
        })
}

fn setup<'a>(args: &Args, mapping: Option<&'a Arc<SourceText>>) -> Setup<'a> {
    Setup::new(args.zone.clone(), mapping.map(|file| file.text.as_str()))
}

fn unusable(mapping: Option<&Arc<SourceText>>, error: &FormatError) -> Failure {
    match (error, mapping) {
        (
            FormatError::Mapping {
                line,
                column,
                reason,
            },
            Some(file),
        ) => Failure::Problem(Box::new(Problem::error(
            Some(mapping_place(file, *line, *column)),
            reason.clone(),
        ))),
        _ => Failure::Usage(error.to_string()),
    }
}

/// Reads a side's mapping file; there must be one exactly if the format needs it.
fn mapping(
    format: &Format,
    side: &str,
    name: &str,
    option: &str,
    path: Option<&Path>,
) -> Result<Option<Arc<SourceText>>, Failure> {
    match (format.needs_mapping, path) {
        (false, None) => Ok(None),
        (false, Some(_)) => Err(Failure::Usage(format!(
            "`{side} {name}` takes no mapping file"
        ))),
        (true, None) => Err(Failure::Usage(format!(
            "`{side} {name}` needs a mapping file: `{option} FILE`"
        ))),
        (true, Some(path)) => match read_text(path) {
            Ok(text) => Ok(Some(Arc::new(SourceText {
                name: path.display().to_string(),
                text,
            }))),
            Err(error) => Err(Failure::File(format!(
                "cannot read mapping file `{}`: {error}",
                path.display()
            ))),
        },
    }
}
