//! The page's answers about retention: all that would go now, and why a path stays.

use maud::{Markup, html};
use rns_cache::{AmountOf, DryRun, HumanBytes, KeepReason, WhyKept, moment};
use rns_formats::StoreDir;

/// The questions that the page takes, and the answer to the one that was asked.
#[derive(Clone, Copy, Debug)]
pub struct OutlookSection<'a> {
    /// The store directory that paths are printed with.
    pub store_dir: &'a StoreDir,
    /// The path that was asked about, as it was written.
    pub asked: &'a str,
    /// The answer.
    pub answer: &'a OutlookAnswer,
}

/// An answer about retention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutlookAnswer {
    /// Nothing was asked.
    Nothing,
    /// All that would go, and the number after which the list goes on.
    DryRun(DryRun, Option<usize>),
    /// There is too much to find out what would go.
    TooLarge,
    /// Why a path stays.
    Why(WhyKept),
    /// The path is not here.
    Absent,
    /// It is no store path.
    NoPath,
    /// It cannot be found out now.
    Unavailable,
}

impl OutlookSection<'_> {
    pub(super) fn render(&self) -> Markup {
        html! {
            p { a href="?going=0#going" { "All that would go now" } ", in which order and why." }
            form method="get" {
                label for="why" { "Why does a path stay, or go?" }
                input #why name="why" value=(self.asked) placeholder=(self.example()) required;
                button { "Ask" }
            }
            @match self.answer {
                OutlookAnswer::Nothing => {},
                OutlookAnswer::DryRun(found, next) => (self.dry_run(found, *next)),
                OutlookAnswer::TooLarge => p {
                    "There are too many paths to find that out here. On the machine of the server, "
                    code { "rust-nix-serve storage gc --dry-run" } " does."
                },
                OutlookAnswer::Why(found) => (self.why(found)),
                OutlookAnswer::Absent => p role="status" { code { (self.asked) } " is not in the storage." },
                OutlookAnswer::NoPath => p role="status" { code { (self.asked) } " is no store path." },
                OutlookAnswer::Unavailable => p role="status" { "That cannot be found out at the moment." },
            }
        }
    }

    fn example(&self) -> String {
        format!("{}/…", self.store_dir.as_str())
    }

    fn dry_run(&self, found: &DryRun, next: Option<usize>) -> Markup {
        html! {
            h3 #going { "All that would go now" }
            p { "As of " (moment(found.as_of)) ". Each path is looked at again before it goes." }
            (amounts("Stay", &found.kept))
            (amounts("Go", &found.freed))
            @if found.count == 0 { p { "No path would go." } }
            @if !found.going.is_empty() {
                div.table {
                    table {
                        thead {
                            tr {
                                th scope="col" { "Place" }
                                th scope="col" { "Path, and why it goes" }
                                th scope="col" { "Size" }
                                th scope="col" { "Last used" }
                            }
                        }
                        tbody {
                            @for going in &found.going {
                                tr {
                                    td { (going.place) }
                                    th scope="row" {
                                        code { (self.store_dir.print(&going.path)) }
                                        br; small { (going.cause) }
                                    }
                                    td { (HumanBytes(going.bytes)) }
                                    td { (moment(going.last_use)) }
                                }
                            }
                        }
                    }
                }
            }
            @if let Some(next) = next {
                p { a href={ "?going=" (next) "#going" } { "More of the " (found.count) " paths" } }
            }
        }
    }

    fn why(&self, found: &WhyKept) -> Markup {
        html! {
            h3 { code { (self.store_dir.print(&found.path)) } }
            @for reason in &found.reasons { (self.reason(reason)) }
            @if let Some(fate) = &found.fate { p { "Goes: " (fate) "." } }
            @if !found.is_complete {
                p { "More refers to it than was looked at: the list of all that would go knows everything." }
            }
            dl {
                dt { "Size" }
                dd { (HumanBytes(found.bytes)) }
                dt { "Pushed" }
                dd { (moment(found.published)) }
                dt { "Told to a pusher" }
                dd { (moment(found.touched)) }
                dt { "Read" }
                dd { @match found.read { Some(read) => (moment(read)), None => "never" } }
            }
        }
    }

    fn reason(&self, reason: &KeepReason) -> Markup {
        html! {
            p { "Stays: " (reason.text) "." }
            @if reason.chain.len() > 1 {
                ol {
                    @for path in &reason.chain { li { code { (self.store_dir.print(path)) } } }
                }
            }
        }
    }
}

fn amounts(title: &str, amounts: &[AmountOf]) -> Markup {
    html! {
        @if !amounts.is_empty() {
            p { (title) ":" }
            ul {
                @for amount in amounts {
                    li { (amount.paths) " paths, " (HumanBytes(amount.bytes)) ": " (amount.reason) }
                }
            }
        }
    }
}
