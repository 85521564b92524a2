//! Bulk jobs on the wire.

use serde::Serialize;
use time::OffsetDateTime;
use zapnode_core::SessionId;
use zapnode_core::bulk::{BulkJob, InvalidRecipient, SubmittedBulk, UNPACED_RISK};

use zapnode_core::outbox::Pace;

use super::iso;

/// How many of the recipients that are none an answer shows.
const INVALID_SHOWN: usize = 100;

/// A job.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BulkModel {
    id: String,
    session: SessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    state: &'static str,
    /// Another number whenever the job looks different.
    generation: u64,
    total: u64,
    skipped: SkippedModel,
    counts: CountsModel,
    paced: bool,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    send_at: Option<String>,
    /// At the earliest, as far as anybody can say.
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated_end: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SkippedModel {
    opted_out: u64,
    duplicate: u64,
    invalid: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CountsModel {
    queued: u64,
    sending: u64,
    sent: u64,
    delivered: u64,
    read: u64,
    failed: u64,
    cancelled: u64,
}

impl BulkModel {
    /// The job, which is sent at this pace.
    pub fn new(job: BulkJob, pace: &Pace) -> Self {
        let end = job.estimated_end(OffsetDateTime::now_utc(), pace);
        let (skipped, counts) = (job.skipped, job.counts);
        Self {
            generation: job.generation(),
            id: job.id.to_string(),
            session: job.session,
            name: job.name,
            state: job.state.as_str(),
            total: job.total,
            skipped: SkippedModel {
                opted_out: skipped.opted_out,
                duplicate: skipped.duplicate,
                invalid: skipped.invalid,
            },
            counts: CountsModel {
                queued: counts.queued,
                sending: counts.sending,
                sent: counts.sent,
                delivered: counts.delivered,
                read: counts.read,
                failed: counts.failed,
                cancelled: counts.cancelled,
            },
            paced: job.paced,
            created_at: iso(job.created_at),
            send_at: job.send_at.map(iso),
            estimated_end: end.map(iso),
        }
    }
}

/// The answer with one job.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OneBulk {
    success: bool,
    job: BulkModel,
    /// What the way it is sent risks.
    #[serde(skip_serializing_if = "Option::is_none")]
    risk: Option<&'static str>,
    /// Who was left out because they are no recipients: the first 100.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    invalid: Vec<InvalidModel>,
    /// How many messages a cancel took back.
    #[serde(skip_serializing_if = "Option::is_none")]
    taken_back: Option<u64>,
    /// Only where an earlier call with the same idempotency key was accepted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    repeated: bool,
}

impl OneBulk {
    /// A job as it is.
    pub fn new(job: BulkJob, pace: &Pace) -> Self {
        Self {
            success: true,
            job: BulkModel::new(job, pace),
            risk: None,
            invalid: vec![],
            taken_back: None,
            repeated: false,
        }
    }

    /// A job that was just asked for.
    pub fn submitted(submitted: SubmittedBulk, pace: &Pace) -> Self {
        Self {
            risk: (!submitted.job.paced).then_some(UNPACED_RISK),
            invalid: shown(&submitted.invalid),
            repeated: submitted.repeated,
            ..Self::new(submitted.job, pace)
        }
    }

    /// A job that was cancelled.
    pub fn cancelled(job: BulkJob, taken_back: u64, pace: &Pace) -> Self {
        Self {
            taken_back: Some(taken_back),
            ..Self::new(job, pace)
        }
    }
}

/// The answer with a page of jobs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BulkPage {
    success: bool,
    count: usize,
    jobs: Vec<BulkModel>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl BulkPage {
    /// A page of at most `limit` jobs, newest first.
    pub fn new(jobs: Vec<(BulkJob, Pace)>, limit: usize) -> Self {
        let next_cursor = jobs.last().filter(|_| jobs.len() == limit);
        Self {
            success: true,
            count: jobs.len(),
            next_cursor: next_cursor.map(|(job, _)| job.id.to_string()),
            jobs: jobs
                .into_iter()
                .map(|(job, pace)| BulkModel::new(job, &pace))
                .collect(),
        }
    }
}

/// A recipient that is none.
#[derive(Clone, Debug, Serialize)]
pub struct InvalidModel {
    /// Which of the recipients, counted from 0.
    index: usize,
    code: &'static str,
    message: String,
    /// The field that is missing, if that is it.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

/// The first 100, as they are shown.
pub fn shown(invalid: &[InvalidRecipient]) -> Vec<InvalidModel> {
    let first = invalid.iter().take(INVALID_SHOWN);
    first
        .map(|recipient| InvalidModel {
            index: recipient.index,
            code: recipient.code.as_str(),
            message: recipient.detail.clone(),
            field: recipient.field.clone(),
        })
        .collect()
}
