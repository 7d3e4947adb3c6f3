//! The goals as a picture: how far along its limit each measurement is.

use std::fmt::Write as _;

use crate::report::{Goal, number};

const LINE: usize = 22;
const TEXT: usize = 470;
/// Pixels from nothing to the limit.
const LIMIT: f64 = 260.0;
/// Longer bars are cut off.
const MAX_RATIO: f64 = 1.6;

/// An SVG with a bar for each goal; all limits are at the same place.
pub(crate) fn svg(goals: &[Goal]) -> String {
    let known: Vec<(&Goal, f64)> =
        goals.iter().filter_map(|goal| Some((goal, goal.value?))).collect();
    let height = 50 + known.len() * LINE;
    let limit = TEXT as f64 + LIMIT;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1020\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"1020\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"{limit}\" y=\"20\" text-anchor=\"middle\">must</text>\n\
         <text x=\"10\" y=\"20\">shorter is better; | marks the stretch goal</text>\n"
    );
    for (index, (goal, value)) in known.iter().enumerate() {
        let y = 30 + index * LINE;
        let color = match value {
            value if *value <= goal.stretch => "#2e7d32",
            value if *value <= goal.must => "#1565c0",
            _ => "#d84315",
        };
        let width = (value / goal.must).min(MAX_RATIO) * LIMIT;
        let stretch = TEXT as f64 + goal.stretch / goal.must * LIMIT;
        _ = writeln!(
            text,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{TEXT}\" y=\"{y}\" width=\"{width:.1}\" height=\"16\" fill=\"{color}\"/>\
             <line x1=\"{stretch:.1}\" x2=\"{stretch:.1}\" y1=\"{y}\" y2=\"{}\" stroke=\"#000000\"/>\
             <text x=\"{:.1}\" y=\"{}\">{} {}</text>",
            TEXT - 8,
            y + 12,
            goal.what.split(" (").next().unwrap_or_default(),
            y + 16,
            TEXT as f64 + width.max(LIMIT) + 8.0,
            y + 12,
            number(*value),
            goal.unit
        );
    }
    _ = writeln!(
        text,
        "<line x1=\"{limit}\" x2=\"{limit}\" y1=\"26\" y2=\"{}\" stroke=\"#000000\" stroke-dasharray=\"3 3\"/>\n</svg>",
        height - 16
    );
    text
}
