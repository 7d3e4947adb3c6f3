//! `doctor`: the faults of a cache, of this machine as its client, or of the server here.

mod client;
mod local_paths;
mod server;

use anyhow::Context as _;
use rns_doctor::{DoctorReport, FindingId, Outcome};

use crate::{
    config::Environment,
    doctor_args::DoctorArgs,
    output::{CommandAnswer, print},
};

/// Looks at everything, and prints the faults.
pub(super) fn run(args: &DoctorArgs, environment: &Environment) -> anyhow::Result<CommandAnswer> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let report = runtime.context("no runtime")?.block_on(look(args, environment))?;
    match args.json {
        true => print(&format!("{:#}\n", report.to_json()))?,
        false => print(&report.to_text())?,
    }
    Ok(answer(&report))
}

async fn look(args: &DoctorArgs, environment: &Environment) -> anyhow::Result<DoctorReport> {
    let mut report = DoctorReport::default();
    match &args.url {
        Some(url) => report.extend(client::of_cache(url, args, environment).await?),
        None => {
            report.extend(server::look(args, environment).await);
            // The configuration says also where the store of the client is.
            if report.has(FindingId::ConfigurationInvalid) {
                let why = "the configuration cannot be read".to_owned();
                report.add("client", Outcome::Unchecked(why));
            } else {
                report.extend(client::of_machine(args, environment).await?);
            }
        }
    }
    Ok(report)
}

fn answer(report: &DoctorReport) -> CommandAnswer {
    if report.has(FindingId::Unreachable) || report.has(FindingId::NameUnresolved) {
        CommandAnswer::Unreachable
    } else if !report.findings.is_empty() {
        CommandAnswer::No
    } else if !report.unchecked.is_empty() {
        CommandAnswer::Incomplete
    } else {
        CommandAnswer::Yes
    }
}
