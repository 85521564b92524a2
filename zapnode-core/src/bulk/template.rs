//! Texts with fields, as `Olá {{name}}`. Pure.
//!
//! - `{{name}}` is the recipient's field `name`; blanks around the name do not count, case does.
//! - `{{name|friend}}` is `friend` where the field is absent or empty.
//! - `\{{` is the two braces themselves, and `\\{{name}}` a backslash before the field. A backslash
//!   anywhere else is a backslash, and `}}` without a beginning is itself.
//! - A value is put in as it is: braces in it mean nothing.

use std::collections::BTreeMap;

use thiserror::Error;

/// What each recipient's fields are put into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field {
        name: String,
        default: Option<String>,
    },
}

/// A text that is no template.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidTemplate {
    /// There is nothing to send in it.
    #[error("the template is empty")]
    Empty,
    /// A field begins and does not end.
    #[error("the field that begins at character {at} has no end: }}}} is missing")]
    Unclosed {
        /// Which character, counted from 1.
        at: usize,
    },
    /// A field without a name, or with braces in it.
    #[error(
        "the field at character {at} has no proper name; write \\{{{{ for the braces themselves"
    )]
    Nameless {
        /// Which character, counted from 1.
        at: usize,
    },
}

/// A recipient lacks a field that the template names without a default.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the field {name:?} is missing")]
pub struct MissingField {
    /// Which.
    pub name: String,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`InvalidTemplate`].
    pub fn new(text: &str) -> Result<Self, InvalidTemplate> {
        if text.trim().is_empty() {
            return Err(InvalidTemplate::Empty);
        }
        let mut parts = vec![];
        let mut plain = String::new();
        let mut rest = text;
        while let Some(open) = rest.find("{{") {
            let at = text[..text.len() - rest.len() + open].chars().count() + 1;
            let before = rest[..open].trim_end_matches('\\');
            let backslashes = open - before.len();
            plain.push_str(before);
            plain.push_str(&"\\".repeat(backslashes / 2));
            rest = &rest[open + 2..];
            if backslashes % 2 == 1 {
                plain.push_str("{{");
                continue;
            }
            let close = rest.find("}}").ok_or(InvalidTemplate::Unclosed { at })?;
            let inside = &rest[..close];
            if inside.contains("{{") {
                return Err(InvalidTemplate::Unclosed { at });
            }
            let (name, default) = match inside.split_once('|') {
                Some((name, default)) => (name.trim(), Some(default.trim().to_owned())),
                None => (inside.trim(), None),
            };
            if name.is_empty() || name.contains(['{', '}', '\n']) {
                return Err(InvalidTemplate::Nameless { at });
            }
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            let name = name.to_owned();
            parts.push(Part::Field { name, default });
            rest = &rest[close + 2..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts })
    }

    /// The text for one recipient.
    ///
    /// # Errors
    /// The first field that is missing. One that is there and empty is not missing.
    pub fn fill(&self, fields: &BTreeMap<String, String>) -> Result<String, MissingField> {
        let mut text = String::new();
        for part in &self.parts {
            text.push_str(match part {
                Part::Text(plain) => plain,
                Part::Field { name, default } => match (fields.get(name), default) {
                    (Some(value), None) => value,
                    (Some(value), Some(_)) if !value.is_empty() => value,
                    (_, Some(default)) => default,
                    (None, None) => return Err(MissingField { name: name.clone() }),
                },
            });
        }
        Ok(text)
    }

    /// The names of the fields that must be there: those without a default.
    pub fn required_fields(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Field {
                name,
                default: None,
            } => Some(name.as_str()),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(template: &str, fields: &[(&str, &str)]) -> Result<String, MissingField> {
        let fields = fields.iter().map(|(n, v)| ((*n).into(), (*v).into()));
        let template = Template::new(template).expect("a template");
        template.fill(&fields.collect())
    }

    #[test]
    fn fields_are_put_in() {
        let ana = &[("name", "Ana"), ("loja", "Centro"), ("vazio", "")][..];
        for (template, text) in [
            ("Olá {{name}}!", "Olá Ana!"),
            ("{{name}}{{ loja }}", "AnaCentro"),
            ("{{  name\t}}", "Ana"),
            ("{{name|amigo}}", "Ana"),
            ("Oi {{apelido|amigo}}", "Oi amigo"),
            ("Oi {{apelido | meu amigo }}.", "Oi meu amigo."),
            ("Oi {{vazio|amigo}}", "Oi amigo"),
            ("Oi {{vazio}}", "Oi "),
            ("Oi {{apelido|}}!", "Oi !"),
            ("{{apelido|a|b}}", "a|b"),
            (r"\{{name}} é {{name}}", "{{name}} é Ana"),
            (r"\\{{name}}", r"\Ana"),
            (r"\\\{{name}}", r"\{{name}}"),
            (r"C:\pasta\ {{name}}", r"C:\pasta\ Ana"),
            ("a } b }} c { d", "a } b }} c { d"),
            ("sem campos", "sem campos"),
            ("linha\n{{name}}\n", "linha\nAna\n"),
        ] {
            assert_eq!(fill(template, ana).as_deref(), Ok(text), "{template}");
        }
    }

    #[test]
    fn values_are_no_templates() {
        let fields = [("a", "{{b}}"), ("b", "x")];
        assert_eq!(fill("{{a}} {{b}}", &fields).as_deref(), Ok("{{b}} x"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let missing = fill("{{name}} {{sobrenome}}", &[("name", "Ana")]);
        assert_eq!(missing.map_err(|m| m.name), Err("sobrenome".to_owned()));
        assert!(fill("{{Name}}", &[("name", "Ana")]).is_err(), "case counts");
        let template = Template::new("{{a}} {{b|x}} {{c}}").expect("a template");
        assert_eq!(template.required_fields().collect::<Vec<_>>(), ["a", "c"]);
    }

    #[test]
    fn what_is_no_template_is_refused_with_the_place() {
        for (text, error) in [
            ("", InvalidTemplate::Empty),
            (" \n", InvalidTemplate::Empty),
            ("Olá {{name", InvalidTemplate::Unclosed { at: 5 }),
            ("{{a}} {{b} }", InvalidTemplate::Unclosed { at: 7 }),
            ("{{a {{b}}", InvalidTemplate::Unclosed { at: 1 }),
            ("é{{}}", InvalidTemplate::Nameless { at: 2 }),
            ("{{ |x}}", InvalidTemplate::Nameless { at: 1 }),
            ("{{{name}}}", InvalidTemplate::Nameless { at: 1 }),
            ("{{a\nb}}", InvalidTemplate::Nameless { at: 1 }),
        ] {
            assert_eq!(Template::new(text), Err(error), "{text:?}");
        }
    }
}
