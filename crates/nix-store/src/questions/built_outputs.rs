//! From paths to the outputs of content-addressed derivations that they are.

use std::collections::BTreeMap;

use rns_formats::{
    BuildTraceEntry, DrvOutputId, Hash, Realisation, Sha256Digest, Signature, StoreDir, StorePath,
    StorePathName,
};
use rusqlite::Connection;

use super::realisation::{Realisations, find_realisation, has_table, parse_realisation};
use crate::CacheError;

/// Those of one generation of Nix. There may be no index for the path: all rows are looked at once, for all paths together.
const OUTPUTS_OF_PATHS: &str = "\
    select r.drvPath, r.outputName from Realisations r cross join ValidPaths v on v.id = r.outputPath \
     where v.path in (select value from json_each(?1)) order by r.rowid";

/// Those of the other generation.
const BUILD_TRACES: &str = "\
    select drvPath, outputName, outputPath, signatures from BuildTraceV3 \
     where outputPath in (select value from json_each(?1)) order by id";

/// The outputs of content-addressed derivations that some paths are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuiltOutputs {
    /// As Nix 2.4 to 2.34 exchange them.
    pub realisations: Vec<Realisation>,
    /// As Nix since 2.35 exchanges them.
    pub build_trace: Vec<BuildTraceEntry>,
}

impl Realisations {
    /// The outputs that these paths are. Rows that make no sense are left out.
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read.
    pub(crate) async fn of_paths(&self, paths: &[StorePath]) -> Result<BuiltOutputs, CacheError> {
        let store_dir = self.0.store_dir().clone();
        // Store paths have no character that JSON would escape.
        let wanted = paths.iter().map(|path| format!("\"{}\"", store_dir.print(path)));
        let wanted = format!("[{}]", wanted.collect::<Vec<_>>().join(","));
        let question = move |connection: &Connection| {
            let realisations = realisations_of(connection, &store_dir, &wanted)?;
            let build_trace = build_trace_of(connection, &store_dir, &wanted)?;
            Ok(BuiltOutputs { realisations, build_trace })
        };
        Ok(self.0.database.ask(question).await?.unwrap_or_default())
    }
}

fn realisations_of(
    connection: &Connection,
    store_dir: &StoreDir,
    wanted: &str,
) -> rusqlite::Result<Vec<Realisation>> {
    if !has_table(connection, "Realisations")? {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare_cached(OUTPUTS_OF_PATHS)?;
    let ids = statement
        .query_map([wanted], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut found: BTreeMap<DrvOutputId, Realisation> = BTreeMap::new();
    for (drv_hash, output) in ids.collect::<rusqlite::Result<Vec<_>>>()? {
        let Some(id) = drv_output(&drv_hash, &output) else { continue };
        // Of several rows with an id, Nix goes by the first: that may be another path.
        let row = find_realisation(connection, &drv_hash, &output)?;
        if let Some(parsed) = row.and_then(|row| parse_realisation(store_dir, &id, &row).ok()) {
            found.insert(id, parsed);
        }
    }
    Ok(found.into_values().collect())
}

fn build_trace_of(
    connection: &Connection,
    store_dir: &StoreDir,
    wanted: &str,
) -> rusqlite::Result<Vec<BuildTraceEntry>> {
    if !has_table(connection, "BuildTraceV3")? {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare_cached(BUILD_TRACES)?;
    let rows = statement.query_map([wanted], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, String>(2)?,
            row.get::<_, Option<String>>(3)?,
        ))
    })?;
    let mut found: BTreeMap<(StorePath, StorePathName), BuildTraceEntry> = BTreeMap::new();
    for row in rows {
        let (drv, output, path, signatures) = row?;
        let parsed = (StorePath::parse(&drv), StorePathName::parse(&output));
        let (Ok(drv_path), Ok(output_name)) = parsed else { continue };
        let Ok(out_path) = store_dir.parse_path(&path) else { continue };
        let signatures = Signature::filter_valid(signatures.as_deref().unwrap_or_default());
        let key = (drv_path.clone(), output_name.clone());
        let entry = BuildTraceEntry { drv_path, output_name, out_path, signatures };
        found.entry(key).or_insert(entry);
    }
    Ok(found.into_values().collect())
}

fn drv_output(drv_hash: &str, output: &str) -> Option<DrvOutputId> {
    let drv_hash = Hash::parse_prefixed(drv_hash).and_then(Sha256Digest::try_from).ok()?;
    Some(DrvOutputId { drv_hash, output_name: StorePathName::parse(output).ok()? })
}
