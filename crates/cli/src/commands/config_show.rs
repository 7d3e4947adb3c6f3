//! `config show`: every key, its value and where the value came from.

use serde_json::{Value as Json, json};

use crate::{
    args::ServeArgs,
    config::{self, Environment, PassedSockets},
    output::{CommandAnswer, print, tell},
};

/// Prints the values in effect.
pub(super) fn run(
    serve: &ServeArgs,
    environment: &Environment,
    as_json: bool,
) -> anyhow::Result<CommandAnswer> {
    let loaded = config::load(serve, environment, PassedSockets::Unknown)?;
    for warning in &loaded.warnings {
        tell(&format!("warning: {warning}"));
    }
    // A key that holds nothing cannot be written as TOML either.
    let rows = loaded
        .settings
        .rows()
        .filter_map(|row| Some((row.path, row.value?, row.source.to_string())));
    let text = if as_json {
        let rows: Vec<Json> = rows
            .map(|(key, value, source)| json!({ "key": key, "value": value, "source": source }))
            .collect();
        format!("{:#}\n", Json::Array(rows))
    } else {
        // A line is TOML, so that it can be copied into a file: dotted keys are keys of tables.
        let rows: Vec<(String, String)> =
            rows.map(|(key, value, source)| (format!("{key} = {value}"), source)).collect();
        let width = rows
            .iter()
            .map(|(setting, _)| setting.chars().count())
            .filter(|width| *width < 60)
            .max();
        let width = width.unwrap_or(0);
        rows.iter().map(|(setting, source)| format!("{setting:width$}  # {source}\n")).collect()
    };
    print(&text)?;
    Ok(CommandAnswer::Yes)
}
