//! Looks one setting up in the four places, and remembers where it was found.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use thiserror::Error;

/// The name of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its name in the environment and in `.env`.
    pub name: &'static str,
    /// Its flag, if it has one.
    pub flag: Option<&'static str>,
    /// Whether its value is never shown.
    pub is_secret: bool,
    /// Another program's name for it, which counts where ours is not set.
    pub alias: Option<&'static str>,
}

impl Spec {
    /// A setting without a flag.
    pub(super) const fn variable(name: &'static str) -> Self {
        Self {
            name,
            flag: None,
            is_secret: false,
            alias: None,
        }
    }

    /// A setting with a flag.
    pub(super) const fn flag(name: &'static str, flag: &'static str) -> Self {
        Self {
            name,
            flag: Some(flag),
            is_secret: false,
            alias: None,
        }
    }

    /// The same, also found under this name.
    pub(super) const fn or(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }

    /// The same, never shown.
    pub(super) const fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The command line.
    Flag,
    /// The environment.
    Environment,
    /// The file `.env` in the current folder.
    DotEnv,
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::DotEnv => ".env",
            Self::Default => "default",
        })
    }
}

/// A setting as it can be shown to anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Which.
    pub spec: Spec,
    /// Its value; a secret is masked.
    pub value: String,
    /// Where that came from.
    pub source: Source,
}

/// A value that is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name}={value:?} (from {source_name}) is not possible; allowed: {allowed}")]
pub struct SettingError {
    /// The setting's name.
    pub name: String,
    /// What it was set to; a secret is masked.
    pub value: String,
    /// Where that came from.
    pub source_name: String,
    /// What would be possible.
    pub allowed: String,
}

/// What the command line gave, by setting.
#[derive(Clone, Debug, Default)]
pub struct Flags(BTreeMap<&'static str, String>);

impl Flags {
    /// Adds a value, if there is one.
    #[must_use]
    pub fn with(mut self, spec: Spec, value: Option<impl Into<String>>) -> Self {
        if let Some(value) = value {
            self.0.insert(spec.name, value.into());
        }
        self
    }
}

/// Variables of an environment or a `.env` file.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// The process's environment. What is not Unicode cannot be one of our values and is left out.
    pub fn of_process() -> Self {
        let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(unicode).collect())
    }

    /// A variable's value. One that is empty counts as not set, as in `CHROME_PATH=`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }
}

impl Variables {
    /// Whether a variable is set and empty.
    fn is_empty(&self, name: &str) -> bool {
        self.0
            .get(name)
            .is_some_and(|value| value.trim().is_empty())
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        Self(pairs.map(|(n, v)| (n.into(), v.into())).collect())
    }
}

/// Shows the names only: environments hold other programs' secrets.
impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Reads settings one by one.
pub(super) struct Reader<'a> {
    flags: &'a Flags,
    environment: &'a Variables,
    dotenv: &'a Variables,
    shown: Vec<Shown>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(flags: &'a Flags, environment: &'a Variables, dotenv: &'a Variables) -> Self {
        Self {
            flags,
            environment,
            dotenv,
            shown: Vec::new(),
        }
    }

    /// A setting that always has a value. `parse` says what would be allowed when it refuses.
    pub(super) fn required<T>(
        &mut self,
        spec: Spec,
        default: &str,
        parse: fn(&str) -> Result<T, &'static str>,
    ) -> Result<T, SettingError> {
        let (text, source) = self.find(spec).unwrap_or((default, Source::Default));
        let parsed = parse(text).map_err(|allowed| error(spec, text, source, allowed))?;
        self.note(spec, text.to_owned(), source);
        Ok(parsed)
    }

    /// As [`optional`](Self::optional), where a variable that is set and empty is a value too.
    pub(super) fn even_empty<T>(
        &mut self,
        spec: Spec,
        absent: &str,
        parse: fn(&str) -> Result<T, &'static str>,
    ) -> Result<Option<T>, SettingError> {
        let emptied = [
            (self.environment, Source::Environment),
            (self.dotenv, Source::DotEnv),
        ];
        let emptied = emptied.into_iter().find(|(v, _)| v.is_empty(spec.name));
        match (self.find(spec), emptied) {
            (None, Some((_, source))) => {
                let parsed = parse("").map_err(|allowed| error(spec, "", source, allowed))?;
                self.note(spec, String::new(), source);
                Ok(Some(parsed))
            }
            _ => self.optional(spec, absent, parse),
        }
    }

    /// A setting that may be absent; `absent` is what is shown then.
    pub(super) fn optional<T>(
        &mut self,
        spec: Spec,
        absent: &str,
        parse: fn(&str) -> Result<T, &'static str>,
    ) -> Result<Option<T>, SettingError> {
        let Some((text, source)) = self.find(spec) else {
            self.shown.push(Shown {
                spec,
                value: absent.to_owned(),
                source: Source::Default,
            });
            return Ok(None);
        };
        let parsed = parse(text).map_err(|allowed| error(spec, text, source, allowed))?;
        self.note(spec, text.to_owned(), source);
        Ok(Some(parsed))
    }

    /// Shows a default that was found elsewhere.
    pub(super) fn fill(&mut self, spec: Spec, path: &Path) {
        if let Some(shown) = self.shown.iter_mut().find(|shown| shown.spec == spec) {
            shown.value = path.display().to_string();
        }
    }

    /// Whether the command line gave this setting.
    pub(super) fn is_flag(&self, spec: Spec) -> bool {
        matches!(self.find(spec), Some((_, Source::Flag)))
    }

    /// The error for a value that is refused because of another setting.
    pub(super) fn refuse(&self, spec: Spec, allowed: &str) -> SettingError {
        let (text, source) = self.find(spec).unwrap_or(("", Source::Default));
        error(spec, text, source, allowed)
    }

    pub(super) fn finish(self) -> Vec<Shown> {
        self.shown
    }

    fn find(&self, spec: Spec) -> Option<(&'a str, Source)> {
        // An empty flag was typed by somebody and is judged; an empty variable is not set.
        let flag = self.flags.0.get(spec.name).map(String::as_str);
        let either = |variables: &'a Variables| {
            let alias = || spec.alias.and_then(|alias| variables.get(alias));
            variables.get(spec.name).or_else(alias)
        };
        let environment = either(self.environment);
        let dotenv = either(self.dotenv);
        flag.map(|text| (text, Source::Flag))
            .or(environment.map(|text| (text, Source::Environment)))
            .or(dotenv.map(|text| (text, Source::DotEnv)))
    }

    fn note(&mut self, spec: Spec, value: String, source: Source) {
        let value = masked(spec, &value);
        self.shown.push(Shown {
            spec,
            value,
            source,
        });
    }
}

fn error(spec: Spec, text: &str, source: Source, allowed: &str) -> SettingError {
    SettingError {
        name: match (source, spec.flag, spec.alias) {
            (Source::Flag, Some(flag), _) => flag.to_owned(),
            (_, _, Some(alias)) => format!("{} (or {alias})", spec.name),
            _ => spec.name.to_owned(),
        },
        value: masked(spec, text),
        source_name: source.to_string(),
        allowed: allowed.to_owned(),
    }
}

fn masked(spec: Spec, value: &str) -> String {
    if spec.is_secret {
        "********".to_owned()
    } else {
        value.to_owned()
    }
}
