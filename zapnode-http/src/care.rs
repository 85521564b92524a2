//! Reads when a session rests and how much memory it may take, as people write it.

use serde_json::Value;
use zapnode_core::options::Care;

use crate::error::ApiError;
use crate::extract::JsonBody;

/// What a time may be.
pub(crate) const SPAN: &str =
    "off, or 10 seconds to 30 days, as 90, 90s, 30m, 12h or 7d (a number alone is seconds)";

/// What a memory limit may be.
pub(crate) const MEGABYTES: &str = "off, or a whole number of MB from 100 to 1000000";

const MOST_MB: u32 = 1_000_000;

/// Reads a time; 0 is off.
pub(crate) fn span(text: &str) -> Result<u64, &'static str> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("off") {
        return Ok(0);
    }
    let (digits, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let number: u64 = digits.parse().map_err(|_| SPAN)?;
    let unit = match unit.trim() {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(SPAN),
    };
    match number.checked_mul(unit) {
        Some(0) => Ok(0),
        Some(seconds @ Care::SHORTEST..=Care::LONGEST) => Ok(seconds),
        _ => Err(SPAN),
    }
}

/// Reads a memory limit; 0 is off.
pub(crate) fn megabytes(text: &str) -> Result<u32, &'static str> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("off") {
        return Ok(0);
    }
    match text.parse() {
        Ok(0) => Ok(0),
        Ok(limit @ Care::LEAST_MB..=MOST_MB) => Ok(limit),
        _ => Err(MEGABYTES),
    }
}

/// Whether both limits make sense together.
pub(crate) fn limits_fit(soft: Option<u32>, hard: Option<u32>) -> bool {
    match (soft, hard) {
        (Some(soft @ 1..), Some(hard @ 1..)) => soft < hard,
        _ => true,
    }
}

/// What a request wants changed: outer `None` leaves it, inner `None` goes back to what is chosen
/// for all sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CareChange {
    hibernate_after: Option<Option<u64>>,
    wake_every: Option<Option<u64>>,
    memory_soft_mb: Option<Option<u32>>,
    memory_hard_mb: Option<Option<u32>>,
}

impl CareChange {
    /// Reads `hibernateAfter`, `wakeEvery`, `memorySoftMb`, `memoryHardMb`.
    ///
    /// # Errors
    /// 400 that names the field and what is allowed.
    pub(crate) fn read(body: &JsonBody) -> Result<Self, ApiError> {
        let change = Self {
            hibernate_after: field(body, "hibernateAfter", span)?,
            wake_every: field(body, "wakeEvery", span)?,
            memory_soft_mb: field(body, "memorySoftMb", megabytes)?,
            memory_hard_mb: field(body, "memoryHardMb", megabytes)?,
        };
        Ok(change)
    }

    /// Whether it changes nothing.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What it makes of a choice.
    ///
    /// # Errors
    /// 400 when the limits do not fit together.
    pub(crate) fn applied(&self, care: Care) -> Result<Care, ApiError> {
        let care = Care {
            hibernate_after: self.hibernate_after.unwrap_or(care.hibernate_after),
            wake_every: self.wake_every.unwrap_or(care.wake_every),
            memory_soft_mb: self.memory_soft_mb.unwrap_or(care.memory_soft_mb),
            memory_hard_mb: self.memory_hard_mb.unwrap_or(care.memory_hard_mb),
        };
        if !limits_fit(care.memory_soft_mb, care.memory_hard_mb) {
            return Err(ApiError::invalid(
                "memorySoftMb must be lower than memoryHardMb",
            ));
        }
        Ok(care)
    }
}

fn field<T>(
    body: &JsonBody,
    name: &str,
    read: fn(&str) -> Result<T, &'static str>,
) -> Result<Option<Option<T>>, ApiError> {
    let text = match body.field(name) {
        None if body.has(name) => return Ok(Some(None)),
        None => return Ok(None),
        Some(Value::String(text)) if text == "default" => return Ok(Some(None)),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(other) => other.to_string(),
    };
    let value = read(&text)
        .map_err(|allowed| ApiError::invalid(format!("{name} must be default, {allowed}")))?;
    Ok(Some(Some(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_limits_as_people_write_them() {
        for (text, expected) in [
            ("off", Some(0)),
            ("0", Some(0)),
            ("0s", Some(0)),
            ("10", Some(10)),
            ("90s", Some(90)),
            ("30m", Some(1800)),
            ("12h", Some(43200)),
            ("30d", Some(30 * 86400)),
            ("9", None),
            ("31d", None),
            ("1w", None),
            ("-5", None),
            ("1.5h", None),
            ("", None),
            ("99999999999999999999d", None),
            ("9999999999999999999h", None),
        ] {
            assert_eq!(span(text).ok(), expected, "{text}");
        }
        for (text, expected) in [
            ("off", Some(0)),
            ("0", Some(0)),
            ("100", Some(100)),
            ("1000000", Some(1_000_000)),
            ("99", None),
            ("1000001", None),
            ("1g", None),
            ("-1", None),
        ] {
            assert_eq!(megabytes(text).ok(), expected, "{text}");
        }
        for (soft, hard, fits) in [
            (None, None, true),
            (Some(500), None, true),
            (Some(500), Some(0), true),
            (Some(0), Some(500), true),
            (Some(499), Some(500), true),
            (Some(500), Some(500), false),
        ] {
            assert_eq!(limits_fit(soft, hard), fits, "{soft:?} {hard:?}");
        }
    }
}
