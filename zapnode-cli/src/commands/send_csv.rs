//! `zapnode send --csv`: one text to many, as a job that goes on where it ended.

use std::cell::RefCell;
use std::io::IsTerminal;

use hyper::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zapnode_core::bulk::{MAX_RECIPIENTS, Template, UNPACED_RISK};

use super::send::{Bulk, READY_WITHIN, SendArgs};
use super::{Context, ask_yes_or_no, asked_to_end};
use crate::client::Api;
use crate::csv_file::{self, Table};
use crate::error::{CliError, Kind};

/// How long one look at the job waits for news.
const LOOK_MS: u64 = 20_000;

/// How many things that are wrong are told one by one.
const TOLD: usize = 20;

/// What is to be sent to whom.
pub(super) struct Job {
    table: Table,
    template: Template,
    /// What the text and the file are, whatever the session.
    digest: Sha256,
}

/// Reads the file and checks what can be checked without any session.
pub(super) fn read(bulk: &Bulk) -> Result<Job, CliError> {
    let path = bulk.csv.display();
    let bytes = std::fs::read(&bulk.csv)
        .map_err(|error| CliError::usage(format!("{path} cannot be read: {error}")))?;
    let table = csv_file::read(&bytes)
        .map_err(|error| CliError::usage(format!("{path} cannot be used: {error}")))?;
    if table.rows.len() > MAX_RECIPIENTS {
        let text = format!("{path} has {} recipients", table.rows.len());
        return Err(CliError::usage(text).hint(format!(
            "One job has at most {MAX_RECIPIENTS}: part the file."
        )));
    }
    let template = Template::new(&bulk.template)
        .map_err(|error| CliError::usage(format!("--template cannot be used: {error}")))?;
    let missing = template
        .required_fields()
        .find(|field| !table.headings.iter().any(|heading| heading == field));
    if let Some(field) = missing {
        let text = format!("the template names {field:?}, and {path} has no such column");
        return Err(CliError::usage(text).hint(format!(
            "Its columns are: {}. A default reads {{{{{field}|…}}}}.",
            table.headings.join(", ")
        )));
    }
    let mut digest = Sha256::new();
    for part in [bulk.template.as_bytes(), &bytes] {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    Ok(Job {
        table,
        template,
        digest,
    })
}

/// Sends, and shows how far it is. On Ctrl-C what is queued stays queued.
pub(super) async fn run(
    args: &SendArgs,
    bulk: &Bulk,
    job: Job,
    context: &Context,
    api: &Api,
) -> Result<(), CliError> {
    let last = RefCell::new(Value::Null);
    let work = async {
        let answer = accepted(args, bulk, job, context, api).await?;
        last.replace(answer["job"].clone());
        tell_begin(&answer, context);
        let end = follow(&answer, &last, context, api).await?;
        summary(&end, context, api).await
    };
    tokio::select! {
        result = work => result,
        () = asked_to_end() => Err(interrupted(&last.borrow(), api.is_embedded())),
    }
}

async fn accepted(
    args: &SendArgs,
    bulk: &Bulk,
    mut job: Job,
    context: &Context,
    api: &Api,
) -> Result<Value, CliError> {
    let within = context.global.patience(READY_WITHIN);
    let session = api.ready(args.session.as_str(), within, &context.progress);
    // By its own id: `default` may mean another one tomorrow.
    let session = session.await?["id"].as_str().unwrap_or_default().to_owned();
    confirm(bulk, &job, context).await?;
    job.digest.update(session.as_bytes());
    let key = match &args.idempotency_key {
        Some(key) => key.clone(),
        None => format!("csv-{}", &hex(&job.digest.finalize())[..32]),
    };
    let lines: Vec<u64> = job.table.rows.iter().map(|row| row.line).collect();
    let recipients = job.table.rows.into_iter();
    let recipients = recipients.map(|row| json!({"to": row.to, "fields": row.fields}));
    let name = bulk.name.clone().unwrap_or_else(|| {
        let name = bulk.csv.file_name().unwrap_or_default();
        name.to_string_lossy().chars().take(200).collect()
    });
    let body = json!({
        "region": args.region,
        "recipients": recipients.collect::<Vec<_>>(),
        "template": bulk.template,
        "paced": !bulk.no_pace,
        "skipInvalid": bulk.skip_invalid,
        "name": name,
    });
    context.progress.say("storing the messages");
    let path = format!("/sessions/{session}/messages/bulk");
    let headers = [("idempotency-key", key.as_str())];
    let answer = api.ask(Method::POST, &path, Some(body), &headers).await;
    let answer = answer.map_err(|error| refused(error, &lines, context))?;
    for skipped in invalid_lines(&answer, &lines) {
        context.progress.hide(|| context.output.note(skipped));
    }
    Ok(answer)
}

/// Shows what would be sent and asks, where somebody is there to be asked.
async fn confirm(bulk: &Bulk, job: &Job, context: &Context) -> Result<(), CliError> {
    if bulk.no_pace {
        context.progress.hide(|| context.output.note(UNPACED_RISK));
    }
    if bulk.yes || context.output.is_json() || !std::io::stdin().is_terminal() {
        return Ok(());
    }
    let first = job.table.rows.first();
    let sample = first.and_then(|row| job.template.fill(&row.fields).ok());
    let question = format!(
        "{}\nSend this to {} people, each with their own fields?",
        sample.unwrap_or_default(),
        job.table.rows.len()
    );
    match ask_yes_or_no(&question, context).await? {
        true => Ok(()),
        false => Err(CliError::other("not sent")),
    }
}

/// What the API refused, in terms of the file.
fn refused(error: CliError, lines: &[u64], context: &Context) -> CliError {
    match error.code.as_str() {
        "invalid_recipients" => {
            if !context.output.is_json() {
                for line in invalid_lines(&error.body, lines) {
                    context.progress.hide(|| context.output.note(line));
                }
            }
            error.hint(
                "Nothing was sent. Correct the file; --skip-invalid leaves out those that are no \
                 numbers.",
            )
        }
        "idempotency_mismatch" => CliError::new(
            error.kind,
            "idempotency_mismatch",
            "this file and template were begun with other options (--no-pace, --skip-invalid, --name) or under another file name",
        )
        .hint(
            "Use the same ones to go on. For a new job give another --idempotency-key; it writes to \
             everybody again.",
        ),
        _ => error,
    }
}

/// The recipients that are none, by their lines.
fn invalid_lines(answer: &Value, lines: &[u64]) -> Vec<String> {
    let none = vec![];
    let invalid = answer["invalid"].as_array().unwrap_or(&none);
    let told = invalid.iter().take(TOLD).map(|one| {
        let index = one["index"].as_u64().and_then(|i| usize::try_from(i).ok());
        let line = index
            .and_then(|i| lines.get(i))
            .copied()
            .unwrap_or_default();
        format!(
            "line {line}: {}",
            one["message"].as_str().unwrap_or_default()
        )
    });
    let mut told: Vec<_> = told.collect();
    let count = answer["invalidCount"].as_u64();
    let count = count.or(answer["job"]["skipped"]["invalid"].as_u64());
    if let Some(more) = count.unwrap_or_default().checked_sub(told.len() as u64)
        && more > 0
    {
        told.push(format!("and {more} more"));
    }
    told
}

fn tell_begin(answer: &Value, context: &Context) {
    let text = begin(answer);
    context.progress.hide(|| {
        if context.output.is_json() {
            context.output.result("", answer);
        } else {
            context.output.note(text);
        }
    });
}

/// What was accepted, in words.
fn begin(answer: &Value) -> String {
    let job = &answer["job"];
    let id = job["id"].as_str().unwrap_or_default();
    let total = job["total"].as_u64().unwrap_or_default();
    if answer["repeated"] == true {
        let when = job["createdAt"].as_str().unwrap_or_default();
        return match job["state"].as_str() {
            Some("done" | "cancelled") => format!(
                "This was sent already, as job {id} of {when}; nobody gets it twice. To send it \
                 again give another --idempotency-key."
            ),
            _ => format!(
                "Going on with job {id} of {when}: {} of {total} are sent.",
                sent(job)
            ),
        };
    }
    let mut text = format!("Job {id}: {total} messages.");
    for (field, what) in [
        ("optedOut", "opted out"),
        ("duplicate", "named twice"),
        ("invalid", "no numbers"),
    ] {
        match job["skipped"][field].as_u64() {
            None | Some(0) => {}
            Some(count) => text += &format!(" Left out: {count} {what}."),
        }
    }
    if let Some(end) = job["estimatedEnd"].as_str() {
        text += &format!(" It ends at {end} at the earliest.");
    }
    text
}

/// Follows the job until nothing of it is queued or under way.
async fn follow(
    answer: &Value,
    last: &RefCell<Value>,
    context: &Context,
    api: &Api,
) -> Result<Value, CliError> {
    let mut answer = answer.clone();
    loop {
        let job = &answer["job"];
        last.replace(job.clone());
        context.progress.bar(
            settled(job),
            job["total"].as_u64().unwrap_or_default(),
            &waiting_for(job),
        );
        let id = job["id"].as_str().unwrap_or_default();
        match job["state"].as_str() {
            Some("running") => {}
            Some("paused") => {
                return Err(CliError::new(
                    Kind::Other,
                    "bulk_paused",
                    format!(
                        "job {id} is held: {} messages are queued",
                        job["counts"]["queued"]
                    ),
                )
                .hint(format!("Go on: zapnode bulk resume {id}")));
            }
            _ if open(job) == 0 => return Ok(answer),
            _ => {}
        }
        let generation = job["generation"].as_u64().unwrap_or_default();
        let path = format!("/bulk/{id}?newerThan={generation}&timeoutMs={LOOK_MS}");
        let next = api.get(&path).await?;
        if next["job"]["generation"] == generation {
            check_session(&next["job"], api).await?;
        }
        answer = next;
    }
}

/// A job without news may be one whose session gave up.
async fn check_session(job: &Value, api: &Api) -> Result<(), CliError> {
    let session = job["session"].as_str().unwrap_or_default();
    let answer = api.get(&format!("/sessions/{session}")).await?;
    let session = &answer["session"];
    match session["status"].as_str() {
        Some("stopped" | "logged_out" | "failed" | "awaiting_login") => {
            Err(CliError::not_ready(session))
        }
        _ => Ok(()),
    }
}

async fn summary(answer: &Value, context: &Context, api: &Api) -> Result<(), CliError> {
    let job = &answer["job"];
    let count = |field: &str| job["counts"][field].as_u64().unwrap_or_default();
    let mut text = format!("Sent {} of {}.", sent(job), job["total"]);
    if count("cancelled") > 0 {
        text += &format!(" Taken back: {}.", count("cancelled"));
    }
    if count("failed") > 0 {
        text += &format!(" Not sent: {}.", count("failed"));
    }
    let mut kind = None;
    if count("failed") > 0 {
        let id = job["id"].as_str().unwrap_or_default();
        let path = format!("/bulk/{id}/messages?state=failed&limit={TOLD}");
        let failed = api.get(&path).await?;
        let none = vec![];
        for message in failed["messages"].as_array().unwrap_or(&none) {
            let reason = &message["reason"];
            let code = reason["code"].as_str().unwrap_or("message_failed");
            let error = CliError::of_code(code, reason["message"].as_str().unwrap_or(code));
            kind.get_or_insert(error.kind);
            let to = message["to"].as_str();
            if !context.output.is_json() {
                context.progress.hide(|| context.output.failure(to, &error));
            }
        }
    }
    context
        .progress
        .hide(|| context.output.result(text, answer));
    kind.map_or(Ok(()), |kind| Err(CliError::told(kind)))
}

fn interrupted(job: &Value, is_embedded: bool) -> CliError {
    let Some(id) = job["id"].as_str() else {
        return CliError::new(Kind::Interrupted, "interrupted", "interrupted");
    };
    let text = format!("interrupted: {} of {} are sent", sent(job), job["total"]);
    let hint = if is_embedded {
        "The rest stays queued. Run the same command again to go on; nobody gets it twice."
            .to_owned()
    } else {
        format!("The server goes on by itself. Hold it: zapnode bulk pause {id}")
    };
    CliError::new(Kind::Interrupted, "interrupted", text).hint(hint)
}

/// How many WhatsApp's server has.
fn sent(job: &Value) -> u64 {
    sum(job, &["sent", "delivered", "read"])
}

fn open(job: &Value) -> u64 {
    sum(job, &["queued", "sending"])
}

fn settled(job: &Value) -> u64 {
    sum(job, &["sent", "delivered", "read", "failed", "cancelled"])
}

fn sum(job: &Value, states: &[&str]) -> u64 {
    let counts = states.iter().map(|state| job["counts"][*state].as_u64());
    counts.map(Option::unwrap_or_default).sum()
}

fn waiting_for(job: &Value) -> String {
    match (job["paced"].as_bool(), job["estimatedEnd"].as_str()) {
        (Some(true), Some(end)) => format!("gently, until {end} at the earliest"),
        _ => "sending".to_owned(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Value {
        json!({
            "id": "01J", "state": "running", "total": 10, "createdAt": "2026-01-01",
            "skipped": {"optedOut": 1, "duplicate": 0, "invalid": 2},
            "counts": {"queued": 4, "sending": 1, "sent": 1, "delivered": 1, "read": 1,
                       "failed": 1, "cancelled": 1},
        })
    }

    #[test]
    fn what_is_said_of_a_job() {
        let new = json!({"job": job()});
        assert_eq!(
            begin(&new),
            "Job 01J: 10 messages. Left out: 1 opted out. Left out: 2 no numbers."
        );
        let again = json!({"job": job(), "repeated": true});
        assert!(begin(&again).ends_with("3 of 10 are sent."));
        let mut done = again;
        done["job"]["state"] = "done".into();
        assert!(begin(&done).contains("nobody gets it twice"));
        assert_eq!((sent(&job()), open(&job()), settled(&job())), (3, 5, 5));
    }

    #[test]
    fn an_interrupted_run_says_how_to_go_on() {
        let hint = |is_embedded| interrupted(&job(), is_embedded).hint.unwrap_or_default();
        assert!(hint(true).contains("same command again"));
        assert!(hint(false).contains("zapnode bulk pause 01J"));
        assert_eq!(interrupted(&job(), true).kind.exit_code(), 130);
        assert_eq!(interrupted(&Value::Null, true).hint, None);
    }

    #[test]
    fn what_is_wrong_is_told_by_its_line() {
        let answer = json!({"invalidCount": 3, "invalid": [
            {"index": 1, "message": "no number"}, {"index": 2, "message": "the field is missing"},
        ]});
        assert_eq!(
            invalid_lines(&answer, &[2, 3, 7]),
            [
                "line 3: no number",
                "line 7: the field is missing",
                "and 1 more"
            ]
        );
        assert!(invalid_lines(&json!({"job": {}}), &[]).is_empty());
    }
}
