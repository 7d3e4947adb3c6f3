//! The page's section about the paths that a storage keeps. Clients that may see the roots get it.

use maud::{Markup, html};
use rns_cache::{HumanBytes, RetentionStats, moment};

use super::outlook::OutlookSection;

/// The paths that the storage keeps, and the first to go.
#[derive(Clone, Copy, Debug)]
pub struct RetentionSection<'a> {
    /// As of the last look at everything. `None`: there was none yet.
    pub stats: Option<&'a RetentionStats>,
    /// Questions about single paths, and about all that go.
    pub outlook: Option<OutlookSection<'a>>,
}

impl RetentionSection<'_> {
    pub(super) fn render(&self) -> Markup {
        html! {
            section aria-labelledby="retention" {
                h2 #retention { "Paths that stay, and the first to go" }
                @if let Some(stats) = self.stats { (last_look(stats)) }
                @if let Some(outlook) = self.outlook { (outlook.render()) }
            }
        }
    }
}

fn last_look(stats: &RetentionStats) -> Markup {
    html! {
        dl {
            dt { "Stored" }
            dd {
                (HumanBytes(stats.stored_bytes))
                @if let Some(max_size) = stats.max_size { " of " (HumanBytes(max_size)) }
            }
            @for (reason, paths, bytes) in &stats.kept {
                @if *paths > 0 {
                    dt { (why(reason)) }
                    dd { (paths) " paths, " (HumanBytes(*bytes)) }
                }
            }
            @if let Some(next) = stats.next {
                dt { "Next collection" }
                dd { (moment(next)) }
            }
        }
        @if !stats.first_to_go.is_empty() {
            p { "When room is needed, these go first, each with the paths that only it needs:" }
            ol {
                @for (path, bytes) in &stats.first_to_go {
                    li { code { (path) } ", " (HumanBytes(*bytes)) }
                }
            }
        }
    }
}

fn why(reason: &str) -> &'static str {
    match reason {
        "root" => "Roots need",
        "young" => "Pushed lately",
        "used" => "Used lately",
        _ => "No rule lets go",
    }
}
