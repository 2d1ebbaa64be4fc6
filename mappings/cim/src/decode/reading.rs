//! One reading, read element by element.

use hub_model::Finding;
use hub_model::{
    Decimal, Instant, Place, QualityCode, Reading, ReadingDetail, ReadingKind, ReadingQuality,
    ReadingType, ReadingTypeError,
};

use crate::codes;
use crate::limits::{MAX_QUALITIES, MAX_TEXT_BYTES};
use crate::stop::Stop;
use crate::text::quoted;
use crate::wire::Element;
use crate::xml::{Flaw, Token, Xml};

use super::Walk;
use super::draft::Draft;
use super::qualities::known_missing;

/// A reading type, or why it cannot be read.
pub(super) type TypeResult = Result<ReadingType, Box<Finding>>;

/// Remembers the reading type read last: a document has few.
#[derive(Debug, Default)]
pub(super) struct TypeMemo {
    text: String,
    value: ReadingType,
}

impl TypeMemo {
    fn parse(&mut self, text: &str) -> Result<ReadingType, ReadingTypeError> {
        if text != self.text {
            self.value = text.parse()?;
            text.clone_into(&mut self.text);
        }
        Ok(self.value)
    }
}

/// Reads a `ReadingType` element.
pub(super) fn read_type(
    xml: &mut Xml<'_>,
    memo: &mut TypeMemo,
    field: &str,
) -> Result<TypeResult, Stop> {
    let place = xml.place();
    xml.read_reference()?;
    let result = match xml.text() {
        Ok("") => Err((codes::MISSING_READING_TYPE, no_type())),
        Ok(text) => memo.parse(text).map_err(|error| {
            let reason = format!("{} {error}", quoted(text));
            (codes::BAD_READING_TYPE, reason)
        }),
        Err(flaw) => Err((codes::BAD_READING_TYPE, flawed(&flaw))),
    };
    Ok(result
        .map_err(|(code, reason)| Box::new(Finding::error(code, place, reason).in_field(field))))
}

/// Says that a reading type is missing.
pub(super) fn no_type() -> String {
    "no reading type, expected `<ReadingType ref=\"...\"/>` with 18 dot-separated integers such as \
     `0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0`"
        .into()
}

/// Says what is wrong with a text.
pub(super) fn flawed(flaw: &Flaw) -> String {
    match flaw {
        Flaw::TooLong => format!("longer than {MAX_TEXT_BYTES} bytes"),
        Flaw::UnknownEntity(name) => format!(
            "refers to the entity {name}, which is not declared; valid are `&lt;` `&gt;` `&amp;` \
             `&quot;` `&apos;` and numbers such as `&#228;`"
        ),
    }
}

impl Walk<'_> {
    /// Reads the elements of a reading.
    pub(super) fn draft(&mut self, kind: ReadingKind) -> Result<Draft, Stop> {
        let mut draft = Draft::new(self.xml.place(), kind);
        self.scratch.clear();
        loop {
            match self.xml.next()? {
                Token::Open(Element::TimeStamp) => {
                    draft.at = self.instant(&mut draft, "timeStamp")?;
                }
                Token::Open(Element::Value) => self.value(&mut draft)?,
                Token::Open(Element::ReadingQualities) => self.quality(&mut draft)?,
                Token::Open(Element::TimePeriod) => self.period(&mut draft)?,
                Token::Open(Element::ReportedDateTime) => {
                    draft.detail.reported = self.instant(&mut draft, "reportedDateTime")?;
                }
                Token::Open(Element::Source) => {
                    draft.detail.source = self.words(&mut draft, "source")?;
                }
                Token::Open(Element::Reason) if kind == ReadingKind::Register => {
                    draft.detail.reason = self.words(&mut draft, "reason")?;
                }
                Token::Open(Element::ReadingType) if kind == ReadingKind::Register => {
                    let field = "MeterReading/Readings/ReadingType";
                    draft.reading_type = Some(read_type(&mut self.xml, &mut self.types, field)?);
                }
                Token::Open(_) => self.xml.skip()?,
                Token::Close | Token::End => return Ok(draft),
            }
        }
    }

    /// Makes a reading of a draft; its quality and line are still to be set. `None`: it was
    /// rejected with a finding.
    pub(super) fn finish(&mut self, draft: &mut Draft) -> Result<Option<Reading>, Stop> {
        let at = draft.at.or(draft.period_end);
        if at.is_none() {
            let reason = "no time stamp, expected `<timeStamp>2026-03-29T00:15:00Z</timeStamp>`, \
                          the end of the interval or the instant of the reading";
            let place = draft.place.clone();
            draft.reject(codes::MISSING_TIME, place, "timeStamp", reason.into());
        }
        if draft.value.is_none() && !known_missing(&self.scratch) {
            let reason = "no value, expected a decimal number such as `0.125`, or a quality that \
                          says the value is known to be missing, such as `2.5.259`";
            let place = draft.place.clone();
            draft.reject(codes::MISSING_VALUE, place, "value", reason.into());
        }
        let fault = draft.take_fault();
        match (at, fault) {
            (_, Some(finding)) => {
                self.out.finding(finding)?;
                Ok(None)
            }
            (None, None) => Ok(None),
            (Some(at), None) => Ok(Some(Reading {
                at,
                value: draft.value,
                quality: 0,
                line: 0,
                detail: draft.take_detail(),
            })),
        }
    }

    fn instant(&mut self, draft: &mut Draft, field: &str) -> Result<Option<Instant>, Stop> {
        let place = self.xml.place();
        self.xml.read_text()?;
        let reason = match self.xml.text() {
            Ok(text) => match self.times.parse(text.as_bytes()) {
                Ok(instant) => return Ok(Some(instant)),
                Err(error) => format!("{} {}", quoted(text), what_of_time(&error.to_string())),
            },
            Err(flaw) => flawed(&flaw),
        };
        draft.reject(codes::BAD_TIME, place, field, reason);
        Ok(None)
    }

    fn value(&mut self, draft: &mut Draft) -> Result<(), Stop> {
        let place = self.xml.place();
        self.xml.read_text()?;
        let reason = match self.xml.text() {
            // As good as no element: only a quality can explain it.
            Ok("") => return Ok(()),
            Ok(text) => match Decimal::parse(text.as_bytes(), b'.') {
                Ok(value) => {
                    draft.value = Some(value);
                    return Ok(());
                }
                Err(error) => format!(
                    "{}: {error}, expected a decimal number such as `0.125`",
                    quoted(text)
                ),
            },
            Err(flaw) => flawed(&flaw),
        };
        draft.reject(codes::BAD_VALUE, place, "value", reason);
        Ok(())
    }

    fn words(&mut self, draft: &mut Draft, field: &str) -> Result<Option<String>, Stop> {
        let place = self.xml.place();
        self.xml.read_text()?;
        match self.xml.text() {
            Ok("") => Ok(None),
            Ok(text) => Ok(Some(text.to_owned())),
            Err(flaw) => {
                draft.reject(codes::BAD_TEXT, place, field, flawed(&flaw));
                Ok(None)
            }
        }
    }

    fn period(&mut self, draft: &mut Draft) -> Result<(), Stop> {
        loop {
            match self.xml.next()? {
                Token::Open(Element::Start) => {
                    draft.period_start = self.instant(draft, "timePeriod/start")?;
                }
                Token::Open(Element::End) => {
                    draft.period_end = self.instant(draft, "timePeriod/end")?;
                }
                Token::Open(_) => self.xml.skip()?,
                Token::Close | Token::End => return Ok(()),
            }
        }
    }

    /// Reads one `ReadingQualities` element into the scratch.
    fn quality(&mut self, draft: &mut Draft) -> Result<(), Stop> {
        let place = self.xml.place();
        let mut quality = ReadingQuality::of(QualityCode::new(0, 0, 0));
        let mut seen_code = false;
        loop {
            match self.xml.next()? {
                Token::Open(Element::ReadingQualityType) => {
                    seen_code = true;
                    self.xml.read_reference()?;
                    match self.quality_code() {
                        Ok(code) => quality.code = code,
                        Err(reason) => draft.reject(
                            codes::BAD_QUALITY,
                            place.clone(),
                            "ReadingQualities/ReadingQualityType",
                            reason,
                        ),
                    }
                }
                Token::Open(Element::Comment) => {
                    quality.comment = self.words(draft, "ReadingQualities/comment")?;
                }
                Token::Open(Element::Source) => {
                    quality.source = self.words(draft, "ReadingQualities/source")?;
                }
                Token::Open(Element::TimeStamp) => {
                    quality.timestamp = self.instant(draft, "ReadingQualities/timeStamp")?;
                }
                Token::Open(_) => self.xml.skip()?,
                Token::Close | Token::End => break,
            }
        }
        if !seen_code {
            let reason = "no `ReadingQualityType`, expected `system.category.sub` such as `2.0.0`";
            draft.reject(codes::BAD_QUALITY, place, "ReadingQualities", reason.into());
        } else if self.scratch.len() >= MAX_QUALITIES {
            let reason = format!("more than {MAX_QUALITIES} qualities");
            draft.reject(codes::BAD_QUALITY, place, "ReadingQualities", reason);
        } else {
            self.scratch.push(quality);
        }
        Ok(())
    }

    fn quality_code(&self) -> Result<QualityCode, String> {
        match self.xml.text() {
            Ok(text) => text
                .parse()
                .map_err(|error| format!("{} is {error}", quoted(text))),
            Err(flaw) => Err(flawed(&flaw)),
        }
    }
}

/// The model's words for a bad time read on from the text itself.
fn what_of_time(error: &str) -> String {
    if error.starts_with("not ") {
        format!("is {error}")
    } else {
        error.to_owned()
    }
}

/// Line of a reading counted from its block's.
pub(super) fn line_in_block(block: &Place, line: u64) -> u32 {
    u32::try_from(line.saturating_sub(block.line)).unwrap_or(u32::MAX)
}

/// Bytes of texts that a reading and its qualities keep, roughly.
pub(super) fn weight(detail: Option<&ReadingDetail>, qualities: &[ReadingQuality]) -> usize {
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let detail = detail.map_or(0, |d| {
        size_of::<ReadingDetail>() + length(&d.source) + length(&d.reason)
    });
    let qualities: usize = qualities
        .iter()
        .filter(|q| q.comment.is_some() || q.source.is_some() || q.timestamp.is_some())
        .map(|q| size_of::<ReadingQuality>() + length(&q.comment) + length(&q.source))
        .sum();
    detail + qualities
}
