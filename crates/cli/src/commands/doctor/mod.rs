//! `doctor`: the faults of a cache, of this machine as its client, or of the server here.

mod client;
mod local_paths;
mod server;

use anyhow::Context as _;
use rns_doctor::{FindingId, Outcome, Report};

use crate::{
    config::Environment,
    doctor_args::DoctorArgs,
    output::{Answer, print},
};

/// Looks at everything, and prints the faults.
pub(super) fn run(args: &DoctorArgs, environment: &Environment) -> anyhow::Result<Answer> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let report = runtime.context("no runtime")?.block_on(look(args, environment))?;
    match args.json {
        true => print(&format!("{:#}\n", report.to_json()))?,
        false => print(&report.to_text())?,
    }
    Ok(answer(&report))
}

async fn look(args: &DoctorArgs, environment: &Environment) -> anyhow::Result<Report> {
    let mut report = Report::default();
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

fn answer(report: &Report) -> Answer {
    if report.has(FindingId::Unreachable) || report.has(FindingId::NameUnresolved) {
        Answer::Unreachable
    } else if !report.findings.is_empty() {
        Answer::No
    } else if !report.unchecked.is_empty() {
        Answer::Incomplete
    } else {
        Answer::Yes
    }
}
