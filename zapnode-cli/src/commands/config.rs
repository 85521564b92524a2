use clap::Args;
use serde_json::{Value, json};

use super::Context;
use crate::output::table;

/// Show every setting: its value, and where it came from
#[derive(Args, Debug)]
pub(crate) struct ConfigArgs {}

pub(crate) fn run(_: &ConfigArgs, context: &Context) {
    let shown = context.settings.shown();
    let rows: Vec<_> = shown
        .iter()
        .map(|one| {
            vec![
                one.spec.name.to_owned(),
                one.value.clone(),
                one.source.to_string(),
            ]
        })
        .collect();
    let values: Vec<Value> = shown
        .iter()
        .map(|one| {
            json!({"name": one.spec.name, "value": one.value, "source": one.source.to_string()})
        })
        .collect();
    context.output.result(
        table(&["SETTING", "VALUE", "FROM"], &rows),
        &json!({"success": true, "settings": values}),
    );
}
