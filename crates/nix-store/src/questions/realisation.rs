//! Outputs of content-addressed derivations, in the forms of both generations of Nix.
//!
//! Nix up to 2.34 records realisations under a hash of the derivation's contents, Nix since 2.35
//! records a build trace under the derivation's path. Neither can be told from the other, so each
//! question is answered from the tables of its own generation. The tables are there only where the
//! experimental feature `ca-derivations` was ever on.

use std::{collections::BTreeMap, sync::Arc};

use rns_formats::{
    BuildTraceEntry, DrvOutputId, Hash, HashError, Realisation, Sha256Digest, Signature, StoreDir,
    StorePath, StorePathError, StorePathName,
};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::{CacheError, db::bad_row, store::StoreParts};

/// `rowid`, because the first version of this table had no column `id`, which is the same thing.
const REALISATION: &str = "\
    select r.rowid, v.id, v.path, r.signatures from Realisations r join ValidPaths v on v.id = r.outputPath \
     where r.drvPath = ?1 and r.outputName = ?2 order by r.rowid limit 1";

const DEPENDENCIES: &str = "\
    select d.drvPath, d.outputName, v.path, v.id from RealisationsRefs e \
      join Realisations d on d.id = e.realisationReference join ValidPaths v on v.id = d.outputPath \
     where e.referrer = ?1";

const TRACE_OF_OUTPUT: &str = "\
    select outputPath, signatures from BuildTraceV3 where drvPath = ?1 and outputName = ?2 order by id limit 1";

const TABLE: &str = "select 1 from sqlite_master where type = 'table' and name = ?1";

/// Why a row is no realisation.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadRealisation {
    #[error(transparent)]
    Path(#[from] StorePathError),
    #[error(transparent)]
    Hash(#[from] HashError),
}

/// The columns of a realisation: path and signatures of the output, and of each realisation it was
/// built with the hash, the output's name and its path.
pub(crate) struct RealisationRow {
    path: String,
    signatures: Option<String>,
    dependencies: Vec<(String, String, String)>,
    /// The rows of all these paths.
    pub(crate) paths: Vec<i64>,
}

/// The outputs of content-addressed derivations.
pub(crate) struct Realisations(pub(super) Arc<StoreParts>);

impl Realisations {
    pub(crate) const fn new(parts: Arc<StoreParts>) -> Self {
        Self(parts)
    }

    /// The realisation with this id, as Nix 2.4 to 2.34 exchange it. `None` when none is registered.
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read; `Invalid` when its row makes no sense.
    pub(crate) async fn get(&self, id: &DrvOutputId) -> Result<Option<Realisation>, CacheError> {
        let row = self.row(id).await?;
        row.map(|row| self.parse(id, &row)).transpose()
    }

    /// The columns of the realisation with this id.
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read.
    pub(crate) async fn row(&self, id: &DrvOutputId) -> Result<Option<RealisationRow>, CacheError> {
        let drv_hash = format!("sha256:{}", id.drv_hash.to_hex());
        let output = id.output_name.as_str().to_owned();
        let question =
            move |connection: &Connection| find_realisation(connection, &drv_hash, &output);
        Ok(self.0.database.ask(question).await?.flatten())
    }

    /// The realisation that a row says.
    ///
    /// # Errors
    /// `Invalid` when it makes no sense.
    pub(crate) fn parse(
        &self,
        id: &DrvOutputId,
        row: &RealisationRow,
    ) -> Result<Realisation, CacheError> {
        parse_realisation(self.0.store_dir(), id, row)
            .map_err(|why| bad_row(&row.path, format!("realisation {id}: {why}")))
    }

    /// The path that this output of a derivation was built to, as Nix since 2.35 exchanges it. `None` when nothing
    /// is registered; the path that is named need not be in the store any more.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn build_trace(
        &self,
        derivation: &StorePath,
        output: &str,
    ) -> Result<Option<BuildTraceEntry>, CacheError> {
        let Ok(output) = StorePathName::parse(output) else { return Ok(None) };
        let key = (derivation.clone(), output.clone());
        let question = move |connection: &Connection| {
            if !has_table(connection, "BuildTraceV3")? {
                return Ok(None);
            }
            let mut statement = connection.prepare_cached(TRACE_OF_OUTPUT)?;
            let row = statement.query_row(params![key.0.as_str(), key.1.as_str()], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
            });
            row.optional()
        };
        let row = self.0.database.ask(question).await?;
        let Some((path, signatures)) = row.flatten() else { return Ok(None) };
        match self.0.store_dir().parse_path(&path) {
            Ok(out_path) => Ok(Some(BuildTraceEntry {
                drv_path: derivation.clone(),
                output_name: output,
                out_path,
                signatures: Signature::filter_valid(signatures.as_deref().unwrap_or_default()),
            })),
            Err(error) => Err(bad_row(&path, format!("build trace of {derivation}: {error}"))),
        }
    }
}

pub(super) fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    connection.prepare_cached(TABLE)?.exists([name])
}

pub(super) fn find_realisation(
    connection: &Connection,
    drv_hash: &str,
    output: &str,
) -> rusqlite::Result<Option<RealisationRow>> {
    // So that the realisation and its dependencies are of one moment.
    let moment = connection.unchecked_transaction()?;
    if !has_table(&moment, "Realisations")? {
        return Ok(None);
    }
    let found = moment
        .prepare_cached(REALISATION)?
        .query_row([drv_hash, output], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    // A missing realisation takes the same steps as a hidden one.
    let id: i64 = found.as_ref().map_or(-1, |found: &(i64, i64, String, Option<String>)| found.0);
    let dependencies: Vec<(i64, _)> = if has_table(&moment, "RealisationsRefs")? {
        moment
            .prepare_cached(DEPENDENCIES)?
            .query_map([id], |row| Ok((row.get(3)?, (row.get(0)?, row.get(1)?, row.get(2)?))))?
            .collect::<rusqlite::Result<_>>()?
    } else {
        Vec::new()
    };
    Ok(found.map(|(_, output, path, signatures)| {
        let (rows, dependencies): (Vec<_>, Vec<_>) = dependencies.into_iter().unzip();
        let paths = rows.into_iter().chain([output]).collect();
        RealisationRow { path, signatures, dependencies, paths }
    }))
}

pub(super) fn parse_realisation(
    store_dir: &StoreDir,
    id: &DrvOutputId,
    row: &RealisationRow,
) -> Result<Realisation, BadRealisation> {
    let path = |path: &str| store_dir.parse_path(path);
    let dependency = |(drv_hash, output, out_path): &(String, String, String)| {
        let drv_hash = Hash::parse_prefixed(drv_hash).and_then(Sha256Digest::try_from)?;
        let output_name = StorePathName::parse(output)?;
        Ok::<_, BadRealisation>((DrvOutputId { drv_hash, output_name }, path(out_path)?))
    };
    Ok(Realisation {
        id: id.clone(),
        out_path: path(&row.path)?,
        signatures: Signature::filter_valid(row.signatures.as_deref().unwrap_or_default()),
        dependent_realisations: row
            .dependencies
            .iter()
            .map(dependency)
            .collect::<Result<BTreeMap<_, _>, _>>()?,
    })
}
