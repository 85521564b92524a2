//! What is to be sent to whom: the whole of a job, decided before anything of it is stored. Pure.

use std::collections::{BTreeMap, HashSet};

use super::job::Skipped;
use super::template::Template;
use crate::message::{Recipient, check_text};

/// Somebody to write to, and what the template says of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct BulkRecipient {
    /// A phone number as people write it, or a chat id.
    pub to: String,
    /// The template's fields.
    pub fields: BTreeMap<String, String>,
}

impl<T: Into<String>> From<T> for BulkRecipient {
    fn from(to: T) -> Self {
        Self {
            to: to.into(),
            fields: BTreeMap::new(),
        }
    }
}

/// What is wrong with a recipient, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidCode {
    /// It is no phone number and no chat that can be written to.
    Recipient,
    /// The template names a field that it does not have.
    MissingField,
    /// What came out of the template cannot be sent.
    Text,
}

impl InvalidCode {
    /// The word on our wires.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recipient => "invalid_phone_number",
            Self::MissingField => "missing_field",
            Self::Text => "invalid_text",
        }
    }
}

/// A recipient that cannot be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRecipient {
    /// Which, counted from 0.
    pub index: usize,
    /// What is wrong.
    pub code: InvalidCode,
    /// The same for a person. Does not repeat the number.
    pub detail: String,
    /// The field that is missing, if that is it.
    pub field: Option<String>,
}

/// What a job comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Each person once, in the order given.
    pub(super) messages: Vec<(Recipient, String)>,
    pub(super) skipped: Skipped,
    /// Those that were skipped because they are no recipients.
    pub(super) invalid: Vec<InvalidRecipient>,
}

/// Plans a job. Whoever opted out is left out; so is one who was named before. Numbers that are none
/// are left out where `skip_invalid` says so; a missing field or an impossible text never is, because
/// that is a mistake in the template or in a whole column.
///
/// # Errors
/// Everything that is wrong, in order.
pub(super) fn plan(
    recipients: &[BulkRecipient],
    template: &Template,
    opted_out: &HashSet<Recipient>,
    skip_invalid: bool,
) -> Result<Plan, Vec<InvalidRecipient>> {
    let mut plan = Plan {
        messages: Vec::with_capacity(recipients.len()),
        skipped: Skipped::default(),
        invalid: vec![],
    };
    let mut seen = HashSet::new();
    let mut may_go = true;
    for (index, recipient) in recipients.iter().enumerate() {
        match read(recipient, template) {
            Err((code, detail, field)) => {
                may_go &= skip_invalid && code == InvalidCode::Recipient;
                plan.skipped.invalid += 1;
                plan.invalid.push(InvalidRecipient {
                    index,
                    code,
                    detail,
                    field,
                });
            }
            Ok((to, _)) if opted_out.contains(&to) => plan.skipped.opted_out += 1,
            Ok((to, _)) if !seen.insert(to.clone()) => plan.skipped.duplicate += 1,
            Ok(message) => plan.messages.push(message),
        }
    }
    if may_go { Ok(plan) } else { Err(plan.invalid) }
}

type Wrong = (InvalidCode, String, Option<String>);

fn read(recipient: &BulkRecipient, template: &Template) -> Result<(Recipient, String), Wrong> {
    let to = Recipient::to_write_to(&recipient.to)
        .map_err(|error| (InvalidCode::Recipient, error.for_answers().to_owned(), None))?;
    let text = template.fill(&recipient.fields).map_err(|missing| {
        let detail = missing.to_string();
        (InvalidCode::MissingField, detail, Some(missing.name))
    })?;
    check_text(&text).map_err(|why| (InvalidCode::Text, why.to_owned(), None))?;
    Ok((to, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(to: &str, name: &str) -> BulkRecipient {
        BulkRecipient {
            fields: [("name".to_owned(), name.to_owned())].into(),
            ..to.into()
        }
    }

    fn nobody() -> HashSet<Recipient> {
        HashSet::new()
    }

    fn template(text: &str) -> Template {
        Template::new(text).expect("a template")
    }

    fn texts(plan: &Plan) -> Vec<String> {
        let messages = plan.messages.iter();
        messages.map(|(to, text)| format!("{to}: {text}")).collect()
    }

    #[test]
    fn each_person_once_in_order_and_nobody_who_opted_out() {
        let opted_out = [Recipient::to_write_to("5511900000003").expect("a number")];
        let plan = plan(
            &[
                named("+55 11 90000-0001", "Ana"),
                named("5511900000002", "Bia"),
                named("5511900000001@c.us", "Ana outra vez"),
                named("5511900000003", "Caio"),
                named("12@g.us", "Grupo"),
            ],
            &template("Olá {{name}}"),
            &opted_out.into(),
            false,
        )
        .expect("a plan");
        assert_eq!(
            texts(&plan),
            [
                "5511900000001: Olá Ana",
                "5511900000002: Olá Bia",
                "12@g.us: Olá Grupo"
            ]
        );
        let skipped = (plan.skipped.opted_out, plan.skipped.duplicate);
        assert_eq!((skipped, plan.skipped.invalid), ((1, 1), 0));
    }

    #[test]
    fn what_is_wrong_is_all_told_and_numbers_can_be_skipped() {
        let good = named("5511900000001", "Ana");
        let number = named("12", "Bia");
        let channel = named("12@newsletter", "Canal");
        let fieldless = BulkRecipient::from("5511900000002");
        let blank = named("5511900000003", " ");
        let long = named("5511900000004", &"x".repeat(70_000));
        let code = |i: &InvalidRecipient| (i.index, i.code.as_str());
        for (recipients, skip, wrong) in [
            (
                vec![&good, &number, &channel],
                false,
                Some(vec![
                    (1, "invalid_phone_number"),
                    (2, "invalid_phone_number"),
                ]),
            ),
            (vec![&good, &number, &channel], true, None),
            (
                vec![&fieldless, &good],
                true,
                Some(vec![(0, "missing_field")]),
            ),
            (vec![&good, &blank], true, Some(vec![(1, "invalid_text")])),
            (vec![&long, &good], true, Some(vec![(0, "invalid_text")])),
            (
                vec![&number, &fieldless],
                true,
                Some(vec![(0, "invalid_phone_number"), (1, "missing_field")]),
            ),
        ] {
            let recipients: Vec<_> = recipients.into_iter().cloned().collect();
            match plan(&recipients, &template("{{name}}"), &nobody(), skip) {
                Ok(plan) => {
                    assert_eq!(wrong, None);
                    assert_eq!(texts(&plan), ["5511900000001: Ana"]);
                    assert_eq!((plan.skipped.invalid, plan.invalid.len()), (2, 2));
                }
                Err(invalid) => {
                    let found: Vec<_> = invalid.iter().map(code).collect();
                    assert_eq!(Some(found), wrong);
                    assert!(invalid.iter().all(|i| !i.detail.contains("12@")));
                }
            }
        }
        let invalid = plan(&[fieldless], &template("{{name}}"), &nobody(), true);
        let field = invalid.expect_err("it lacks one")[0].field.clone();
        assert_eq!(field.as_deref(), Some("name"));
    }

    #[test]
    fn a_job_of_nobody_is_possible() {
        let opted_out = [Recipient::to_write_to("5511900000001").expect("a number")];
        let only = ["5511900000001".into()];
        let plan = plan(&only, &template("x"), &opted_out.into(), false).expect("a plan");
        assert!(plan.messages.is_empty() && plan.skipped.opted_out == 1);
    }
}
