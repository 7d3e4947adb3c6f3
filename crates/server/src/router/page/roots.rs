//! The roots on the page, for those who may see them.

use maud::{Markup, html};
use rns_cache::{HumanBytes, RootSizes, RootSummary, moment};

/// The roots.
#[derive(Clone, Copy, Debug)]
pub struct RootsSection<'a> {
    /// The first roots by name. `None`: they cannot be read now.
    pub roots: Option<&'a [RootSummary]>,
    /// The space that each root alone takes. `None`: it is not known.
    pub sizes: Option<&'a RootSizes>,
    /// Whether there are more.
    pub has_more: bool,
}

impl RootsSection<'_> {
    pub(super) fn render(&self) -> Markup {
        html! {
            section aria-labelledby="roots" {
                h2 #roots { "Kept paths" }
                @match self.roots {
                    None => p { "The roots cannot be read at the moment." },
                    Some([]) => p {
                        "There is no root. One is set by " code { "PUT /gcroots/NAME" }
                        " with store paths, one a line."
                    },
                    Some(roots) => (self.table(roots)),
                }
            }
        }
    }

    fn table(&self, roots: &[RootSummary]) -> Markup {
        html! {
            div.table {
                table {
                    thead {
                        tr {
                            th scope="col" { "Root" }
                            th scope="col" { "Set" }
                            th scope="col" { "Until" }
                            th scope="col" { "Needs" }
                            th scope="col" { "Removing it frees" }
                        }
                    }
                    tbody {
                        @for root in roots { (self.row(root)) }
                    }
                }
            }
            @if self.has_more { p { "There are more: " code { "GET /gcroots" } " has them all." } }
            p {
                "A root keeps its paths and their closures. Removing it frees the paths that no other root needs"
                @match self.sizes {
                    Some(sizes) => { ", as of " (moment(sizes.as_of)) "." },
                    None => { ". There are too many here to compute sizes." },
                }
            }
        }
    }

    fn row(&self, root: &RootSummary) -> Markup {
        let size = self.sizes.and_then(|sizes| sizes.sizes.get(&root.name));
        let newest = &root.newest;
        html! {
            tr {
                th scope="row" {
                    (root.name.as_str())
                    @if root.revision_count > 1 { " (" (root.revision_count) " revisions)" }
                    @if let Some(label) = &newest.label { br; small { (label.as_str()) } }
                    @for path in newest.paths.iter().take(1) { br; small { (path.as_str()) } }
                    @if root.path_count > 1 { br; small { "and " (root.path_count - 1) " more" } }
                }
                td { (moment(newest.created)) br; small { (newest.pusher.name) } }
                td { @match newest.expires { Some(expires) => (moment(expires)), None => "–" } }
                @match size {
                    Some(size) => {
                        td { (size.paths) " paths, " (HumanBytes(size.bytes)) }
                        td { (HumanBytes(size.freed_bytes)) }
                    },
                    None => { td { "–" } td { "–" } },
                }
            }
        }
    }
}
