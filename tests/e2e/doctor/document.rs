//! `docs/doctor.md`.

use rns_doctor::FindingId;

#[test]
fn every_finding_is_in_the_document() {
    let document = include_str!("../../../docs/doctor.md");
    for id in FindingId::ALL {
        let row = format!("| `{id}` | {} |", id.why());
        assert!(document.contains(&row), "docs/doctor.md lacks the row\n{row}");
    }
    let rows =
        document.lines().filter(|line| line.starts_with("| `") && line.matches('|').count() == 3);
    let rows =
        rows.filter(|line| line.split('`').nth(1).is_some_and(|name| !name.starts_with('-')));
    assert_eq!(rows.count(), FindingId::ALL.len(), "a row is about no finding");
}
